"""The run folder: settings, vocabulary, saves, metrics and log of one training.

========================  =========================================================================
``settings.json``         the settings of the network and its training
``source.json``           the name of the text, and the unit of its tokens
``vocabulary.txt``        one word a line, the word with id 0 first
``cell.json``             the record of a cell that is not built in; see `cell_record`
``step-N.safetensors``    a save after step N: parameters, state, generators, progress
``best-N.safetensors``    the parameters with the lowest validation loss, of step N
``manifest.json``         the files above with their SHA-256, and the saves; see `manifest`
``metrics.jsonl``         the numbers of the training, a JSON object a line
``train.log``             the lines of the log
``events.jsonl``          when, where and how each process began and ended to train here
``run.lock``              held by the process that trains; see `lock`
``curves.png``, ``.svg``  the curves of the metrics
========================  =========================================================================

Metrics and log are cut back to the save from which a training is resumed; events are not. A run of
version 0.1.0 has no manifest, and the names of its parameters are ``last.safetensors`` and
``best.safetensors``: it is read without checksums, and its next save is of the present format.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..cells import is_importable
from ..config import Settings
from ..errors import UserError
from ..text import CHARACTERS, WORDS, Log, Vocabulary, unit_of
from . import lock, records
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
from .definition import DEFINITION, check_record, definition, write_definition
from .files import append_line, reporting_failures
from .manifest import LOG, METRICS, PREVIOUS, Manifest, Save, is_sound, read_manifest, upgraded
from .manifest import NAME as MANIFEST

EVENTS = "events.jsonl"
FILES = (
    *DEFINITION,
    MANIFEST,
    PREVIOUS,
    METRICS,
    LOG,
    EVENTS,
    lock.NAME,
    "last.safetensors",
    "best.safetensors",
    "curves.png",
    "curves.svg",
)
"""The names of a run folder's files, those of its saves apart."""

T = TypeVar("T")


class RunFolder:
    """One training on disk. `create` starts a new folder, `open` reads an existing one.

    Methods that write raise RunFailed if the file system refuses; what was saved before is kept.
    Only the process that holds the lock may write (`locked`); all may read.

    Attributes:
        path: the folder.
        settings, vocabulary: of the network.
        data: the name or folder of the text trained on, as `--data` takes it.
        unit: the unit of the text's tokens, "words" or "characters".
        fixed_vocabulary: whether the vocabulary is not that of the text, in its order, but comes
            from elsewhere; training takes any text of its words.
        from_previous: whether `load_last` takes the save before the last one.
        on_metrics: functions that are called with every line of metrics that is written.
    """

    fixed_vocabulary = False

    def __init__(
        self,
        path: Path,
        settings: Settings,
        vocabulary: Vocabulary,
        data: str,
        unit: str | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.vocabulary = vocabulary
        self.data = data
        self.unit = unit or unit_of(vocabulary)
        self.from_previous = False
        self.on_metrics: list[Callable[[dict[str, Any]], None]] = []

    @classmethod
    def create(
        cls,
        path: str | Path,
        settings: Settings,
        vocabulary: Vocabulary,
        data: str,
        *,
        force: bool = False,
    ) -> RunFolder:
        """Create the folder with the files that define the run: all of them, or no folder.

        With `force`, a run that is already there is deleted.

        Raises:
            UserError: the folder is not empty and `force` is not given, or a process trains there.
            RunFailed: the folder cannot be written.
        """
        path = Path(path)
        check_free(path, force=force)
        run = cls(path, settings, vocabulary, data)
        if path.is_dir() and any(path.iterdir()):
            with lock.locked(path):
                run.delete_files()
                run.save_definition()
            return run
        made = [p for p in (path.parent, *path.parent.parents) if not p.exists()]
        with reporting_failures(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            run._create_whole()
        except BaseException:
            for parent in made:
                with contextlib.suppress(OSError):
                    parent.rmdir()
            raise
        return run

    def _create_whole(self) -> None:
        """Write the definition into a new folder, then move that folder to `path`."""
        path = self.path
        with reporting_failures(path):
            part = Path(tempfile.mkdtemp(prefix=".run-", suffix=".part", dir=path.parent))
        try:
            write_definition(
                part,
                definition(
                    self.settings, self.vocabulary, self.data, self.unit, self.fixed_vocabulary
                ),
            )
            with reporting_failures(path):
                part.chmod(0o777 & ~_umask())
                os.replace(part, path)
        except BaseException:
            self.path = part
            with contextlib.suppress(OSError):
                self.delete_files()
                part.rmdir()
            self.path = path
            raise

    def save_definition(self) -> None:
        """Write settings, vocabulary, the name of the text and its unit, if they have changed."""
        write_definition(
            self.path,
            definition(self.settings, self.vocabulary, self.data, self.unit, self.fixed_vocabulary),
        )

    @classmethod
    def open(cls, path: str | Path, *, from_previous: bool = False) -> RunFolder:
        """Return the run in folder `path`.

        Args:
            path: the folder.
            from_previous: let `load_last` take the save before the last one. This also opens a run
                whose manifest is damaged.

        Raises:
            UserError: the folder holds no run, one of its files is damaged, or it is of a format
                that this version does not know.
        """
        path = Path(path)
        if not path.is_dir():
            raise UserError(f"{path} is not a run folder: no such folder")
        manifest = _read_manifest(path, or_previous=from_previous)
        for name in DEFINITION[:3]:
            if not (path / name).is_file() and manifest.format == 1:
                raise UserError(f"{path} is not a run folder: it holds no {name}")
        for name in DEFINITION:
            if name in manifest.files:
                manifest.check(path, name, "restore it from a copy of the run")
        settings = Settings.load(path / "settings.json")
        vocabulary = Vocabulary.load(path / "vocabulary.txt")
        try:
            source = json.loads((path / "source.json").read_text(encoding="utf-8"))
            data, unit = source["data"], source.get("unit")
            if not isinstance(data, str):
                raise TypeError(f"data is {data!r}")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path / 'source.json'} does not name a text: {error}") from None
        if unit not in (WORDS, CHARACTERS, None):
            raise UserError(f"{path / 'source.json'}: unit is {unit!r}, not words or characters")
        run = cls(path, settings, vocabulary, data, unit)
        run.fixed_vocabulary = source.get("fixed_vocabulary") is True
        run.from_previous = from_previous
        return run

    @property
    def manifest(self) -> Manifest:
        """Return the manifest, read anew.

        Raises:
            UserError: it is damaged, or of a format that this version does not know.
        """
        return _read_manifest(self.path, or_previous=self.from_previous)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder; see `lock.locked`."""
        with lock.locked(self.path):
            yield

    def holder(self) -> lock.Holder | None:
        """Return the process that trains here now, or None."""
        return lock.holder(self.path)

    def delete_files(self) -> None:
        """Delete the run's files, the manifest first; other files in the folder are kept."""
        with reporting_failures(self.path):
            for name in (MANIFEST, PREVIOUS):
                (self.path / name).unlink(missing_ok=True)
            for entry in list(self.path.iterdir()):
                if entry.name in FILES or Manifest().is_leftover(entry.name):
                    entry.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the run's files, and the folder if nothing else is in it."""
        self.delete_files()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def save_cell(self, record: Mapping[str, Any]) -> None:
        """Write the cell's name to the settings, and the record of one that is not built in."""
        self.settings = self.settings.with_changes({"cell": record["name"]})
        contents = definition(self.settings, self.vocabulary, self.data, self.unit)
        if self.settings.has_own_cell:
            contents["cell.json"] = (json.dumps(record, indent=2) + "\n").encode()
        write_definition(self.path, contents)

    def load_cell(self) -> dict[str, Any]:
        """Return the record of the cell of its own that the run was trained with.

        Raises:
            UserError: the file is missing or broken, or settings.json names another cell.
        """
        return check_record(self.path / "cell.json", self.settings.cell)

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

    def check_untrained(self) -> None:
        """Check that no training has written to the folder yet.

        Raises:
            UserError: it holds parameters or metrics. Another training would mix its own with them.
        """
        manifest = self.manifest
        saves = [manifest.best, *(save.file for save in manifest.saves)]
        present = [METRICS] * (self.path / METRICS).is_file() + [name for name in saves if name]
        if present:
            raise UserError(
                f"{self.path} holds a training already ({', '.join(present)}): go on with "
                f"resume=True (zaremba train --resume {self.path}), start anew with "
                "RunFolder.create(..., force=True), or create another folder"
            )

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

    def delete_records(self) -> None:
        """Delete metrics and log, before a training starts at its first step."""
        with reporting_failures(self.path):
            for name in (METRICS, LOG):
                (self.path / name).unlink(missing_ok=True)

    @property
    def resume_options(self) -> str:
        """Return the options of `zaremba train` that continue the run."""
        options = f"--resume {self.path}"
        return options + f" --cell {self.settings.cell}" * is_importable(self.settings.cell)

    def saved_names(self) -> list[str]:
        """Return the names of the saved parameters and buffers; none where nothing is saved yet."""
        return list(self.load_last().network) if self.has_last() else []

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

    def add_metrics(self, **values: Any) -> None:
        """Append one line of JSON to ``metrics.jsonl``; floats keep all their digits."""
        append_line(self.path / METRICS, json.dumps(values))
        for listener in self.on_metrics:
            listener(values)

    def metrics(self) -> list[records.Line]:
        """Return the lines that `add_metrics` wrote; damaged and foreign lines are left out."""
        return records.read_lines(self.path / METRICS, records.is_metrics_line)[0]

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
        return records.read_lines(self.path / EVENTS, records.is_event)[0]

    def add_log(self, line: str) -> None:
        """Append a line to ``train.log``."""
        append_line(self.path / LOG, line)

    def logging(self, log: Log) -> Log:
        """Return a function that passes a line to `log` and appends it to ``train.log``."""

        def log_both(line: str) -> None:
            log(line)
            self.add_log(line)

        return log_both


def check_free(path: Path, *, force: bool) -> None:
    """Raise UserError if a new run in `path` would overwrite something without `force`."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file: a run needs a folder")
    if force or not path.is_dir() or not any(path.iterdir()):
        return
    try:
        progress = RunFolder.open(path).last_progress()
    except UserError:
        raise UserError(
            f"{path} is not empty: overwrite a run in it with --force, or name another folder"
        ) from None
    step = progress.step if progress else 0
    state = "an unfinished run" if progress is None or progress.test is None else "a finished run"
    longer = "" if state == "an unfinished run" else " --max_max_epoch EPOCHS"
    raise UserError(
        f"{path} holds {state} (step {step}): go on with zaremba train --resume {path}{longer}, "
        "overwrite it with --force, or name another folder"
    )


def _read_manifest(folder: Path, *, or_previous: bool) -> Manifest:
    """Return the manifest; the one before it if it is damaged and `or_previous` is set."""
    try:
        return read_manifest(folder)
    except UserError:
        if not or_previous or not (folder / PREVIOUS).is_file():
            raise
        return read_manifest(folder, PREVIOUS)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
