"""The pairs of data.lua: words, their ids, and batches."""

from __future__ import annotations

from ....language_model import text_states
from ....text import (
    Vocabulary,
    load_corpus,
    read_tokens,
    replicate,
    sequential,
    split_words,
    tokenize,
)
from .pair import OUTSIDE, Pair

DATA: tuple[Pair, ...] = (
    Pair(
        "data.lua",
        ("replicate",),
        (replicate,),
        (
            ("replicate (", "def replicate"),
            ("s = x_inp", "n = len"),
            ("torch . zeros (", "rows = torch"),
            ("for i =", "numbers = np"),
            ("start = torch", "starts ="),
            (": copy (", "return ids"),
        ),
        (
            "Lua copies one column after the other. Here all indices are computed at once, "
            "(rows, 1) + (batch,) = (rows, batch), and the text is read there.",
            "The starts are rounded in integer arithmetic, halves up, as `torch.round` of Torch7 "
            "does. PyTorch's `round` rounds halves to even, which would shift some columns.",
            "Word ids are integers from 0; in Lua they are doubles from 1.",
        ),
    ),
    Pair(
        "data.lua",
        ("load_data",),
        (read_tokens, tokenize, split_words, Vocabulary.encode, load_corpus),
        (
            ("load_data (", "def read_tokens"),
            ("file . read (", "tokens = tokenize ( read_text"),
            ("stringx . replace (", "return split_words ( text . replace"),
            ("stringx . split (", "return _WORD . findall"),
            ("print (", "log ( f"),
            ("== nil", "index . setdefault"),
            ("vocab_idx = vocab_idx + 1", "index . setdefault"),
            ("vocab_map [ data [ i ] ] = vocab_idx", "index . setdefault"),
            ("x [ i ] =", "return torch . tensor"),
            ("return x", "return torch . tensor"),
        ),
        (
            "Words are numbered in the order of their first appearance in the training, validation "
            "and test text: from 1 in Lua, from 0 here.",
            "`setdefault` looks a word up and adds it with the next id if it is new.",
            "Lua replaces a newline by `<eos>` without spaces and relies on the spaces at both "
            "ends of every line of the Treebank. Here spaces are added, so that any text can be "
            "read.",
            "Both split at ASCII white space alone. Here a carriage return ends a line, too.",
            "An unknown word is an error once the vocabulary is complete. In Lua the vocabulary "
            "always grows.",
        ),
    ),
    Pair(
        "data.lua",
        ("traindataset", "validdataset"),
        (text_states,),
        (
            ('"ptb.train.txt"', "replicate ( corpus . train"),
            ('"ptb.valid.txt"', "replicate ( corpus . valid"),
        ),
        (
            "One function shapes and checks all three texts. If a text is shorter than one batch "
            "of sequences, the error names the number of words that are needed.",
        ),
    ),
    Pair(
        "data.lua",
        ("testdataset",),
        (sequential,),
        (
            ("testdataset (", "def sequential"),
            (": expand (", "return ids"),
        ),
        (
            "Lua makes the text one column and expands it to the width of a batch. That view "
            "repeats the column without copying it. Here one column is enough.",
        ),
    ),
    Pair(
        "data.lua",
        (OUTSIDE,),
        (Vocabulary.__init__,),
        (
            ("vocab_map =", "self . index :"),
            ("vocab_idx =", "self . words :"),
        ),
        (
            "The vocabulary is an object, saved with a run so that sentences can be completed "
            "later. In Lua it is two variables, which are lost when the program ends.",
            "`words` also maps an id back to its word, and its length is the next id.",
            "The folder of the texts is an option, and the Penn Treebank can be downloaded.",
        ),
    ),
)
