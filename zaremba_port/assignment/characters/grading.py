"""Grading any program that predicts characters, one line of log-probabilities a character."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ...errors import RunFailed, UserError
from ...evaluate import character_lines, character_note, perplexity
from ...text import (
    CHARACTERS,
    COURSE_VOCABULARY,
    EOS,
    Vocabulary,
    read_tokens,
)
from .child_process import Program, Stopped
from .protocol import READY

TOLERANCE = 1e-4


class BadAnswer(Exception):
    """An answer that is no distribution: `kind` for the count, the text says what it was."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(what)
        self.kind = kind


@dataclass
class Grade:
    """What a program has reached so far.

    Attributes:
        answers: characters that it was to predict.
        nats: the sum of their negative log-likelihoods; a failed answer counts as uniform.
        failures: failed answers by kind.
        stopped: how it died or hung, if it did.
    """

    answers: int = 0
    nats: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    @property
    def mean(self) -> float:
        """Nats per character."""
        return self.nats / self.answers if self.answers else math.nan

    def __str__(self) -> str:
        return (
            f"i = {self.answers}, perplexity = {perplexity(self.mean, CHARACTERS):.3f}, "
            f"mean nll = {self.mean:.6f}, failures = {self.failures.total()}"
        )


def grade(
    command: Sequence[str],
    text: Sequence[str],
    vocabulary: Vocabulary,
    out: TextIO,
    *,
    start_seconds: float = 60.0,
    answer_seconds: float = 10.0,
    every: int = 1000,
) -> Grade:
    """Run `command`, feed it `text`, and measure how well it predicts each next character.

    The first failure of each kind is told at once; after every `every` characters, and at the
    end, the grade so far. A character is sent only after the answer before it has come, so that
    no answer can know it.

    Raises:
        UserError: the program cannot be started.
    """
    ids = vocabulary.encode(text).tolist()
    result = Grade()
    uniform = math.log(len(vocabulary))

    def fail(kind: str, what: str) -> float:
        if not result.failures[kind]:
            print(f"answer {result.answers + 1}: {kind}: {what}", file=out, flush=True)
        result.failures[kind] += 1
        return uniform

    with Program(command) as program:
        try:
            wait_until_ready(program, start_seconds)
            for token, following in zip(text, ids[1:], strict=False):
                program.send(token)
                line = program.read_line(answer_seconds)
                extra = program.surplus()
                try:
                    if extra:
                        # Which of them was the answer, nobody can say.
                        raise BadAnswer("extra lines", f"{extra + 1} lines instead of one")
                    result.nats -= check(line, len(vocabulary))[following]
                except BadAnswer as bad:
                    result.nats += fail(bad.kind, str(bad))
                result.answers += 1
                if result.answers % every == 0:
                    print(result, file=out, flush=True)
        except Stopped as stopped:
            result.stopped = f"{stopped.kind}: {stopped}"
            left = len(ids) - 1 - result.answers
            result.nats += fail(stopped.kind, str(stopped)) * left
            result.failures[stopped.kind] += left - 1
            result.answers += left
            program.close()
    return result


def wait_until_ready(program: Program, seconds: float) -> None:
    """Skip what the program prints up to its `OK GO`.

    Raises:
        Stopped: it ended, or did not say so within `seconds`.
    """
    try:
        program.wait_for(READY, seconds)
    except Stopped as stopped:
        raise Stopped(stopped.kind, f"before it said {READY}: {stopped}") from None


def check(line: bytes, size: int) -> list[float]:
    """The `size` log-probabilities on a line.

    Raises:
        BadAnswer: they are not numbers, not as many, not a number, or do not sum to one.
    """
    try:
        log_p = [float(word) for word in line.split()]
    except ValueError:
        shown = line[:60].decode(errors="backslashreplace")
        raise BadAnswer("garbage", f"not numbers: {shown!r}") from None
    if len(log_p) != size:
        raise BadAnswer("wrong length", f"{len(log_p)} numbers instead of {size}")
    if any(math.isnan(value) for value in log_p):
        raise BadAnswer("NaN", "a value that is not a number")
    # Where one alone is above one, exp might overflow.
    total = math.inf if max(log_p) > 1 else math.fsum(map(math.exp, log_p))
    if abs(total - 1) > TOLERANCE:
        raise BadAnswer("not normalised", f"the probabilities sum to {total:.6g}")
    return log_p


def summary(result: Grade, text: Sequence[str]) -> list[str]:
    """The lines at the end of a grading."""
    kinds = ", ".join(f"{kind} {n}" for kind, n in result.failures.items())
    lines = [str(result), *character_lines(result.mean, text), character_note(text)]
    if kinds:
        lines.append(f"Failed answers, each counted as the uniform distribution: {kinds}.")
    if result.failures["wrong length"]:
        lines.append("Their length is that of the vocabulary, which --vocabulary names.")
    if math.isinf(result.nats):
        lines.append("It is infinite: a character that came had been given the probability zero.")
    return lines


def read_character_text(path: str | Path, vocabulary: Vocabulary) -> list[str]:
    """The tokens of a text of characters.

    Raises:
        UserError: it is none, is too short, or has a character outside the vocabulary.
    """
    tokens = read_tokens(path)
    for place, token in enumerate(tokens, 1):
        if len(token) > 1 and token != EOS:
            raise UserError(
                f"{path} is no text of characters (token {place} is {token!r}): "
                "zaremba data chars makes one"
            )
        if token not in vocabulary:
            hint = " of the course: give --vocabulary" if vocabulary is COURSE_VOCABULARY else ""
            raise UserError(
                f"{path}: {token!r} (token {place}) is not among the "
                f"{len(vocabulary)} symbols{hint}"
            )
    if len(tokens) < 2:
        raise UserError(f"{path} has one character: it takes two, one to predict the other from")
    return tokens


def raise_if_stopped(result: Grade) -> None:
    """A program that died or hung makes the grading a failed run."""
    if result.stopped:
        raise RunFailed(f"the program {result.stopped}")
