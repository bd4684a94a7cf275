"""The files that define a run: settings, vocabulary, text, and the record of an own cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import UserError
from ..text import Vocabulary
from .files import reporting_failures, write_bytes
from .manifest import NAME as MANIFEST
from .manifest import Manifest, read_manifest, upgraded

DEFINITION = ("settings.json", "source.json", "vocabulary.txt", "cell.json")
"""Names of files; only a run with a cell that is not built in has the last one."""

_RECORD: dict[str, Any] = {"digest": str, "graph": list, "values": (list, type(None))}


def definition(
    settings: Settings,
    vocabulary: Vocabulary,
    data: str,
    unit: str,
    fixed_vocabulary: bool = False,
) -> dict[str, bytes]:
    """Return the contents of the files that define a run, by name, ``cell.json`` apart."""
    fixed = {"fixed_vocabulary": True} if fixed_vocabulary else {}
    source = json.dumps({"data": data, "unit": unit, **fixed}) + "\n"
    return {
        "settings.json": settings.to_json().encode(),
        "source.json": source.encode(),
        "vocabulary.txt": vocabulary.to_bytes(),
    }


def write_definition(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files that have changed, and their digests into the manifest.

    While a file is replaced the manifest names its old and its new digest, so that a process may be
    killed at any time. A ``cell.json`` that is not among `contents` is kept if the settings still
    name a cell of the run's own.

    Raises:
        RunFailed: a file could not be written.
    """
    manifest = upgraded(read_manifest(folder), folder, DEFINITION)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    changed = [name for name in contents if manifest.files.get(name) != [digests[name]]]
    drops_cell = "cell.json" not in contents and not _names_own_cell(contents)
    drops_cell = drops_cell and "cell.json" in manifest.files
    if not changed and not drops_cell and (folder / MANIFEST).is_file():
        return
    if (folder / MANIFEST).is_file():
        both = manifest
        for name in changed:
            both = both.with_file(name, *manifest.files.get(name, []), digests[name])
        both.write(folder)
    for name in changed:
        write_bytes(folder / name, contents[name])
        manifest = manifest.with_file(name, digests[name])
    if drops_cell:
        files = {name: d for name, d in manifest.files.items() if name != "cell.json"}
        manifest = Manifest(files, manifest.saves, manifest.best)
    manifest.write(folder)
    if drops_cell:
        with reporting_failures(folder / "cell.json"):
            (folder / "cell.json").unlink(missing_ok=True)


def check_record(path: Path, cell: str) -> dict[str, Any]:
    """Return the record of an own cell in the file `path`, which must be of `cell`.

    Raises:
        UserError: the file is missing or broken, or records another cell.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        name = record["name"]
        for key, type_ in _RECORD.items():
            if not isinstance(record[key], type_):
                raise ValueError(f"{key} is malformed")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} records no cell: {error}") from None
    if name != cell:
        raise UserError(f"{path} records the cell {name}, settings.json {cell}")
    return dict(record)


def _names_own_cell(contents: Mapping[str, bytes]) -> bool:
    return Settings(**json.loads(contents["settings.json"])).has_own_cell
