"""The vocabulary: words and their ids."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ..errors import UserError
from .mapped import Ids, MappedIds
from .tokens import EOS, UNK, encode_text, quoted, read_text, split_words, visible

NUMBER = "N"
"""Token for a number in the Penn Treebank and in "pydoc", the only one in upper case there."""


class Vocabulary:
    """Map words to ids, `0..len - 1` in order of first appearance, and ids to words.

    Attributes:
        words: the word of every id.
        index: the id of every word.

    >>> vocabulary = Vocabulary()
    >>> vocabulary.encode("the cat saw the dog".split(), grow=True)
    tensor([0, 1, 2, 0, 3])
    >>> vocabulary.decode([3, 2])
    ['dog', 'saw']
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words: list[str] = list(dict.fromkeys(words))
        self.index: dict[str, int] = {word: i for i, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    def encode(self, tokens: Sequence[str], grow: bool = False) -> torch.Tensor:
        """Return the ids of `tokens`, (len(tokens),) int64. With `grow`, add unknown words.

        Raises:
            UserError: a word is unknown, and `grow` is not set. The message names its place in
                `tokens` and similar words.
        """
        index = self.index
        if grow:
            ids = [index.setdefault(token, len(index)) for token in tokens]
            self.words.extend(list(index)[len(self.words) :])
        else:
            try:
                ids = [index[token] for token in tokens]
            except KeyError:
                raise self._unknown_word(tokens) from None
        return torch.tensor(ids, dtype=torch.int64)

    def decode(self, ids: Iterable[int] | Ids) -> list[str]:
        """Return the words of `ids`: a 1-D tensor, the ids of a file, or integers.

        Raises:
            UserError: no word has one of the ids.
        """
        if isinstance(ids, MappedIds):
            return [word for block in ids.blocks() for word in self.decode(block)]
        numbers = ids.tolist() if isinstance(ids, torch.Tensor) else list(ids)
        for number in numbers:
            if not 0 <= number < len(self):
                raise UserError(f"no word has the id {number}: the ids are 0..{len(self) - 1}")
        return [self.words[number] for number in numbers]

    def hints(self, word: str) -> list[str]:
        """Return what to write for the unknown `word`: similar words, and whether in lower case."""
        hints = []
        is_upper = word != word.lower() and self._is_lower_case()
        similar = difflib.get_close_matches(word.lower() if is_upper else word, self.words, n=3)
        if similar:
            hints.append(f"near it: {', '.join(map(visible, similar))}")
        if is_upper:
            hints.append("write it in lower case, as the vocabulary is")
        return hints

    def _is_lower_case(self) -> bool:
        """Return whether no word has an upper-case letter. `N`, for any number, is no word."""
        return all(word == word.lower() for word in self.words if word != NUMBER)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one word a line in UTF-8, the word with id 0 first.

        Raises:
            UserError: the file cannot be written.
        """
        try:
            Path(path).write_bytes(self.to_bytes())
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error

    def to_bytes(self) -> bytes:
        """Return one word a line in UTF-8, the word with id 0 first."""
        return encode_text("".join(f"{word}\n" for word in self.words))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read a vocabulary that `save` wrote.

        Raises:
            UserError: the file cannot be read, a line does not hold exactly one word, or a word
                occurs twice.
        """
        text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
        lines = text.removesuffix("\n").split("\n")
        first_line: dict[str, int] = {}
        for number, word in enumerate(lines, 1):
            if split_words(word) != [word]:
                raise UserError(f"{path} is not a vocabulary: line {number} is not one word")
            if word in first_line:
                raise UserError(
                    f"{path} is not a vocabulary: "
                    f"{quoted(word)} is on line {first_line[word]} and on line {number}"
                )
            first_line[word] = number
        return cls(first_line)

    def _unknown_word(self, tokens: Sequence[str]) -> UserError:
        position = next(i for i, token in enumerate(tokens) if token not in self.index)
        word = tokens[position]
        line = 1 + sum(token == EOS for token in tokens[:position])
        message = (
            f"unknown word {quoted(word)} (word {position + 1}, line {line}): "
            f"not among the {len(self)} words of the vocabulary"
        )
        message += "".join(f"; {hint}" for hint in self.hints(word))
        if UNK in self.index:
            message += f"; or write {UNK} in its place"
        return UserError(message)
