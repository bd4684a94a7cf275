"""When a training is saved between the ends of its epochs."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from ..errors import UserError
from .training import Training, save

_UNITS = {"s": 1, "m": 60, "h": 3600}
_SHARE = 0.01  # of the time of a training that saving may cost


@dataclass(frozen=True)
class SaveEvery:
    """The distance of two saves, in steps or in seconds; the other one is None."""

    steps: int | None = None
    seconds: float | None = 300.0

    @classmethod
    def parse(cls, text: str) -> SaveEvery:
        """Read a distance: "500" for steps; "30s", "5m" or "1h" for wall-clock time.

        Raises:
            UserError: it is neither, or not positive.

        >>> SaveEvery.parse("500"), SaveEvery.parse("1.5m")
        (SaveEvery(steps=500, seconds=None), SaveEvery(steps=None, seconds=90.0))
        """
        match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([smh]?)", text)
        number, unit = match.groups() if match else ("0", "")
        if not float(number) or (not unit and "." in number):
            raise UserError(
                f"--save-every is {text!r}, it must be a number of steps (500) or a time (30s, 5m, "
                "1h)"
            )
        if unit:
            return cls(None, float(number) * _UNITS[unit])
        return cls(int(number), None)


class Schedule:
    """Save a training at multiples of a number of steps, or when some time has passed.

    A distance in time grows where saving would otherwise take over 1 % of it.
    """

    def __init__(self, every: SaveEvery) -> None:
        self._every = every
        self._wait = every.seconds or 0.0
        self._last = time.monotonic()

    def steps_left(self, step: int) -> int | None:
        """Return the number of steps until the next save, or None if a time decides."""
        every = self._every.steps
        return None if every is None else every - step % every

    def save_if_due(self, training: Training) -> None:
        """Save `training`, which is between two steps, if it is time.

        Raises:
            RunFailed: a file could not be written.
        """
        if self._every.steps is not None:
            if training.progress.step % self._every.steps == 0:
                save(training)
            return
        begin = time.monotonic()
        if not training.model.workers.any(begin - self._last >= self._wait):
            return
        save(training)
        self._last = time.monotonic()
        assert self._every.seconds is not None
        self._wait = max(self._every.seconds, (self._last - begin) / _SHARE)
