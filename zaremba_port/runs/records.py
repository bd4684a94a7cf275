"""The files of a run that grow line by line: ``metrics.jsonl``, ``train.log``, ``events.jsonl``.

A process may be killed while it appends, and a disk may be full, so their readers drop a line that
is torn or foreign. A save marks their lengths; a resumed training cuts them back to its save.
"""

from __future__ import annotations

import json
import math
import os
import socket
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..text import Log
from .files import append_line, flush, reporting_failures, sha256_of, write_bytes
from .manifest import LOG, METRICS, Mark

EVENTS = "events.jsonl"

Line = dict[str, Any]
"""A line of ``metrics.jsonl``: numbers by name, and the name of a split."""

_NUMBERS = ("epoch", "loss", "grad_norm", "lr", "train_perplexity", "perplexity", "wps")
_SPLITS = ("valid", "test")


def is_metrics_line(value: Any) -> bool:
    """Return whether `value`, read from a line of JSON, is what `RunFolder.add_metrics` writes."""
    if not isinstance(value, dict) or not _is_number(value.get("epoch")):
        return False
    if not 0 <= value["epoch"] < math.inf:
        return False
    step = value.get("step")
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < 1 << 63:
        return False
    if "split" in value and value["split"] not in _SPLITS:
        return False
    if "split" in value and not {"loss", "perplexity"} <= value.keys():
        return False
    if "grad_norm" in value and "lr" not in value:
        return False
    if "samples" in value and not _are_samples(value["samples"]):
        return False
    return all(_is_number(value[name]) for name in _NUMBERS if name in value)


def is_event(value: Any) -> bool:
    """Return whether `value`, read from a line of JSON, is what `RunFolder.add_event` writes."""
    if not isinstance(value, dict):
        return False
    if not isinstance(value.get("event"), str) or type(value.get("step")) is not int:
        return False
    return "text" not in value or _are_sizes(value["text"])


def read_lines(path: Path, is_line: Any) -> tuple[list[Line], int]:
    """Return the lines of JSON in the file `path`, and the number of lines that were dropped.

    `is_line` returns whether a value is a line of this file. A missing file has no lines.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    lines, dropped = [], 0
    for text in raw.split(b"\n"):
        if not text.strip():
            continue
        try:
            value = json.loads(text)
            if b"\\ud" in text.lower():  # half a character is no text that a page can show
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):  # of which the errors of Unicode are some
            value = None
        if is_line(value):
            lines.append(value)
        else:
            dropped += 1
    return lines, dropped


def mark(path: Path) -> Mark:
    """Flush a growing file to the disk; return its length and its SHA-256.

    Raises:
        RunFailed: it could not be flushed.
    """
    if not path.is_file():
        return Mark(0, sha256_of(Path(os.devnull)))
    with reporting_failures(path):
        flush(path)
        return Mark(path.stat().st_size, sha256_of(path))


def is_as_marked(path: Path, at: Mark) -> bool:
    """Return whether a growing file begins with the bytes that it had when it was marked."""
    if not path.is_file():
        return at.bytes == 0
    return path.stat().st_size >= at.bytes and sha256_of(path, at.bytes) == at.sha256


def cut(path: Path, at: Mark) -> None:
    """Cut a growing file back to the length that it had when it was marked.

    Raises:
        RunFailed: it could not be written.
    """
    if path.is_file() and path.stat().st_size > at.bytes:
        with reporting_failures(path):
            os.truncate(path, at.bytes)
            flush(path)


def roll_back_metrics(path: Path, step: int, at: Mark | None, log: Log) -> None:
    """Remove the lines of `path` that were written after the save at `step`, marked by `at`.

    If the file has been damaged or edited since, keep its lines up to `step` that can be read.
    """
    if at is not None and is_as_marked(path, at):
        cut(path, at)
        return
    lines, dropped = read_lines(path, is_metrics_line)
    if dropped:
        log(f"{path}: {dropped} damaged line{'s' * (dropped > 1)} dropped")
    elif at is not None:
        log(f"{path} has changed since the save; its lines up to step {step} are kept")
    kept = "".join(json.dumps(line) + "\n" for line in lines if line["step"] <= step)
    write_bytes(path, kept.encode())


def roll_back_log(path: Path, at: Mark | None, log: Log) -> None:
    """Cut the log `path` back to its length at the save; leave it if it has been edited since."""
    if at is None:  # a run of format 1
        return
    if is_as_marked(path, at):
        cut(path, at)
    else:
        log(f"{path} has changed since the save; it is kept as it is")


class Records:
    """The metrics, the log and the events in a run folder.

    Attributes:
        path: the folder.
        on_metrics: functions that are called with every line of metrics that is written.
    """

    path: Path
    on_metrics: list[Callable[[Line], None]]

    def delete_records(self) -> None:
        """Delete metrics and log, before a training starts at its first step."""
        with reporting_failures(self.path):
            for name in (METRICS, LOG):
                (self.path / name).unlink(missing_ok=True)

    def add_metrics(self, **values: Any) -> None:
        """Append one line of JSON to ``metrics.jsonl``; floats keep all their digits."""
        append_line(self.path / METRICS, json.dumps(values))
        for listener in self.on_metrics:
            listener(values)

    def metrics(self) -> list[Line]:
        """Return the lines that `add_metrics` wrote; damaged and foreign lines are left out."""
        return read_lines(self.path / METRICS, is_metrics_line)[0]

    def add_event(self, event: str, step: int, **more: Any) -> None:
        """Append to ``events.jsonl`` that the training "started", "resumed" or ended.

        It ends "finished", "stopped" (by `max_steps`), "interrupted" or "diverged"; a killed
        process leaves no event. Each has the time (UTC), the host and the process id.
        """
        time = datetime.now(timezone.utc).isoformat(timespec="seconds")
        who = {"time": time, "host": socket.gethostname(), "pid": os.getpid()}
        append_line(self.path / EVENTS, json.dumps({"event": event, "step": step, **who, **more}))

    def events(self) -> list[dict[str, Any]]:
        """Return the lines that `add_event` wrote; damaged and foreign lines are left out."""
        return read_lines(self.path / EVENTS, is_event)[0]

    def add_log(self, line: str) -> None:
        """Append a line to ``train.log``."""
        append_line(self.path / LOG, line)

    def logging(self, log: Log) -> Log:
        """Return a function that passes a line to `log` and appends it to ``train.log``."""

        def log_both(line: str) -> None:
            log(line)
            self.add_log(line)

        return log_both


def _are_sizes(value: Any) -> bool:
    """Return whether `value` has the numbers of words in the parts of a text."""
    if not isinstance(value, dict) or "train" not in value:
        return False
    return all(type(size) is int and 0 <= size < 1 << 63 for size in value.values())


def _are_samples(value: Any) -> bool:
    """Return whether `value` is a list of completed sentences, each with texts by name."""
    return isinstance(value, list) and all(
        isinstance(sample, dict) and all(isinstance(text, str) for text in sample.values())
        for sample in value
    )


def _is_number(value: Any) -> bool:
    """Return whether `value` is a number that a float can hold; NaN and infinity are numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 1 << 1023
