"""Asking a program for one line a token, so that no line is taken for the answer to another token.

A line does not say which token it answers. What shows a line too many is a stream that does not
settle: another line comes although no answer is owed.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

from .child_process import OUT_OF_STEP, Stopped

START_QUIET = 0.05  # seconds of silence after OK GO
LEAST_QUIET = 0.002  # seconds
LEAST_STRICT_QUIET = 0.05  # seconds; also after a line too many
PATIENCE = 5  # times the time that answers take
LONGEST_UNREST = 20  # times the silence that is waited for
SHARE, ALLOWANCE = 0.03, 1.0  # of the time, and seconds beside it, that waiting may take
RECENT = 32  # answers


class BadAnswer(Exception):
    """Report an answer that is not a distribution.

    Attributes:
        kind: the kind of failure, under which it is counted. The message describes the answer.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Stream(Protocol):
    """A program that reads and prints lines; `child_process.Program` describes the methods."""

    def now(self) -> float:
        """Return the time in seconds from some fixed moment."""

    def send(self, line: str) -> None:
        """Send one line."""

    def read_line(self, seconds: float) -> bytes:
        """Return the next line, waiting for it at most `seconds`."""

    def discard_lines(self) -> int:
        """Discard the complete lines that were printed, and return their number."""

    def discard_read(self) -> int:
        """Discard the complete lines that have been read already; return their number."""

    def settle(self, quiet: float, limit: float) -> int:
        """Discard lines until none comes for `quiet` seconds; return their number."""


class Lockstep:
    """Ask a program for one line a token, and find every line that nobody asked for.

    The stream has settled when the program has answered all tokens and printed nothing since for
    five times as long as an answer takes. `strict` lets it settle after every answer, for at least
    `LEAST_STRICT_QUIET`. Otherwise it settles wherever the caller asks for it, and as often as the
    time for waiting allows: a second, another one for each line too many, and 3 % of the run. At
    first and after a line too many, that is after every answer.

    A line too many belongs to the only answer since the stream had settled before. If there are
    several, nobody can say which lines answered which tokens.

    Two faults together can escape for a while without `strict`: a line too many, and a missing
    line soon after it.
    """

    def __init__(self, program: Stream, answer_seconds: float, strict: bool = False) -> None:
        self._program = program
        self._answer_seconds = answer_seconds
        self._strict = strict
        self._is_careful = strict  # also after a line too many, until the stream settles without
        self._allowance = ALLOWANCE  # seconds
        self._recent: deque[float] = deque(maxlen=RECENT)  # seconds that answers took
        self._unsettled = 0  # answers since the stream had settled
        self._extra = 0  # lines that came before their token
        self._last_quiet = START_QUIET  # seconds of silence when the stream last settled
        self._waited = 0.0  # seconds
        self._start = program.now()

    def begin(self) -> None:
        """Discard what the program prints before it is asked; the first answer then fails.

        Raises:
            Stopped: the program does not stop printing.
        """
        self._extra = self._settle(START_QUIET)
        self._last_quiet = math.inf  # no answer is on its way
        self._waited = 0.0

    def ask(self, token: str, settle: bool = False) -> bytes:
        """Send `token`, and return the line that answers it. With `settle`, the stream must settle.

        Raises:
            BadAnswer: there was more than one line.
            Stopped: the program died, hung, or is out of step: there was a line too many since the
                stream had settled, and more than one answer.
        """
        self._extra += self._program.discard_lines()
        self._check_step()
        asked = self._program.now()
        self._program.send(token)
        line = self._program.read_line(self._answer_seconds)
        self._recent.append(self._program.now() - asked)
        self._unsettled += 1
        self._extra += self._program.discard_read()
        if settle or self._strict or self._extra or self._may_wait():
            self._find_extra_lines()
        if self._extra:
            extra, self._extra = self._extra, 0
            self._allowance += ALLOWANCE
            raise BadAnswer("extra lines", f"{extra + 1} lines instead of one")
        return line

    def _find_extra_lines(self) -> None:
        """Let the stream settle after an answer, and count what is too many."""
        quiet_before = self._last_quiet
        self._extra += self._settle(self._quiet())
        if self._extra and not self._is_careful:
            self._is_careful = True
            self._extra += self._settle(self._quiet())
        self._check_step()
        self._unsettled = 0
        if not self._extra:
            self._is_careful = self._strict
        elif self._recent[-1] > quiet_before:  # the answer before may have been on its way still
            raise Stopped(OUT_OF_STEP, "it printed a line too many while an answer took long")

    def _check_step(self) -> None:
        """Raise Stopped if there is a line too many, and several answers that it may be.

        A line that came between two tokens can be that of either.
        """
        if self._extra and self._unsettled > 1:
            raise Stopped(
                OUT_OF_STEP,
                f"it printed a line too many during its last {self._unsettled} answers; "
                "--strict finds out which, and goes on",
            )

    def _quiet(self) -> float:
        """Return the seconds without a line after which no line is expected any more."""
        # The median: single answers that take long must not slow down all that follow.
        usual = sorted(self._recent)[len(self._recent) // 2]
        least = LEAST_STRICT_QUIET if self._is_careful else LEAST_QUIET
        return max(least, min(PATIENCE * usual, self._answer_seconds))

    def _may_wait(self) -> bool:
        elapsed = self._program.now() - self._start
        budget = SHARE * elapsed + self._allowance - self._waited
        return budget >= LEAST_QUIET and budget >= self._quiet()

    def _settle(self, quiet: float) -> int:
        start = self._program.now()
        lines = self._program.settle(quiet, LONGEST_UNREST * quiet)
        self._last_quiet = quiet
        self._waited += self._program.now() - start
        return lines
