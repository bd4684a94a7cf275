"""Texts as token ids: the corpora, the vocabulary, characters, and fetching.

No network and no training here.
"""

from .characters import (
    CHARACTERS,
    COURSE_FACTOR,
    COURSE_VOCABULARY,
    SPACE,
    WORDS,
    bits,
    characters_per_word,
    count_words,
    to_characters,
    unit_of,
    write_characters,
)
from .corpus import EOS, Corpus, Vocabulary, load_corpus, read_tokens, replicate, sequential
from .fetch import fetch_file
from .ptb import PTB_URL, SPLITS
from .pydoc import UNK

__all__ = [
    "CHARACTERS",
    "COURSE_FACTOR",
    "COURSE_VOCABULARY",
    "Corpus",
    "EOS",
    "PTB_URL",
    "SPACE",
    "SPLITS",
    "UNK",
    "Vocabulary",
    "WORDS",
    "bits",
    "characters_per_word",
    "count_words",
    "fetch_file",
    "load_corpus",
    "read_tokens",
    "replicate",
    "sequential",
    "to_characters",
    "unit_of",
    "write_characters",
]
