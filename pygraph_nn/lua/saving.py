"""torch.save and torch.load, and the files of Torch7 that hold numbers and objects."""

from __future__ import annotations

import copy
import struct
from typing import Any

import torch

from . import tensors

_FORMATS = {
    "Byte": ("B", torch.uint8),
    "Char": ("b", torch.int8),
    "Short": ("h", torch.int16),
    "Int": ("i", torch.int32),
    "Long": ("q", torch.int64),
    "Float": ("f", torch.float32),
    "Double": ("d", torch.float64),
    "Bool": ("i", torch.int32),
}


class _Memory:
    """A file in memory: bytes, or copies of objects that were written to it."""

    def __init__(self, data: bytes = b"", objects: list[Any] | None = None) -> None:
        self.data = bytearray(data)
        self.objects: list[Any] = [] if objects is None else objects
        self.position = 0
        self.next_object = 0
        self.binary = False
        self.path: Any = None
        self.writes = False
        self.failed = False


class _Objects(tensors.Storage):
    """The storage of a file in memory that holds objects: other files read them from it."""

    file: _Memory


class Saving:
    """The functions on saved objects that the prelude calls."""

    def __init__(self, runtime: Any) -> None:
        self._runtime = runtime
        self._copy = None

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        names = (
            "save load serialize deserialize open_memory open_disk file_mode file_write_object "
            "file_read_object file_close file_has_error file_seek file_position file_storage "
            "file_read_string file_write_string file_read file_write"
        )
        return {name: getattr(self, name) for name in names.split()}

    # Copies: what a program writes to memory and reads back

    def _snapshot(self, value: Any) -> Any:
        return self._runtime.bridge.copy_value(value, {})

    # Files

    def save(self, name: Any, value: Any, mode: Any = None) -> None:
        """Write ``torch.save(name, value)``."""
        from .t7_files import save

        path = self._runtime.policy.to_write(name)
        save(self._runtime, path, value, "ascii" if mode == "ascii" else "binary")

    def load(self, name: Any, mode: Any = None) -> Any:
        """Read ``torch.load(name)``."""
        from .t7_files import load

        return load(self._runtime, self._runtime.policy.to_read(name))

    def serialize(self, value: Any, mode: Any = None) -> str:
        """Return ``torch.serialize(value)``."""
        from .t7_files import dumps

        return dumps(self._runtime, value, "ascii" if mode == "ascii" else "binary")

    def deserialize(self, text: str, mode: Any = None) -> Any:
        """Return ``torch.deserialize(text)``."""
        from .t7_files import loads

        return loads(self._runtime, text.encode("latin-1"))

    def open_memory(self, first: Any = None, mode: Any = None) -> _Memory:
        """Return the file of ``torch.MemoryFile([storage,] mode)``."""
        if isinstance(first, _Objects):
            return _Memory(bytes(first.file.data), first.file.objects)
        if isinstance(first, torch.Tensor):
            return _Memory(bytes(b % 256 for b in first.tolist()))
        return _Memory()

    def open_disk(self, name: Any, mode: Any = None) -> _Memory:
        """Return the file of ``torch.DiskFile(name, mode)``."""
        policy = self._runtime.policy
        mode = mode or "r"
        if "w" in mode:
            path = policy.to_write(name)
            file = _Memory(path.read_bytes() if mode == "rw" and path.exists() else b"")
            file.path, file.writes = path, True
            return file
        path = policy.to_read(name)
        try:
            file = _Memory(path.read_bytes())
        except OSError as error:
            raise OSError(f"cannot open {name}: {error.strerror}") from None
        file.path = path
        return file

    def file_mode(self, file: _Memory, mode: str) -> None:
        """Set the file to binary or ascii."""
        if mode in ("binary", "ascii"):
            file.binary = mode == "binary"

    def file_write_object(self, file: _Memory, value: Any) -> None:
        """Write an object: a copy in memory, its bytes on disk."""
        if file.path is None:
            file.objects.append(self._snapshot(value))
            return
        from .t7_files import dumps

        self._write(file, dumps(self._runtime, value, _kind(file)).encode("latin-1"))

    def file_read_object(self, file: _Memory) -> Any:
        """Read the next object, which is a copy of its own each time."""
        if file.next_object < len(file.objects):
            value = file.objects[file.next_object]
            file.next_object += 1
            return self._snapshot(value)
        from .t7_files import loads

        data = bytes(file.data[file.position :])
        if not data:
            raise EOFError("there is no further object in the file")
        file.position = len(file.data)
        return loads(self._runtime, data)

    def file_close(self, file: _Memory) -> None:
        """Close the file; one on disk is written now."""
        if file.writes and file.path is not None:
            file.path.write_bytes(bytes(file.data))
        file.objects = []
        file.writes = False

    def file_has_error(self, file: _Memory) -> bool:
        """Return whether the last reading failed."""
        return file.failed

    def file_seek(self, file: _Memory, position: float) -> None:
        """Move to a position; -1 is the end."""
        file.position = len(file.data) if position < 0 else int(position)

    def file_position(self, file: _Memory) -> int:
        """Return the position, from 0."""
        return file.position

    def file_storage(self, file: _Memory) -> torch.Tensor:
        """Return what the file holds, a CharStorage."""
        data = torch.tensor(list(file.data), dtype=torch.uint8).to(torch.int8)
        storage = data.as_subclass(_Objects)
        storage.file = file
        return storage

    def file_read_string(self, file: _Memory, format: str) -> Any:
        """Read a line ("*l") or the rest ("*a")."""
        data = bytes(file.data[file.position :])
        if format.lstrip("*").startswith("a"):
            file.position = len(file.data)
            return data.decode("latin-1")
        line, newline, _ = data.partition(b"\n")
        file.position += len(line) + len(newline)
        file.failed = not data
        return line.decode("latin-1")

    def file_write_string(self, file: _Memory, text: str) -> int:
        """Write text."""
        self._write(file, text.encode("latin-1"))
        return len(text)

    def file_read(self, file: _Memory, kind: str, target: Any = None) -> Any:
        """Read a number, or as many as `target` has, a storage, or says."""
        letter, dtype = _FORMATS[kind]
        count = 1
        if isinstance(target, torch.Tensor):
            count = target.numel()
        elif target is not None:
            count = int(target)
        if file.binary:
            size = struct.calcsize(f"<{count}{letter}")
            data = bytes(file.data[file.position : file.position + size])
            if len(data) < size:
                raise EOFError(f"read{kind}: the file has ended")
            file.position += size
            values: list[Any] = list(struct.unpack(f"<{count}{letter}", data))
        else:
            values = [self._word(file, kind) for _ in range(count)]
        if target is None:
            return bool(values[0]) if kind == "Bool" else values[0]
        result = torch.tensor(values, dtype=dtype).as_subclass(tensors.Storage)
        if isinstance(target, torch.Tensor):
            target.copy_(result)
            return count
        return result

    def _word(self, file: _Memory, kind: str) -> Any:
        data = bytes(file.data[file.position :])
        stripped = data.lstrip()
        word = stripped.split(None, 1)[0] if stripped else b""
        if not word:
            raise EOFError(f"read{kind}: the file has ended")
        file.position += len(data) - len(stripped) + len(word)
        value = float(word)
        return value if kind in ("Float", "Double") else int(value)

    def file_write(self, file: _Memory, kind: str, value: Any) -> None:
        """Write a number, or those of a storage."""
        values = value.tolist() if isinstance(value, torch.Tensor) else [value]
        if kind not in ("Float", "Double"):
            values = [int(v) for v in values]
        if file.binary:
            data = struct.pack(f"<{len(values)}{_FORMATS[kind][0]}", *values)
        else:
            data = (
                " ".join(f"{v:.17g}" if isinstance(v, float) else str(v) for v in values)
            ).encode()
            data += b"\n"
        self._write(file, data)

    def _write(self, file: _Memory, data: bytes) -> None:
        if file.path is not None and not file.writes:
            raise OSError(f"{file.path} is open for reading alone")
        file.data[file.position : file.position + len(data)] = data
        file.position += len(data)


def _kind(file: _Memory) -> str:
    return "binary" if file.binary else "ascii"


__all__ = ["Saving", "copy"]
