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
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..cells import is_importable
from ..config import Settings
from ..errors import UserError
from ..text import CHARACTERS, WORDS, Vocabulary, unit_of
from . import lock
from .definition import DEFINITION, check_record, definition, write_definition
from .files import reporting_failures
from .manifest import LOG, METRICS, PREVIOUS, Manifest
from .manifest import NAME as MANIFEST
from .records import EVENTS, Records
from .saves import Saves, read_manifest_or_previous

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


class RunFolder(Saves, Records):
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

    Its saves are described in `Saves`, its metrics, log and events in `Records`.
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
        _check_name(path)
        if not path.is_dir():
            raise UserError(f"{path} is not a run folder: no such folder")
        manifest = read_manifest_or_previous(path, or_previous=from_previous)
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

    @property
    def resume_options(self) -> str:
        """Return the options of `zaremba train` that continue the run."""
        options = f"--resume {self.path}"
        return options + f" --cell {self.settings.cell}" * is_importable(self.settings.cell)


def _check_name(path: Path) -> None:
    """Raise UserError if `path` is blank, or not UTF-8: safetensors cannot open its files there."""
    if not str(path).strip():
        raise UserError(f"the name of the run, {str(path)!r}, is blank")
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise UserError(
            f"the name {path} is not UTF-8, which a run needs: name another folder, or change into "
            "it and call it '.'"
        ) from None


def check_free(path: Path, *, force: bool) -> None:
    """Raise UserError if a new run in `path` would overwrite something without `force`."""
    _check_name(path)
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
