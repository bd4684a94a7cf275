"""Texts as token ids: corpora, vocabularies, characters, and downloads.

This room reads files, fetches them into the user's cache, and makes tensors of ids. Long texts
stay in files, mapped into memory. The room knows neither the network nor its training, and
imports only the application's errors.
"""

from .batches import Batches, Columns, replicate, sequential
from .characters import (
    CHARACTERS,
    COURSE_FACTOR,
    COURSE_VOCABULARY,
    SPACE,
    WORDS,
    bits,
    character_text,
    characters_per_word,
    count_words,
    perplexity,
    read_character_text,
    to_characters,
    unit_of,
    write_characters,
)
from .corpus import KEYWORDS, SPLITS, Corpus, Log, load_corpus, load_split
from .fetch import cache_folder, fetch_file
from .frozen import FROZEN_PYTHON, frozen_texts
from .mapped import Ids, MappedIds, id_blocks, same_ids
from .ptb import PTB_URL, fetch_ptb
from .pydoc import pydoc_texts
from .statistics import PartStatistics, TextStatistics
from .tokens import (
    EOS,
    UNK,
    WHITE_SPACE,
    encode_text,
    join_tokens,
    quoted,
    read_tokens,
    split_words,
    tokenize,
    visible,
)
from .vocabulary import Vocabulary

__all__ = [
    "Corpus",
    "Log",
    "KEYWORDS",
    "SPLITS",
    "load_corpus",
    "load_split",
    "EOS",
    "UNK",
    "WHITE_SPACE",
    "encode_text",
    "join_tokens",
    "quoted",
    "read_tokens",
    "split_words",
    "tokenize",
    "visible",
    "Vocabulary",
    "Batches",
    "Columns",
    "replicate",
    "sequential",
    "CHARACTERS",
    "COURSE_FACTOR",
    "COURSE_VOCABULARY",
    "SPACE",
    "WORDS",
    "bits",
    "character_text",
    "characters_per_word",
    "count_words",
    "perplexity",
    "read_character_text",
    "to_characters",
    "unit_of",
    "write_characters",
    "Ids",
    "MappedIds",
    "id_blocks",
    "same_ids",
    "PTB_URL",
    "cache_folder",
    "fetch_file",
    "fetch_ptb",
    "pydoc_texts",
    "FROZEN_PYTHON",
    "frozen_texts",
    "PartStatistics",
    "TextStatistics",
]
