"""The run folder as other workers than the first see it: they read, the first one writes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ..text import Log
from .checkpoint import Saved
from .folder import RunFolder
from .manifest import Save


class FollowedRun(RunFolder):
    """A run that another process writes: methods that read do so, methods that write do nothing."""

    @classmethod
    def of(cls, run: RunFolder) -> FollowedRun:
        """Return the same run, not to be written."""
        other = cls(run.path, run.settings, run.vocabulary, run.data, run.unit)
        other.from_previous = run.from_previous
        return other

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def save_definition(self) -> None:
        pass

    def save_cell(self, record: Mapping[str, Any]) -> None:
        self.settings = self.settings.with_changes({"cell": record["name"]})

    def save_best(self, tensors: Mapping[str, torch.Tensor], step: int = 0) -> None:
        pass

    def save_last(
        self, saved: Saved, *, ends_epoch: bool = False, keep_epoch_end: bool = False
    ) -> None:
        pass

    def roll_back(self, save: Save, log: Log) -> None:
        self.from_previous = False

    def delete_records(self) -> None:
        pass

    def add_metrics(self, **values: Any) -> None:
        pass

    def add_event(self, event: str, step: int, **more: Any) -> None:
        pass

    def add_log(self, line: str) -> None:
        pass
