"""Grading a program that predicts characters: one line of log-probabilities a character."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from ...errors import RunFailed
from ...evaluate import character_lines, character_note
from ...text import CHARACTERS, Vocabulary, perplexity
from .child_process import GRACE, OUT_OF_STEP, Program, Stopped
from .lockstep import BadAnswer, Lockstep
from .protocol import READY

TOLERANCE = 1e-4
"""The sum of an answer's probabilities may differ from 1 by this much."""


@dataclass
class Grade:
    """The result of a program so far.

    Attributes:
        answers: number of characters to predict.
        nats: sum of their negative log-likelihoods. A failed answer counts as uniform. NaN if the
            program was out of step: there is no grade.
        failures: number of failed answers by kind.
        stopped: how the program died, hung or was out of step; "" if it did neither.
    """

    answers: int = 0
    nats: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    stopped: str = ""

    @property
    def is_out_of_step(self) -> bool:
        """Return whether nobody can say which lines answered which characters."""
        return self.stopped.startswith(OUT_OF_STEP)

    @property
    def mean(self) -> float:
        """Return the mean negative log-likelihood in nats per character; NaN without a grade."""
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
    strict: bool = False,
) -> Grade:
    """Run `command`, feed it `text`, and measure how well it predicts each next character.

    A character is sent only after the answer before it, which therefore cannot depend on it. `out`
    gets the first failure of each kind, and the grade after every `every` characters. The program
    has `start_seconds` to print `OK GO`, and `answer_seconds` for each answer. The characters left
    when it dies or hangs count as failed. A line too many makes an answer fail, or leaves no grade
    if it may belong to several; `strict` waits after every answer, so that it belongs to one.

    Raises:
        UserError: the program cannot be started, or a character is not in `vocabulary`.
    """
    ids = vocabulary.encode(text).tolist()
    result = Grade()
    with Program(command) as program:
        try:
            wait_until_ready(program, start_seconds)
            lockstep = Lockstep(program, answer_seconds, strict)
            _grade_answers(result, lockstep, text, ids, len(vocabulary), out, every)
            _check_rest(program.finish(GRACE), len(vocabulary))
        except Stopped as failure:
            _stop(result, failure, len(ids) - 1, len(vocabulary), out)
            program.close()
    return result


def _grade_answers(
    result: Grade,
    lockstep: Lockstep,
    text: Sequence[str],
    ids: Sequence[int],
    size: int,
    out: TextIO,
    every: int,
) -> None:
    """Ask for every character of `text`, whose `ids` are among `size`, and add to `result`.

    The stream settles before each grade that is reported, so that none is of lines out of step.
    """
    lockstep.begin()
    for token, next_id in zip(text, ids[1:], strict=False):
        number = result.answers + 1
        is_reported = number % every == 0 or number == len(ids) - 1
        try:
            result.nats -= parse_answer(lockstep.ask(token, is_reported), size)[next_id]
            result.answers += 1
        except BadAnswer as failure:
            _count_failures(result, failure, 1, math.log(size), out)
        if number % every == 0:
            print(result, file=out, flush=True)


def _check_rest(lines: Sequence[bytes], size: int) -> None:
    """Check the lines that came after the last answer: none may be an answer.

    Raises:
        Stopped: one is, so that an earlier line was too many.
    """
    for line in lines:
        try:
            parse_answer(line, size)
        except BadAnswer:  # a farewell
            continue
        raise Stopped(OUT_OF_STEP, "an answer was left over when all characters had been read")


def _stop(result: Grade, failure: Stopped, count: int, size: int, out: TextIO) -> None:
    """Enter that the program stopped, with its answers failed up to `count`, or with no grade."""
    result.stopped = f"{failure.kind}: {failure}"
    if result.is_out_of_step:
        result.nats = math.nan
    else:
        _count_failures(result, failure, count - result.answers, math.log(size), out)


def _count_failures(
    result: Grade, failure: BadAnswer | Stopped, count: int, nats: float, out: TextIO
) -> None:
    """Add `count` failed answers of `nats` each, and report the first of their kind."""
    if failure.kind not in result.failures:
        print(f"answer {result.answers + 1}: {failure.kind}: {failure}", file=out, flush=True)
    result.failures[failure.kind] += count
    result.nats += nats * count
    result.answers += count


def wait_until_ready(program: Program, seconds: float) -> None:
    """Skip the output of the program up to `OK GO`.

    Raises:
        Stopped: the program ended, or did not print `OK GO` within `seconds`.
    """
    try:
        program.wait_for(READY, seconds)
    except Stopped as stopped:
        raise Stopped(stopped.kind, f"before it said {READY}: {stopped}") from None


def parse_answer(line: bytes, size: int) -> list[float]:
    """Return the `size` log-probabilities on a line.

    Raises:
        BadAnswer: the line does not hold `size` numbers, one is NaN, or the probabilities do not
            sum to one.
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
    # exp of a large number would overflow.
    total = math.inf if max(log_p) > 1 else math.fsum(map(math.exp, log_p))
    if abs(total - 1) > TOLERANCE:
        raise BadAnswer("not normalised", f"the probabilities sum to {total:.6g}")
    return log_p


def summary(result: Grade, text: Sequence[str]) -> list[str]:
    """Return the lines that report the grade of a program on `text`; none without a grade."""
    if result.is_out_of_step:
        return []
    kinds = ", ".join(f"{kind} {n}" for kind, n in result.failures.items())
    lines = [str(result), *character_lines(result.mean, text), character_note(text)]
    if kinds:
        lines.append(f"Failed answers, each counted as the uniform distribution: {kinds}.")
    if result.failures["wrong length"]:
        lines.append(
            "An answer has one number for each symbol of the vocabulary; see --vocabulary."
        )
    if math.isinf(result.nats):
        lines.append("It is infinite: an answer gave probability zero to the next character.")
    return lines


def raise_if_stopped(result: Grade) -> None:
    """Raise an error if the program did not run to the end of the text, or fell out of step.

    Raises:
        RunFailed: the program died, hung, or was out of step.
    """
    if result.is_out_of_step:
        raise RunFailed(f"no grade: the program is {result.stopped}")
    if result.stopped:
        raise RunFailed(f"the program {result.stopped}")
