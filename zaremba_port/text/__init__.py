"""Texts as token ids: corpora, vocabularies, characters, and downloads.

This room reads files, fetches them into the user's cache, and makes tensors of ids. It knows
neither the network nor its training, and imports only the application's errors.
"""

from .batches import replicate, sequential
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
    read_character_text,
    to_characters,
    unit_of,
    write_characters,
)
from .corpus import SPLITS, Corpus, Log, load_corpus
from .fetch import cache_folder, fetch_file
from .ptb import PTB_URL, fetch_ptb
from .pydoc import pydoc_texts
from .tokens import EOS, UNK, read_tokens, tokenize
from .vocabulary import Vocabulary

__all__ = [
    "Corpus",
    "Log",
    "SPLITS",
    "load_corpus",
    "EOS",
    "UNK",
    "read_tokens",
    "tokenize",
    "Vocabulary",
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
    "read_character_text",
    "to_characters",
    "unit_of",
    "write_characters",
    "PTB_URL",
    "cache_folder",
    "fetch_file",
    "fetch_ptb",
    "pydoc_texts",
]
