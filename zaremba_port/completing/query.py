"""Queries: sentences to complete, read from one stream and answered on another."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from pygraph_nn import torch7_random

from ..errors import UserError
from ..text import split_words, visible
from .completion import stream
from .predict import Predictor, likeliest
from .sampling import Sampling
from .search import check_beam

PROMPT = "Query: len word1 word2 etc"
LONGEST = 100_000  # words; a larger number is a typing error

MOST_NAMED = 10  # unknown words of a query; similar words are searched for each
LONGEST_NAMED = 200  # characters of an unknown word
LONGEST_LINE = 50_000_000  # characters; what has no end, such as /dev/zero, has no line


class QueryRefused(UserError):
    """Report a query that the user must correct before it can be answered."""


@dataclass
class Queries:
    """Answer queries with one network, drawing from one generator for all of them.

    A query is a line: the number of words to generate, then the words to complete.

    Attributes:
        predictor: predicts with the network.
        sampling, beam: choose the words, as in `complete`.
        seed: seed of the generator; random if None.
        total_length: the number of a query includes the words of the query.
        map_unknown: read unknown words as <unk>.
        show: add the five likeliest words at each step to the answer.

    Raises:
        UserError: `beam` is below 1, or does not fit into memory.
    """

    predictor: Predictor
    sampling: Sampling = field(default_factory=Sampling)
    beam: int | None = None
    seed: int | None = None
    total_length: bool = False
    map_unknown: bool = False
    show: bool = False

    def __post_init__(self) -> None:
        if self.beam is not None:
            check_beam(self.predictor, self.beam)
        seed = secrets.randbits(32) if self.seed is None else self.seed
        self._generator = torch7_random.Generator(seed)
        self._notes: list[str] = []  # of the last answer

    def converse(self, lines: TextIO, out: TextIO) -> None:
        """Ask for queries and answer them until `lines` ends."""
        while True:
            print(PROMPT, file=out, flush=True)
            line = _read_line(lines)
            if not line:
                return
            try:
                self._write(line, out)
                for note in self._notes:
                    print(note, file=out, flush=True)
            except QueryRefused as refusal:
                print(refusal, file=out, flush=True)
            except OSError:  # the output cannot be written
                raise
            except Exception as error:  # one failed query does not end the conversation
                print(error, "Failed, try again", sep="\n", file=out, flush=True)

    def answer_all(self, name: str, lines: TextIO, out: TextIO, err: TextIO) -> int:
        """Answer every line of `lines` that is not blank, and return the number of failures.

        Every query gets one line in `out`, a failed one an empty line, so that answers stay beside
        their queries. What `show` adds, notes, and the reasons of failures go to `err`, where
        `name` is the name of the file.
        """
        failures = 0
        for number, line in enumerate(iter(lambda: _read_line(lines), ""), 1):
            if not split_words(line):
                continue
            try:
                steps: list[str] = []
                self._write(line, out, steps.append)
                for note in [*steps, *self._notes]:
                    print(f"{name}, line {number}: {note}", file=err, flush=True)
            except UserError as error:
                failures += 1
                print(file=out, flush=True)
                reason = str(error).replace("\n", "; ")
                print(f"{name}, line {number}: {reason}", file=err, flush=True)
        return failures

    def answer(self, line: str) -> list[str]:
        """Return the lines that answer one query: the completed words, and what `show` adds.

        Raises:
            QueryRefused: the query does not start with a number, or has an unknown word.
            UserError: the number is not a length.
        """
        out = io.StringIO()
        self._write(line, out)
        return out.getvalue().splitlines()

    def _write(
        self, line: str, out: TextIO, show_step: Callable[[str], None] | None = None
    ) -> None:
        """Write the lines that answer one query to `out`, each word as soon as it is chosen.

        What `show` adds goes to `show_step`, a line at a time, or to `out` too.
        """
        first, *words = split_words(line) or [""]
        length = self._length(first, len(words))
        if not self.map_unknown:
            self._check_words(words)
        self._notes = []
        completed: list[str] = []
        completing = stream(
            self.predictor, words, length, sampling=self.sampling, beam=self.beam,
            seed=self._generator, map_unknown=self.map_unknown, log=self._notes.append,
        )  # fmt: skip
        written = 0  # words; those of the query come with the first that is chosen
        try:
            for word in completing:
                completed.append(word)
                if len(completed) > len(words):
                    out.write(" " * bool(written) + " ".join(completed[written:]))
                    out.flush()
                    written = len(completed)
        except BaseException:
            if written:
                out.write("\n")
            raise
        print(
            " " * bool(written and written < len(completed)) + " ".join(completed[written:]),
            file=out,
            flush=True,
        )
        for step in self._steps(completed, len(words)) if self.show else ():
            if show_step is None:
                print(step, file=out, flush=True)
            else:
                show_step(step)

    def _length(self, token: str, prompt_length: int) -> int:
        """Return the number of words to generate."""
        try:
            number = float(token)
        except ValueError:
            raise QueryRefused("Start with a number") from None
        if not number.is_integer():
            raise UserError(f"{visible(token)} is no whole number of words")
        if not 0 <= number <= LONGEST:
            raise UserError(f"{visible(token)} is no length: it must be from 0 to {LONGEST}")
        return max(0, int(number) - prompt_length) if self.total_length else int(number)

    def _check_words(self, words: list[str]) -> None:
        vocabulary = self.predictor.vocabulary
        unknown = [word for word in dict.fromkeys(words) if word not in vocabulary]
        lines = []
        for word in unknown[:MOST_NAMED]:
            lines.append(f"Word not in vocabulary: {visible(word[:LONGEST_NAMED])}")
            lines.extend(hint[0].upper() + hint[1:] for hint in vocabulary.hints(word))
        if len(unknown) > MOST_NAMED:
            lines.append(f"{len(unknown) - MOST_NAMED} other words are not in the vocabulary")
        if lines:
            raise QueryRefused("\n".join(lines))

    def _steps(self, completed: list[str], start: int) -> Iterator[str]:
        """Yield the five likeliest words at each step from `start` on, one step a line."""
        for word, step in zip(
            completed[start:], likeliest(self.predictor, completed, start), strict=True
        ):
            yield f"  {word:<15} | " + "   ".join(
                f"{candidate} {probability:.4f}" for candidate, probability in step
            )


def _read_line(lines: TextIO) -> str:
    """Return the next line, "" at the end.

    Raises:
        UserError: it is longer than `LONGEST_LINE`.
    """
    line = lines.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise UserError(f"a query has over {LONGEST_LINE:,} characters, or no end")
    return line
