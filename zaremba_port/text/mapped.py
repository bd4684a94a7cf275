"""Word ids in a file, mapped into memory: reading them takes no more memory for a longer text."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ..errors import UserError

ID_TYPE = np.dtype("<i4")
BLOCK = 1 << 20
"""Ids that `MappedIds.blocks` reads at once."""

_RELEASE_AFTER = 1 << 24  # bytes that are read before their pages are given back


class MappedIds:
    """The ids of a text, (n,), in a file of little-endian 32-bit integers.

    What is read is copied into ordinary tensors of int64. The pages of the file that reading maps
    into memory are given back now and then, so that a process that reads all of it stays small.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ids"
    >>> _ = path.write_bytes(np.arange(5, dtype=ID_TYPE).tobytes())
    >>> ids = MappedIds(path)
    >>> len(ids), ids[1:3], int(ids[-1])
    (5, tensor([1, 2]), 4)

    Args:
        path: the file.

    Raises:
        UserError: the file cannot be read, is empty, or is cut off within an id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise UserError(f"cannot read {path}: {error}") from None
        if len(self._map) % ID_TYPE.itemsize:
            raise UserError(f"{path} is cut off: its size is no multiple of {ID_TYPE.itemsize}")
        self._ids = np.frombuffer(self._map, ID_TYPE)
        self._read_bytes = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: slice | int | np.ndarray) -> torch.Tensor:
        """Return the ids at `index`, a slice, a number, or an array of numbers, as int64."""
        ids = torch.from_numpy(np.asarray(self._ids[index], dtype=np.int64))
        self._read_bytes += ids.numel() * mmap.PAGESIZE // 8  # a page may serve few ids
        if self._read_bytes > _RELEASE_AFTER:
            self.release()
        return ids

    def numel(self) -> int:
        """Return the number of ids, as for a tensor."""
        return len(self)

    def blocks(self) -> Iterator[torch.Tensor]:
        """Yield all ids, `BLOCK` at a time."""
        for start in range(0, len(self), BLOCK):
            yield self[start : start + BLOCK]
            self.release()

    def release(self) -> None:
        """Give back the memory of the pages that have been read; they stay in the file."""
        self._read_bytes = 0
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._map.madvise(mmap.MADV_DONTNEED)


Ids = torch.Tensor | MappedIds
"""The ids of a text: in memory, or in a file."""


def id_blocks(ids: Ids) -> Iterator[torch.Tensor]:
    """Yield the ids of a text in blocks of int64 tensors."""
    if isinstance(ids, MappedIds):
        yield from ids.blocks()
    else:
        yield from ids.split(BLOCK) if len(ids) else ()


def same_ids(ids: Ids, other: Ids) -> bool:
    """Return whether two texts have the same ids."""
    if len(ids) != len(other):
        return False
    return all(torch.equal(a, b) for a, b in zip(id_blocks(ids), id_blocks(other), strict=True))
