"""The saves of a run: written so that a kill at any moment loses nothing, and gone back to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch

from ..errors import UserError
from ..text import Log
from . import records
from .checkpoint import (
    Progress,
    Saved,
    copy_tensors,
    read_progress,
    read_saved,
    read_tensors,
    write_saved,
    write_tensors,
)
from .definition import DEFINITION
from .manifest import LOG, METRICS, PREVIOUS, Manifest, Save, is_sound, read_manifest, upgraded

T = TypeVar("T")


class Saves:
    """The saves in a run folder, and its best parameters.

    Attributes:
        path: the folder.
        from_previous: whether `load_last` takes the save before the last one.
    """

    path: Path
    from_previous: bool = False

    @property
    def manifest(self) -> Manifest:
        """Return the manifest, read anew.

        Raises:
            UserError: it is damaged, or of a format that this version does not know.
        """
        return read_manifest_or_previous(self.path, or_previous=self.from_previous)

    def save_best(self, tensors: Mapping[str, torch.Tensor], step: int = 0) -> None:
        """Write the network's tensors, by name, which have the lowest validation loss so far."""
        manifest = upgraded(self.manifest, self.path, DEFINITION)
        name = manifest.new_name("best", step)
        digest = write_tensors(self.path / name, tensors)
        self._commit(replace(manifest.with_file(name, digest), best=name).without_unused())

    def save_last(
        self, saved: Saved, *, ends_epoch: bool = False, keep_epoch_end: bool = False
    ) -> None:
        """Write everything that a training needs to continue; keep the save before.

        Args:
            saved: the training.
            ends_epoch: whether it is saved at step 0 or at the end of an epoch.
            keep_epoch_end: keep the newest save at the end of an epoch, too.
        """
        manifest = upgraded(self.manifest, self.path, DEFINITION)
        name = manifest.new_name("step", saved.progress.step)
        marks = records.mark(self.path / METRICS), records.mark(self.path / LOG)
        digest = write_saved(self.path / name, saved)
        save = Save(name, saved.progress.step, ends_epoch, manifest.best, *marks)
        self._commit(manifest.with_save(save, digest, keep_epoch_end=keep_epoch_end))

    def _commit(self, manifest: Manifest) -> None:
        """Write the manifest, then delete the files that it no longer names."""
        manifest.write(self.path)
        with contextlib.suppress(OSError):
            for entry in list(self.path.iterdir()):
                if manifest.is_leftover(entry.name):
                    entry.unlink(missing_ok=True)

    def has_last(self) -> bool:
        """Return whether `save_last` has written anything to continue from."""
        return self.manifest.last is not None

    def load_last(self) -> Saved:
        """Return what `save_last` wrote last, or the time before if `from_previous` is set.

        Raises:
            UserError: there is nothing, or the file is damaged.
        """
        return self._load(lambda manifest: self._pick(manifest).file, read_saved)

    def last_progress(self) -> Progress | None:
        """Return the progress of the last save, without its parameters, or None."""
        if not self.has_last():
            return None
        return self._load(
            lambda manifest: self._pick(manifest).file, read_progress, is_checked=False
        )

    def _pick(self, manifest: Manifest) -> Save:
        """Return the save to load."""
        if manifest.last is None:
            raise UserError(f"{self.path} holds no parameters yet: nothing has been saved")
        if not self.from_previous or not is_sound(self.path):
            return manifest.last  # the damaged manifest's predecessor knows the save before
        if len(manifest.saves) < 2:
            raise UserError(f"{self.path} has a single save, none before it: leave --from out")
        return manifest.saves[1]

    def load_to_resume(self, log: Log, *, to_epoch_start: bool = False) -> tuple[Save, Saved]:
        """Return the save to continue from, and its contents; change nothing.

        Args:
            log: receives a note if the best parameters are missing.
            to_epoch_start: take the newest save at the end of an epoch, if one is kept.

        Raises:
            UserError: there is no such save, or one of its files is damaged.
        """
        manifest = upgraded(self.manifest, self.path, DEFINITION)
        save = manifest.epoch_end if to_epoch_start else None
        save = save or self._pick(manifest)
        way_out = self._way_out(manifest, save.file)
        manifest.check(self.path, save.file, way_out)
        saved = read_saved(self.path / save.file)
        if save.best and not (self.path / save.best).is_file():
            log(f"{self.path / save.best} is missing; the next validation counts as the best")
            save, saved.progress.best = replace(save, best=None), None
        elif save.best:
            manifest.check(
                self.path, save.best, f"{way_out}; or delete it: the next validation is the best"
            )
        return save, saved

    def roll_back(self, save: Save, log: Log) -> None:
        """Remove everything that was written after `save`.

        Args:
            save: the save to continue from.
            log: receives notes on damaged lines and files.

        Raises:
            RunFailed: the folder cannot be written.
        """
        manifest = upgraded(self.manifest, self.path, DEFINITION)
        records.roll_back_metrics(self.path / METRICS, save.step, save.metrics, log)
        records.roll_back_log(self.path / LOG, save.log, log)
        files = [s.file for s in manifest.saves]
        older = manifest.saves[files.index(save.file) + 1 :]
        rolled_back = replace(manifest, saves=[save, *older], best=save.best).without_unused()
        self.from_previous = False
        if not is_sound(self.path) or rolled_back != read_manifest(self.path):
            self._commit(rolled_back)

    def load_parameters(self, network: torch.nn.Module, which: str = "best") -> None:
        """Copy the saved parameters and buffers, "best" or "last", into `network`.

        "best" falls back on "last" where no validation has taken place yet.

        Raises:
            UserError: nothing is saved, a file is damaged, or another network was saved.
        """
        if which == "best" and self.manifest.best is not None:
            tensors = self._load(lambda manifest: manifest.best or "", read_tensors)
        else:
            tensors = self.load_last().network
        copy_tensors(network, tensors, self.path)

    def saved_names(self) -> list[str]:
        """Return the names of the saved parameters and buffers; none where nothing is saved yet."""
        return list(self.load_last().network) if self.has_last() else []

    def _load(
        self, pick: Callable[[Manifest], str], read: Callable[[Path], T], *, is_checked: bool = True
    ) -> T:
        """Read the file that `pick` names, again if a training has replaced it meanwhile."""
        while True:
            manifest = self.manifest
            name = pick(manifest)
            try:
                if is_checked:
                    manifest.check(self.path, name, self._way_out(manifest, name))
                return read(self.path / name)
            except UserError:
                if self.manifest == manifest:
                    raise

    def _way_out(self, manifest: Manifest, name: str) -> str:
        """Return what to do about the damaged parameters `name`."""
        way_out = "restore it from a copy of the run"
        if name == manifest.best:
            way_out += ", or take the parameters of the last save: --which last"
        elif len(manifest.saves) > 1 and name == manifest.saves[0].file:
            way_out += (
                ", or go back to the save before: "
                f"zaremba train --resume {self.path} --from previous"
            )
        return way_out


def read_manifest_or_previous(folder: Path, *, or_previous: bool) -> Manifest:
    """Return the manifest; the one before it if it is damaged and `or_previous` is set."""
    try:
        return read_manifest(folder)
    except UserError:
        if not or_previous or not (folder / PREVIOUS).is_file():
            raise
        return read_manifest(folder, PREVIOUS)
