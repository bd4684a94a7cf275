"""Counts of a text: lines, words, characters, different words, and which words its parts share."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch

from .characters import CHARACTERS, count_words, unit_of
from .corpus import SPLITS, Corpus
from .mapped import Ids, id_blocks
from .tokens import EOS, UNK


@dataclass(frozen=True)
class PartStatistics:
    """Counts of one part of a text.

    Attributes:
        tokens: all tokens, `<eos>` counted.
        lines: ends of lines, and the beginning of a line that does not end.
        words: tokens other than `<eos>`; in a text of characters, words between `_` and `<eos>`.
        characters: the tokens that `zaremba data chars` makes of the part: its characters, `_`
            between two words of a line, and `<eos>`.
        different: different tokens, `<eos>` and `<unk>` counted.
        unknown: tokens that are `<unk>`.
    """

    tokens: int
    lines: int
    words: int
    characters: int
    different: int
    unknown: int


class TextStatistics:
    """Count what is in the parts of a corpus.

    Attributes:
        unit: the unit of the tokens, "words" or "characters".
        counts: how often each token of the vocabulary occurs in a part, (vocabulary,), by "train",
            "valid" and "test".
        parts: the counts of each part, by the same names.
    """

    def __init__(self, corpus: Corpus) -> None:
        self.unit = unit_of(corpus.vocabulary)
        self._corpus = corpus
        size = len(corpus.vocabulary)
        self.counts: Mapping[str, torch.Tensor] = {
            split: _counts(getattr(corpus, split), size) for split in SPLITS
        }
        self.parts = {split: self._part(split) for split in SPLITS}

    @cached_property
    def shared(self) -> dict[tuple[str, ...], int]:
        """Return how many different tokens occur in all of two parts, and in all three."""
        groups = [*itertools.combinations(SPLITS, 2), SPLITS]
        return {
            group: int(torch.stack([self.counts[split] > 0 for split in group]).all(0).sum())
            for group in groups
        }

    def covered(self, split: str) -> float:
        """Return the share of the tokens of part `split` that also occur in the training part."""
        is_known = self.counts["train"] > 0
        return int(self.counts[split][is_known].sum()) / self.parts[split].tokens

    def most_frequent(self, split: str, number: int) -> list[tuple[str, int]]:
        """Return the `number` most frequent tokens of a part and their counts, frequent first.

        Of tokens with the same count, the one that appears first in the corpus comes first.
        """
        counts, ids = self.counts[split].sort(descending=True, stable=True)
        words = self._corpus.vocabulary.words
        pairs = zip(ids[:number].tolist(), counts[:number].tolist(), strict=True)
        return [(words[i], count) for i, count in pairs if count]

    def _part(self, split: str) -> PartStatistics:
        ids, vocabulary = getattr(self._corpus, split), self._corpus.vocabulary
        counts = self.counts[split]

        def count(token: str) -> int:
            return int(counts[vocabulary.index[token]]) if token in vocabulary else 0

        ends = count(EOS)
        ends_open = bool(len(ids)) and vocabulary.words[int(ids[-1])] != EOS
        if self.unit == CHARACTERS:
            decoded = (vocabulary.decode(block) for block in id_blocks(ids))
            words = count_words(itertools.chain.from_iterable(decoded)) - ends
            characters = len(ids)
        else:
            words = len(ids) - ends
            lengths = torch.tensor([len(word) if word != EOS else 1 for word in vocabulary.words])
            # A space follows every word but the last of its line.
            characters = int((counts * lengths).sum()) + words - self._lines_with_words(ids)
        return PartStatistics(
            tokens=len(ids),
            lines=ends + ends_open,
            words=words,
            characters=characters,
            different=int((counts > 0).sum()),
            unknown=count(UNK),
        )

    def _lines_with_words(self, ids: Ids) -> int:
        """Count the lines that hold a word: a word begins the text, or follows `<eos>`."""
        if EOS not in self._corpus.vocabulary:
            return 1
        lines, end = 0, torch.tensor([True])
        for block in id_blocks(ids):
            is_end = torch.cat([end, block == self._corpus.vocabulary.index[EOS]])
            lines += int((~is_end[1:] & is_end[:-1]).sum())
            end = is_end[-1:]
        return lines


def _counts(ids: Ids, size: int) -> torch.Tensor:
    """Return how often each of `size` ids occurs."""
    counts = torch.zeros(size, dtype=torch.int64)
    for block in id_blocks(ids):
        counts += torch.bincount(block, minlength=size)
    return counts
