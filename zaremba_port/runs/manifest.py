"""The manifest of a run folder: which files belong to the run, and their SHA-256.

``manifest.json`` is written last, after all files that it names: replacing it is the moment at
which a save counts. No file that it names is ever overwritten by a save, so a process may be killed
between any two writes. It is a JSON object::

    {
      "format": 2,
      "version": "0.1.0",                     of zaremba_port, for messages
      "files": {"settings.json": ["<SHA-256>"], "step-120.safetensors": ["<SHA-256>"], ...},
      "best": "best-120.safetensors",         or null before the first validation
      "saves": [                              the newest first, at most three
        {
          "file": "step-120.safetensors",     parameters, state, generators and progress
          "step": 120,
          "ends_epoch": true,                 saved at step 0 or at the end of an epoch
          "best": "best-120.safetensors",     the best parameters at that time, or null
          "metrics.jsonl": {"bytes": 4711, "sha256": "..."},      length and digest at that time
          "train.log": {"bytes": 2048, "sha256": "..."}
        },
        ...
      ],
      "sha256": "..."                         of the rest, as `_digest` writes it
    }

A file has two digests while it is being replaced: its old and its new one. The two newest saves are
kept, and a third one, if it is the newest that ends an epoch and the run goes back to it after a
step that diverges. ``manifest.previous.json`` is the manifest before, for the case that
``manifest.json`` itself is damaged.

Format 1 is a folder without a manifest, of version 0.1.0: ``last.safetensors`` is its only save,
``best.safetensors`` has its best parameters, and nothing has a checksum.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import UserError
from .checkpoint import read_progress
from .files import sha256_of, write_bytes

FORMAT = 2
NAME, PREVIOUS = "manifest.json", "manifest.previous.json"
METRICS, LOG = "metrics.jsonl", "train.log"
_SAVE_NAME = re.compile(r"(step|best)-\d+(-\d+)?\.safetensors")


@dataclass(frozen=True)
class Mark:
    """The length and the SHA-256 of a growing file at the time of a save."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Save:
    """A save of a training; see the head of this module.

    `metrics` and `log` are None in a run that was saved in format 1.
    """

    file: str
    step: int
    ends_epoch: bool = False
    best: str | None = None
    metrics: Mark | None = None
    log: Mark | None = None


@dataclass(frozen=True)
class Manifest:
    """The files of a run with their digests, its saves, the newest first, and its best file."""

    files: dict[str, list[str]] = field(default_factory=dict)
    saves: list[Save] = field(default_factory=list)
    best: str | None = None
    format: int = FORMAT

    @property
    def last(self) -> Save | None:
        """Return the newest save, or None."""
        return self.saves[0] if self.saves else None

    @property
    def epoch_end(self) -> Save | None:
        """Return the newest save at the end of an epoch or at step 0, or None."""
        return next((save for save in self.saves if save.ends_epoch), None)

    def with_file(self, name: str, *digests: str) -> Manifest:
        """Return a copy that names the file `name` with its digests."""
        return replace(self, files={**self.files, name: list(digests)})

    def with_save(self, save: Save, digest: str, *, keep_epoch_end: bool) -> Manifest:
        """Return a copy with a new save, which keeps the save before, and drops older ones."""
        saves = [save, *self.saves[:1]]
        if keep_epoch_end and not any(s.ends_epoch for s in saves):
            saves += [self.epoch_end] if self.epoch_end else []
        return replace(self.with_file(save.file, digest), saves=saves).without_unused()

    def without_unused(self) -> Manifest:
        """Return a copy that names no parameters which no save and no role needs."""
        used = {self.best, *(s.file for s in self.saves), *(s.best for s in self.saves)}
        is_kept = {name: name in used or not name.endswith(".safetensors") for name in self.files}
        return replace(self, files={n: d for n, d in self.files.items() if is_kept[n]})

    def new_name(self, kind: str, step: int) -> str:
        """Return a name for a file of `kind`, "step" or "best", that the manifest does not have."""
        name, n = f"{kind}-{step}.safetensors", 1
        while name in self.files:
            n += 1
            name = f"{kind}-{step}-{n}.safetensors"
        return name

    def check(self, folder: Path, name: str, way_out: str) -> None:
        """Check the digest of the file `name` in `folder`.

        Raises:
            UserError: it is missing, cannot be read, or has changed. The message ends in `way_out`.
        """
        path = folder / name
        expected = self.files.get(name)
        if self.format == 1:
            return
        if expected is None:
            raise UserError(f"{folder / NAME} does not name {name}, so it is no file of this run")
        try:
            actual = sha256_of(path)
        except FileNotFoundError:
            raise UserError(f"{path} is missing; {way_out}") from None
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        if actual not in expected:
            raise UserError(f"{path} is damaged: its SHA-256 is not that of {NAME}; {way_out}")

    def write(self, folder: Path) -> None:
        """Write the manifest, after the one before has been copied to `PREVIOUS`; drop leftovers.

        Raises:
            RunFailed: it could not be written; the one before is kept.
        """
        if (folder / NAME).is_file() and is_sound(folder):
            read_manifest(folder)._write_as(folder, PREVIOUS)
        self._write_as(folder, NAME)

    def _write_as(self, folder: Path, name: str) -> None:
        content = _content(self)
        text = json.dumps({**content, "sha256": _digest(content, name)}, indent=2) + "\n"
        write_bytes(folder / name, text.encode())

    def is_leftover(self, name: str) -> bool:
        """Return whether a file in the folder is of an older or an unfinished save."""
        if self.format == 1:
            return False
        whole = name.removesuffix(".part")
        if _SAVE_NAME.fullmatch(whole) or whole in ("last.safetensors", "best.safetensors"):
            return name not in self.files
        return name != whole and whole in (*self.files, NAME, PREVIOUS, METRICS)


def read_manifest(folder: Path, name: str = NAME) -> Manifest:
    """Return the manifest of the run in `folder`; a run of format 1 gets one without digests.

    Raises:
        UserError: it is damaged, or of a format that this version does not know.
    """
    path = folder / name
    try:
        content = json.loads(path.read_bytes())
        format = content["format"]
    except FileNotFoundError:
        return _of_format_1(folder, path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(path) from None
    if isinstance(format, int) and format > FORMAT:
        raise UserError(
            f"{folder} is a run of format {format}, written by version {content.get('version')} of "
            f"zaremba-port; this version reads formats 1 to {FORMAT}: install a newer one"
        )
    try:
        digest = content.pop("sha256")
        if format != FORMAT or digest != _digest(content, name):
            raise _damaged(path)
        return _from_content(content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None


def is_sound(folder: Path) -> bool:
    """Return whether the manifest of the run in `folder` can be read."""
    try:
        read_manifest(folder)
    except UserError:
        return False
    return True


def _damaged(path: Path) -> UserError:
    run = path.parent
    return UserError(
        f"{path} is damaged: restore it from a copy of the run, or go back to the save before: "
        f"zaremba train --resume {run} --from previous"
    )


def _of_format_1(folder: Path, path: Path) -> Manifest:
    """Return the manifest that stands for a folder without one."""
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}") from None
    if PREVIOUS in names or any(map(_SAVE_NAME.fullmatch, names)):
        raise UserError(
            f"{path} is missing: restore it from a copy of the run, or go back to the save before: "
            f"zaremba train --resume {folder} --from previous"
        )
    best = "best.safetensors" if "best.safetensors" in names else None
    saves = [Save("last.safetensors", -1, best=best)] if "last.safetensors" in names else []
    return Manifest(saves=saves, best=best, format=1)


def upgraded(manifest: Manifest, folder: Path, definition: Iterable[str]) -> Manifest:
    """Return a manifest of the present format, with the digests of the files that there are."""
    if manifest.format == FORMAT:
        return manifest
    saves = [replace(s, step=read_progress(folder / s.file).step) for s in manifest.saves]
    names = {*definition, manifest.best, *(save.file for save in saves)}
    files = {
        name: [sha256_of(folder / name)] for name in names if name and (folder / name).is_file()
    }
    return replace(manifest, files=files, saves=saves, format=FORMAT)


def _content(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": manifest.format,
        "version": installed_version(),
        "files": manifest.files,
        "best": manifest.best,
        "saves": [_save_content(save) for save in manifest.saves],
    }


def installed_version() -> str:
    """Return the version of this package, or "unknown" if it runs without being installed."""
    try:
        return metadata.version("zaremba-port")
    except metadata.PackageNotFoundError:
        return "unknown"


def _save_content(save: Save) -> dict[str, Any]:
    content = asdict(save)
    content[METRICS] = content.pop("metrics")
    content[LOG] = content.pop("log")
    return content


def _from_content(content: dict[str, Any]) -> Manifest:
    saves = [
        Save(
            entry["file"],
            entry["step"],
            entry["ends_epoch"],
            entry["best"],
            *(entry[name] and Mark(**entry[name]) for name in (METRICS, LOG)),
        )
        for entry in content["saves"]
    ]
    return Manifest(content["files"], saves, content["best"], content["format"])


def _digest(content: dict[str, Any], name: str) -> str:
    """Return the SHA-256 of the contents of the manifest `name`, written in one way.

    The name counts, so that the manifest before cannot be taken for the present one.
    """
    text = name + "\n" + json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
