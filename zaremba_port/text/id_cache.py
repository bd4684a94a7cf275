"""The cache of long texts: their ids in files, built once and found again by the texts' content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from ..errors import RunFailed, UserError
from .mapped import ID_TYPE, MappedIds
from .streamed import BLOCK, GrowingIndex, encode_file
from .vocabulary import Vocabulary

FORMAT = 1
_ABOUT = "about.json"
_STAMPS = "stamps.json"
_SETTLED = 2.0  # seconds after which a later change of a file also changes its time


def mapped_texts(
    paths: Sequence[Path], folder: Path, *, progress: bool = True
) -> tuple[list[MappedIds], Vocabulary]:
    """Return the ids of text files, with one vocabulary over all of them in their order.

    The first call reads the files once and writes the ids into a folder inside `folder`, named by
    the SHA-256 of the files. Later calls open what is there, also for copies of the files, but not
    for files that have changed. A file whose size and time are those of the last call is not read
    for its hash again.

    Args:
        paths: the files.
        folder: the cache.
        progress: show a bar while reading, on a terminal only.

    Raises:
        UserError: a file cannot be read, is not UTF-8, or holds no words.
        RunFailed: the cache cannot be written.
    """
    with _reporting_failures(folder):
        folder.mkdir(parents=True, exist_ok=True)
        hashes = _known_hashes(paths, folder)
        if hashes is None and _has_sizes(paths, folder):
            with _bar("Checking", paths, progress) as advance:
                hashes = [_hash(path, advance) for path in paths]
            _note_hashes(paths, hashes, folder)
        if hashes is not None and (texts := _opened(folder / _name(hashes), len(paths))):
            return texts
        built, hashes = _build(paths, folder, progress)
        place = folder / _name(hashes)
        _move(built, place)
        _note_hashes(paths, hashes, folder)
        texts = _opened(place, len(paths))
    if texts is None:
        raise RunFailed(f"{place} was changed while it was written: run the command again")
    return texts


def _build(paths: Sequence[Path], folder: Path, progress: bool) -> tuple[Path, list[str]]:
    """Encode the files into a new folder; return it, and the hashes of the files."""
    _remove_leftovers(folder)
    part = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}.", suffix=".part", dir=folder))
    try:
        index, counts, hashes = GrowingIndex(), [], []
        with _bar("Reading", paths, progress) as advance:
            for number, path in enumerate(paths):
                with (part / f"{number}.ids").open("wb") as out:
                    count, sha256 = encode_file(path, index, out, advance)
                counts.append(count)
                hashes.append(sha256)
        Vocabulary(index.words()).save(part / "vocabulary.txt")
        about = {
            "format": FORMAT,
            "files": [str(path) for path in paths],
            "bytes": [path.stat().st_size for path in paths],
            "sha256": hashes,
            "ids": counts,
            "words": len(index),
        }
        (part / _ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return part, hashes
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _opened(place: Path, number: int) -> tuple[list[MappedIds], Vocabulary] | None:
    """Return the texts in a folder of the cache; None if it is not there or not whole."""
    about = _json(place / _ABOUT)
    try:
        if about["format"] != FORMAT or len(about["ids"]) != number:
            return None
        files = [place / f"{i}.ids" for i in range(number)]
        expected = [count * ID_TYPE.itemsize for count in about["ids"]]
        if [file.stat().st_size for file in files] != expected:
            return None
        vocabulary = Vocabulary.load(place / "vocabulary.txt")
        if len(vocabulary) != about["words"]:
            return None
        return [MappedIds(file) for file in files], vocabulary
    except (KeyError, TypeError, OSError, UserError):
        return None


def _move(part: Path, place: Path) -> None:
    """Give a new folder its name. One that is there is broken, or another process just built it."""
    try:
        part.rename(place)
    except OSError:
        old = part.with_suffix(".old.part")
        with contextlib.suppress(FileNotFoundError):
            place.rename(old)
        part.rename(place)
        shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what processes left that were killed while they built."""
    for part in folder.glob("*.part"):
        process = part.name.partition(".")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(part, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _name(hashes: Sequence[str]) -> str:
    return hashlib.sha256(" ".join([str(FORMAT), *hashes]).encode()).hexdigest()[:32]


def _hash(path: Path, on_bytes: Callable[[int], object]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            on_bytes(len(block))
    return digest.hexdigest()


def _stamp(path: Path) -> list[Any]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _known_hashes(paths: Sequence[Path], folder: Path) -> list[str] | None:
    """Return the hashes of files that have not changed since `_note_hashes`; else None."""
    stamps = _json(folder / _STAMPS)
    try:
        notes = [stamps[str(path.resolve())] for path in paths]
        if any(note["stamp"] != _stamp(path) for note, path in zip(notes, paths, strict=True)):
            return None
        return [str(note["sha256"]) for note in notes]
    except (KeyError, TypeError, OSError):
        return None


def _note_hashes(paths: Sequence[Path], hashes: Sequence[str], folder: Path) -> None:
    """Note the hashes of files, unless one is so new that a change might keep its time."""
    stamps = _json(folder / _STAMPS)
    for path, sha256 in zip(paths, hashes, strict=True):
        stamp = _stamp(path)
        if time.time() - stamp[1] / 1e9 > _SETTLED:
            stamps[str(path.resolve())] = {"stamp": stamp, "sha256": sha256}
    descriptor, name = tempfile.mkstemp(prefix=f"{os.getpid()}.", suffix=".part", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(stamps, file, indent=2)
    os.replace(name, folder / _STAMPS)


def _has_sizes(paths: Sequence[Path], folder: Path) -> bool:
    """Return whether the cache holds texts of the sizes of these files."""
    sizes = [_size(path) for path in paths]
    return any(_json(about).get("bytes") == sizes for about in folder.glob(f"*/{_ABOUT}"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an empty one if there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def _bar(title: str, paths: Sequence[Path], progress: bool) -> Iterator[Callable[[int], object]]:
    """Show a bar for the bytes of `paths`; yield the function that takes the bytes just read."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    is_hidden = not (progress and console.is_terminal)
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=is_hidden
    ) as bar:
        folder = paths[0].parent.name
        task = bar.add_task(f"{title} {folder}", total=max(1, sum(map(_size, paths))))
        yield lambda count: bar.advance(task, count)


@contextlib.contextmanager
def _reporting_failures(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunFailed(
            f"{folder} could not be written: {error.strerror or error}; it holds the ids of long "
            "texts, 4 bytes a word"
        ) from None
