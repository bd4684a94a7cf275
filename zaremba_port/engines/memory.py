"""Whether a network fits into memory, by arithmetic, before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from ..config import Settings
from ..errors import UserError

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_BLAMED = ("rnn_size", "embedding_size", "vocab_size", "layers", "batch_size", "seq_length")


def check_memory(settings: Settings, device: torch.device) -> None:
    """Check that parameters, gradients and states of a training could fit into memory.

    Raises:
        UserError: they are larger than all the memory that there is. The message names the setting
            that makes them so, and the bytes.
    """
    needed, available = bytes_needed(settings), total_memory(device)
    if available is None or needed <= available:
        return
    small = Settings()
    values = {name: getattr(settings, name) for name in _BLAMED}
    if settings.embedding_size is None:
        del values["embedding_size"]
    savings = {
        name: needed - bytes_needed(settings.with_changes({name: getattr(small, name)}))
        for name, value in values.items()
    }
    name = max(savings, key=savings.__getitem__)
    raise UserError(
        f"{name} is {values[name]}: the network's parameters, gradients and states take {needed} "
        f"bytes ({_readable(needed)}), {device} has {_readable(available)} in all: choose a "
        f"smaller {name}"
    )


def parameter_count(settings: Settings) -> int:
    """Return the number of parameters; those of a cell that is not built in are not counted.

    >>> parameter_count(Settings())  # 10,000 words, 2 layers of 200
    4653200
    """
    size, words = settings.rnn_size, settings.vocab_size
    count = words * settings.input_size + words * (size + 1)
    for layer in range(settings.layers):
        inputs = size if layer else settings.input_size
        if settings.cell == "lstm":
            count += 4 * size * (inputs + 1 + size + 1)
        elif settings.cell == "gru":
            count += 3 * size * (inputs + 1) + 3 * size * (size + 1)
    return count


def bytes_needed(settings: Settings) -> int:
    """Return the bytes that a training needs at least: parameters, gradients, and states."""
    states = settings.layers * settings.rnn_size * settings.batch_size * settings.seq_length
    item_size = 8 if settings.dtype == "float64" else 4
    return item_size * (2 * parameter_count(settings) + states)


def total_memory(device: torch.device) -> int | None:
    """Return the bytes of memory that a process can have on `device`; None if nobody knows."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not POSIX
        return None
    for path in _LIMITS:
        try:
            total = min(total, int(Path(path).read_text()))
        except (OSError, ValueError):  # no such limit
            continue
    return total


def _readable(count: int) -> str:
    """Return a number of bytes with a unit.

    >>> _readable(32_000_000_000)
    '32.0 GB'
    """
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 1000 or unit == "PB":
            break
        value /= 1000
    return f"{value:.1f} {unit}"
