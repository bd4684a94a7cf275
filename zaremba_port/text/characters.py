"""Texts of characters: making them from words, reading and recognising them, counting words.

The format is the course's: one sentence a line, a space after every character, and `_` for every
space of the sentence. `read_tokens` reads each character as a token, each newline as `<eos>`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import RunFailed, UserError
from .corpus import SPLITS
from .tokens import EOS, encode_text, join_tokens, quoted, read_tokens
from .vocabulary import Vocabulary

SPACE = "_"
WORDS, CHARACTERS = "words", "characters"

COURSE_FACTOR = 5.6
"""Characters per word, by which the course turns a loss per character into a perplexity."""

COURSE_VOCABULARY = Vocabulary(
    "a e r _ b n k o t l i z c w y u s f m g h d - q p x <eos> < > N j v . ' "
    "1 9 5 0 & $ 3 2 4 8 6 7 # \\ / *".split()
)
"""The 50 symbols of the Penn Treebank's training text, in order of first appearance."""


def to_characters(words: Iterable[str]) -> Iterator[str]:
    """Yield the characters of a text of words, with `<eos>` for the end of a line.

    One `_` separates two words of a line. No `_` precedes the first word or follows the last.
    `<unk>` becomes its five characters.

    >>> " ".join(to_characters("a <unk> <eos> be".split()))
    'a _ < u n k > <eos> b e'
    """
    previous = EOS
    for word in words:
        if word == EOS:
            yield EOS
        else:
            if previous != EOS:
                yield SPACE
            yield from word
        previous = word


def character_text(words: Iterable[str]) -> str:
    """Return the content of a file of characters, made from a text of words.

    >>> character_text("a <unk> <eos> be <eos>".split())
    'a _ < u n k > \\nb e \\n'
    """
    return join_tokens(to_characters(words))


def write_characters(
    folder: Path, texts: Mapping[str, Sequence[str]], *, force: bool = False
) -> None:
    """Write train.txt, valid.txt and test.txt as characters, from texts of words.

    `texts` holds the words of each part, by "train", "valid" and "test".

    Raises:
        UserError: one of the files exists, and `force` is not set.
        RunFailed: a file cannot be written.
    """
    for split in SPLITS:
        if (folder / f"{split}.txt").exists() and not force:
            raise UserError(f"{folder / split}.txt exists: overwrite it with --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            text = character_text(texts[split])
            (folder / f"{split}.txt").write_bytes(encode_text(text))
    except OSError as error:
        raise RunFailed(f"{folder} could not be written: {error.strerror}") from None


def read_character_text(path: str | Path, vocabulary: Vocabulary) -> list[str]:
    """Read the tokens of a text of characters, all of which must be in `vocabulary`.

    Raises:
        UserError: the file cannot be read, is not a text of characters, has fewer than two, or
            holds a character outside the vocabulary.
    """
    tokens = read_tokens(path)
    for number, token in enumerate(tokens, 1):
        if len(token) > 1 and token != EOS:
            raise UserError(
                f"{path} is no text of characters (token {number} is {quoted(token)}): "
                "zaremba data chars makes one"
            )
        if token not in vocabulary:
            hint = " of the course: give --vocabulary" if vocabulary is COURSE_VOCABULARY else ""
            hint += "".join(f"; {other}" for other in vocabulary.hints(token))
            raise UserError(
                f"{path}: {quoted(token)} (token {number}) is not among the "
                f"{len(vocabulary)} symbols{hint}"
            )
    if len(tokens) < 2:
        raise UserError(f"{path} has one character: it takes two, one to predict the other from")
    return tokens


def unit_of(vocabulary: Vocabulary) -> str:
    """Return the unit of a text with this vocabulary, "words" or "characters".

    >>> unit_of(COURSE_VOCABULARY), unit_of(Vocabulary(["a", "cat", "_"]))
    ('characters', 'words')
    """
    is_single = all(len(word) == 1 for word in vocabulary.words if word != EOS)
    return CHARACTERS if is_single and SPACE in vocabulary else WORDS


def count_words(characters: Iterable[str]) -> int:
    """Count the words of a text of characters. Every `<eos>` is one, as in texts of words.

    >>> count_words("a _ c a t <eos>".split())
    3
    """
    words = 0
    for kind, group in itertools.groupby(characters, key=lambda c: c if c in (SPACE, EOS) else ""):
        words += sum(1 for _ in group) if kind == EOS else kind == ""
    return words


def characters_per_word(characters: Sequence[str]) -> float:
    """Return the mean length of a word, its `_` or `<eos>` included; infinity without words."""
    words = count_words(characters)
    return len(characters) / words if words else math.inf


def bits(nats: float) -> float:
    """Convert nats to bits."""
    return nats / math.log(2)


def perplexity(loss: float, unit: str = WORDS) -> float:
    """Return the perplexity for a mean loss in nats: its exponential, infinite on overflow.

    For characters the loss is first multiplied by 5.6, the characters per word that the course
    assumes.
    """
    if unit == CHARACTERS:
        loss *= COURSE_FACTOR
    return math.exp(loss) if loss < 709 else math.inf
