"""The pairs of data.lua: words, their numbers, and batches."""

from __future__ import annotations

from ....language_model import text_states
from ....text import (
    Vocabulary,
    load_corpus,
    read_tokens,
    replicate,
    sequential,
    tokenize,
)
from .pair import OUTSIDE, Pair

DATA: tuple[Pair, ...] = (
    Pair(
        "data.lua",
        (OUTSIDE,),
        (Vocabulary.__init__,),
        (
            ("vocab_map =", "self . index :"),
            ("vocab_idx =", "self . words :"),
        ),
        (
            "The vocabulary is an object that is saved with a run, so that sentences can be "
            "completed later. In Lua it is two variables, gone when the program ends.",
            "`words` also leads back from a number to its word, and its length is the next number.",
            "The folder of the texts is an option, and the Penn Treebank is fetched if asked for.",
        ),
    ),
    Pair(
        "data.lua",
        ("replicate",),
        (replicate,),
        (
            ("replicate (", "def replicate"),
            ("s = x_inp", "n = len"),
            ("torch . zeros (", "rows = torch"),
            ("for i =", "columns = torch"),
            ("start = torch", "starts ="),
            (": copy (", "return ids"),
        ),
        (
            "Lua copies one column after the other. Here all places are computed at once, rows "
            "plus starts, and the text is read there: (rows, 1) + (batch,) gives (rows, batch).",
            "The starts are rounded in whole numbers, halves up as `torch.round` of Torch7 does. "
            "PyTorch's rounds halves to the even number, which would shift some columns.",
            "Word numbers are integers from 0; in Lua they are doubles from 1.",
        ),
    ),
    Pair(
        "data.lua",
        ("load_data",),
        (read_tokens, tokenize, Vocabulary.encode, load_corpus),
        (
            ("load_data (", "def read_tokens"),
            ("file . read (", "tokens = tokenize ( read_text"),
            ("stringx . replace (", "return text . replace"),
            ("stringx . split (", "return text . replace"),
            ("print (", "log ( f"),
            ("== nil", "index . setdefault"),
            ("vocab_idx = vocab_idx + 1", "index . setdefault"),
            ("vocab_map [ data [ i ] ] = vocab_idx", "index . setdefault"),
            ("x [ i ] =", "return torch . tensor"),
            ("return x", "return torch . tensor"),
        ),
        (
            "A word's number is the order of its first appearance, over training, validation and "
            "test text: from 1 in Lua, from 0 here.",
            "`setdefault` looks a word up, and enters it with the next number if it is new.",
            "Lua replaces a newline by `<eos>` alone, which needs the spaces that the Treebank has "
            "at both ends of a line. Here spaces are added, so that any text can be read.",
            "An unknown word is an error once the vocabulary is fixed. In Lua it always grows.",
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
            "The three texts are shaped in one place, and checked: a text that is shorter than one "
            "batch of sequences is refused with the number of words that it takes.",
        ),
    ),
    Pair(
        "data.lua",
        ("testdataset",),
        (sequential,),
        (
            ("testdataset (", "def sequential"),
            (": expand (", "return"),
        ),
        (
            "Lua makes the text one column and expands it to the width of a batch, a view that "
            "repeats the column without copying it. Here one column is enough.",
        ),
    ),
)
