"""Finding runs in a folder."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UserError
from .summary import Damaged, RunSummary, summarize_or_damaged

DEPTH = 3
"""Levels of folders that are searched: experiments keep their runs in folders of their own."""

_MARKS = ("settings.json", "manifest.json")


def find_runs(folder: str | Path) -> list[RunSummary | Damaged]:
    """Return the runs in `folder`, up to `DEPTH` levels below it, the last one changed first.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}: name a folder that holds run folders")
    runs = [summarize_or_damaged(path) for path in sorted(_run_folders(folder, DEPTH))]
    return sorted(runs, key=lambda run: getattr(run, "date", ""), reverse=True)


def _run_folders(folder: Path, depth: int) -> list[Path]:
    """Return the folders with files of a run; what is inside a run is not searched."""
    if any((folder / name).is_file() for name in _MARKS):
        return [folder]
    if not depth:
        return []
    try:
        entries = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except OSError:  # a folder of somebody else's
        return []
    inner = (Path(entry.path) for entry in entries if not entry.name.startswith("."))
    return [path for each in inner for path in _run_folders(each, depth - 1)]
