"""Completing sentences in a conversation: queries are read from a stream, answered to another."""

from __future__ import annotations

import difflib
import secrets
from dataclasses import dataclass, field
from typing import TextIO

from pygraph_nn import torch7_random

from ..errors import UserError
from .predict import Predictor, Sampling, complete, likeliest

PROMPT = "Query: len word1 word2 etc"
LONGEST = 100_000  # words; more is a slip of the finger


class Refused(UserError):
    """A query that cannot be answered as it is, and is to be asked again."""


@dataclass
class Queries:
    """Answers queries with one network, drawing from one generator as they come.

    Attributes:
        sampling, beam: how words are chosen, as `predict.complete` takes them.
        seed: of all that is drawn; by chance if not given.
        total_length: the number of a query counts the given words, too.
        map_unknown: read unknown words as <unk>.
        show: print the five likeliest words at each step.
    """

    predictor: Predictor
    sampling: Sampling = field(default_factory=Sampling)
    beam: int | None = None
    seed: int | None = None
    total_length: bool = False
    map_unknown: bool = False
    show: bool = False

    def __post_init__(self) -> None:
        if self.beam is not None and self.beam < 1:
            raise UserError(f"beam is {self.beam}, it must be at least 1")
        seed = secrets.randbits(32) if self.seed is None else self.seed
        self._generator = torch7_random.Generator(seed)

    def converse(self, lines: TextIO, out: TextIO) -> None:
        """Ask for queries and answer them until `lines` ends."""
        while True:
            print(PROMPT, file=out, flush=True)
            line = lines.readline()
            if not line:
                return
            try:
                print(*self.answer(line), sep="\n", file=out, flush=True)
            except Refused as refused:
                print(refused, file=out, flush=True)
            except BrokenPipeError:
                raise
            except Exception as error:  # a conversation goes on whatever one query did
                print(error, "Failed, try again", sep="\n", file=out, flush=True)

    def answer_all(self, name: str, lines: TextIO, out: TextIO, err: TextIO) -> int:
        """Answer every line of `lines` that is not blank; the number of those that failed.

        These get an empty line, so that answers stay beside their queries, and `err` the reason.
        """
        failed = 0
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                print(*self.answer(line), sep="\n", file=out, flush=True)
            except UserError as error:
                failed += 1
                print(file=out, flush=True)
                reason = str(error).replace("\n", "; ")
                print(f"{name}, line {number}: {reason}", file=err, flush=True)
        return failed

    def answer(self, line: str) -> list[str]:
        """The lines that answer one query: the words, and what `show` adds.

        Raises:
            Refused: it does not start with a number, or has an unknown word.
            UserError: the number is no length.
        """
        first, *words = line.split() or [""]
        length = self._length(first, len(words))
        if not self.map_unknown:
            self._check_known(words)
        completed = complete(
            self.predictor, words, length, sampling=self.sampling, beam=self.beam,
            seed=self._generator, map_unknown=self.map_unknown,
        )  # fmt: skip
        shown = self._steps(completed, len(words)) if self.show else []
        return [" ".join(completed), *shown]

    def _length(self, token: str, given: int) -> int:
        """How many words to generate."""
        try:
            number = float(token)
        except ValueError:
            raise Refused("Start with a number") from None
        if not number.is_integer():
            raise UserError(f"{token} is no whole number of words")
        if not 0 <= number <= LONGEST:
            raise UserError(f"{token} is no length: it must be from 0 to {LONGEST}")
        return max(0, int(number) - given) if self.total_length else int(number)

    def _check_known(self, words: list[str]) -> None:
        vocabulary = self.predictor.vocabulary
        lines = []
        for word in dict.fromkeys(words):
            if word not in vocabulary:
                lines.append(f"Word not in vocabulary: {word}")
                near = difflib.get_close_matches(word, vocabulary.words, n=3)
                if near:
                    lines.append(f"Near it: {', '.join(near)}")
        if lines:
            raise Refused("\n".join(lines))

    def _steps(self, completed: list[str], given: int) -> list[str]:
        steps = likeliest(self.predictor, completed, given)
        return [
            f"  {word:<15} | "
            + "   ".join(f"{likely} {probability:.4f}" for likely, probability in step)
            for word, step in zip(completed[given:], steps, strict=True)
        ]
