"""Texts of characters: derived from texts of words, recognised, and counted back into words.

The format is the course's: one sentence a line, every character followed by a space, a space of
the sentence written `_`. Read as words are, such a file gives one token a character, and `<eos>`
for every newline.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import RunFailed, UserError
from .corpus import EOS, Vocabulary
from .ptb import SPLITS

SPACE = "_"
WORDS, CHARACTERS = "words", "characters"

COURSE_FACTOR = 5.6
"""Characters per word by which the course turns nats per character into a perplexity."""

COURSE_VOCABULARY = Vocabulary(
    "a e r _ b n k o t l i z c w y u s f m g h d - q p x <eos> < > N j v . ' "
    "1 9 5 0 & $ 3 2 4 8 6 7 # \\ / *".split()
)
"""The 50 symbols of the Penn Treebank's training text, in order of first appearance."""


def to_characters(words: Iterable[str]) -> Iterator[str]:
    """The characters of a text given word by word, `<eos>` for the end of a line.

    Between two words of a line stands one `_`, however many spaces stood there; none stands
    before its first word or after its last. `<unk>` is the five characters it is written with.

    >>> " ".join(to_characters("a <unk> <eos> be".split()))
    'a _ < u n k > <eos> b e'
    """
    before = EOS
    for word in words:
        if word == EOS:
            yield EOS
        else:
            if before != EOS:
                yield SPACE
            yield from word
        before = word


def character_text(words: Iterable[str]) -> str:
    """What the file of a text of characters holds, of a text given word by word.

    >>> character_text("a <unk> <eos> be <eos>".split())
    'a _ < u n k > \\nb e \\n'
    """
    return "".join("\n" if c == EOS else f"{c} " for c in to_characters(words))


def write_characters(
    folder: Path, texts: Mapping[str, Sequence[str]], *, force: bool = False
) -> None:
    """Write train.txt, valid.txt and test.txt, from `texts` of words by the names of the three.

    Raises:
        UserError: one of them exists, and `force` is not given.
        RunFailed: the disk refuses.
    """
    for split in SPLITS:
        if (folder / f"{split}.txt").exists() and not force:
            raise UserError(f"{folder / split}.txt exists: overwrite it with --force")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for split in SPLITS:
            text = character_text(texts[split])
            (folder / f"{split}.txt").write_bytes(text.encode())
    except OSError as error:
        raise RunFailed(f"{folder} could not be written: {error.strerror}") from None


def unit_of(vocabulary: Vocabulary) -> str:
    """Whether a text of these words is one of "words" or of "characters".

    >>> unit_of(COURSE_VOCABULARY), unit_of(Vocabulary(["a", "cat", "_"]))
    ('characters', 'words')
    """
    single = all(len(word) == 1 for word in vocabulary.words if word != EOS)
    return CHARACTERS if single and SPACE in vocabulary else WORDS


def count_words(characters: Iterable[str]) -> int:
    """Words in a text of characters, every `<eos>` counted as one, as texts of words count it.

    >>> count_words("a _ c a t <eos>".split())
    3
    """
    words = 0
    for kind, group in itertools.groupby(characters, key=lambda c: c if c in (SPACE, EOS) else ""):
        words += sum(1 for _ in group) if kind == EOS else kind == ""
    return words


def characters_per_word(characters: Sequence[str]) -> float:
    """What one word of the text takes, its `_` or `<eos>` included; infinite without words."""
    words = count_words(characters)
    return len(characters) / words if words else math.inf


def bits(nats: float) -> float:
    """Bits, of nats."""
    return nats / math.log(2)
