"""Write plain values to a ``.t7`` file."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from .binary import NUMBER
from .elements import ElementType, element_type, type_of
from .errors import T7Error, join_path, key_text, shortened
from .objects import T7Function, T7Object, T7Storage, T7Table
from .parser import BOOLEAN, NIL, OBJECT, OLD_FUNCTION, STRING, TABLE
from .sinks import AsciiSink, BinarySink, Sink

_ORDERS = {"little": "<", "big": ">"}
_MANY = 32
_FORMATS = ("binary", "ascii")


def save(
    path: str | os.PathLike[str],
    value: Any,
    format: str = "binary",
    *,
    byte_order: str = "little",
    long_size: int = 8,
    referenced: bool = True,
) -> None:
    """Write `value` to a ``.t7`` file (``torch.save``); `load` returns an equal value.

    Numbers, strings, bytes, booleans, None, lists, tuples, dicts, tensors, NumPy arrays and the
    classes of this package can be written. A tensor is written with its whole storage, which
    tensors that share it share in the file as well. Tensors of a GPU are written as those of the
    CPU, and bool as ByteTensor. The file appears when it is complete.

    Args:
        path: the file.
        value: what to write.
        format: ``"binary"`` or ``"ascii"``.
        byte_order: ``"little"`` or ``"big"``, for binary files.
        long_size: 8 or 4, the bytes of a long, for binary files.
        referenced: whether what occurs again is written as a reference. Without references, shared
            parts are written again, and cycles are refused.

    Raises:
        T7Error: something in `value` cannot be written; the message has its path.
        OSError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    if target.exists() and not target.is_file() and not target.is_dir():
        # A device or a pipe is written to; a file in its place would take it from the system.
        content = dumps(
            value, format, byte_order=byte_order, long_size=long_size, referenced=referenced
        )
        with target.open("wb") as file:
            file.write(content)
        return
    # Tensors of `value` may be mapped from the very file, so that it must not change.
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            _write(file, value, format, byte_order, long_size, referenced)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp allows the owner alone
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def dumps(
    value: Any,
    format: str = "binary",
    *,
    byte_order: str = "little",
    long_size: int = 8,
    referenced: bool = True,
) -> bytes:
    """Return what `save` would write (``torch.serialize``)."""
    file = io.BytesIO()
    _write(file, value, format, byte_order, long_size, referenced)
    return file.getvalue()


def _write(
    file: BinaryIO, value: Any, format: str, byte_order: str, long_size: int, referenced: bool
) -> None:
    if format not in _FORMATS or byte_order not in _ORDERS or long_size not in (4, 8):
        raise T7Error(
            f"format = {format!r}, byte_order = {byte_order!r}, long_size = {long_size!r}: "
            "formats are 'binary' and 'ascii', orders 'little' and 'big', sizes 4 and 8"
        )
    sink: Sink = AsciiSink(file)
    if format == "binary":
        sink = BinarySink(file, _ORDERS[byte_order], long_size)
    Writer(sink, referenced).write(value)


class Writer:
    """Writes values to a `Sink`, without recursion."""

    def __init__(self, sink: Sink, referenced: bool = True) -> None:
        self.sink = sink
        self.referenced = referenced
        self._count = 0
        self._indices: dict[Any, int] = {}
        self._arrays: dict[int, torch.Tensor] = {}
        self._kept: list[Any] = []  # so that no identity is used again
        self._path: list[str] = []
        self._open: list[Any] = []

    def write(self, value: Any) -> None:
        """Write `value`.

        Raises:
            T7Error: something in it cannot be written.
        """
        waiting: list[Iterator[tuple[str, Any]]] = [iter([("", value)])]
        try:
            while waiting:
                following = next(waiting[-1], None)
                if following is None:
                    waiting.pop()
                    if self._path:
                        self._path.pop()
                    if self._open:
                        self._open.pop()
                    continue
                part, value = following
                self._path.append(part)
                inner = self._value(value)
                if inner is None:
                    self._path.pop()
                else:
                    waiting.append(inner)
        except T7Error as error:
            raise error.inside(join_path(self._path)) from None

    def _value(self, value: Any) -> Iterator[tuple[str, Any]] | None:
        """Write `value`; return what must follow it, or None if it is complete."""
        sink = self.sink
        if value is None:
            sink.write_int(NIL)
        elif isinstance(value, (bool, np.bool_)):
            sink.write_int(BOOLEAN)
            sink.write_int(int(value))
        elif isinstance(value, (int, float, np.number)):
            sink.write_int(NUMBER)
            sink.write_double(_double(value))
        elif isinstance(value, (str, bytes)):
            self._string(value)
        else:
            return self._compound(value)
        return None

    def _compound(self, value: Any) -> Iterator[tuple[str, Any]] | None:
        if isinstance(value, np.ndarray):
            value = self._tensor_of(value)
        if isinstance(value, (list, tuple)):
            if len(value) >= _MANY and all(type(x) in (int, float) for x in value):
                return self._numbers(value)
            return self._table(value, len(value), enumerate(value, 1))
        if isinstance(value, (T7Table, dict, Mapping)):
            return self._table(value, len(value), value.items())
        if isinstance(value, T7Object):
            return self._object(value)
        if isinstance(value, torch.Tensor):
            return self._tensor(value)
        if isinstance(value, T7Storage):
            return self._storage(value.tensor, value)
        if isinstance(value, T7Function):
            return self._function(value)
        raise T7Error(
            f"cannot write a {type(value).__module__}.{type(value).__qualname__}: expecting "
            "numbers, strings, booleans, None, lists, dicts, tensors or the classes of "
            "pygraph_nn.t7"
        )

    def _tensor_of(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        """Return the tensor of `array`, always the same one."""
        if id(array) not in self._arrays:
            try:
                self._arrays[id(array)] = torch.from_numpy(array)
            except (TypeError, ValueError) as error:
                raise T7Error(str(error)) from None
            self._kept.append(array)
        return self._arrays[id(array)]

    def _is_new(self, kind: int, value: Any, key: Any = None) -> bool:
        """Write the type and the index of `value`; return whether its content must follow."""
        key = id(value) if key is None else key
        index = self._indices.get(key) if self.referenced else None
        if not self.referenced and any(value is outer for outer in self._open):
            raise T7Error("a cycle cannot be written without references")
        self.sink.write_int(kind)
        if index is not None:
            self.sink.write_int(index)
            return False
        self._count += 1
        if self.referenced:
            self._indices[key] = self._count
            self._kept.append(value)
        self.sink.write_int(self._count)
        self._open.append(None if self.referenced else value)
        return True

    def _table(self, value: Any, size: int, pairs: Any) -> Iterator[tuple[str, Any]] | None:
        if not self._is_new(TABLE, value):
            return None
        self.sink.write_int(size)
        return self._pairs(pairs)

    def _numbers(self, value: list[float] | tuple[float, ...]) -> Iterator[tuple[str, Any]] | None:
        """Write a list of numbers at once: one by one would take several times as long."""
        if not self._is_new(TABLE, value):
            return None
        self.sink.write_int(len(value))
        self.sink.write_list(np.array([_double(number) for number in value]))
        return iter(())

    def _pairs(self, pairs: Any) -> Iterator[tuple[str, Any]]:
        for key, value in pairs:
            if key is None or (isinstance(key, float) and key != key):
                raise T7Error(f"a table cannot have the key {key}")
            yield "<key>", key
            yield key_text(key), value

    def _header(self, class_name: str, version: int) -> None:
        for text in [f"V {version}"] * (version > 0) + [class_name]:
            name = text.encode()
            self.sink.write_int(len(name))
            self.sink.write_bytes(name)

    def _string(self, text: str | bytes) -> None:
        try:
            raw = text.encode() if isinstance(text, str) else text
        except UnicodeEncodeError:
            raise T7Error(f"no UTF-8 for {shortened(repr(text))}; write bytes") from None
        self.sink.write_int(STRING)
        self.sink.write_int(len(raw))
        self.sink.write_bytes(raw)

    def _object(self, value: T7Object) -> Iterator[tuple[str, Any]] | None:
        if element_type(value.class_name) is not None:
            raise T7Error(f"a T7Object of the class {value.class_name}: write a torch tensor")
        if not self._is_new(OBJECT, value):
            return None
        self._header(value.class_name, value.version)
        return iter([("", value.fields)])

    def _function(self, value: T7Function) -> Iterator[tuple[str, Any]] | None:
        if value.kind == OLD_FUNCTION:
            self.sink.write_int(OLD_FUNCTION)
            self._open.append(None)
        elif not self._is_new(value.kind, value):
            return None
        self.sink.write_int(len(value.code))
        self.sink.write_bytes(value.code)
        return iter([("<upvalues>", value.upvalues)])

    # Tensors and storages

    def _tensor(self, tensor: torch.Tensor) -> Iterator[tuple[str, Any]] | None:
        kind = _type(tensor)
        if not self._is_new(OBJECT, tensor):
            return None
        self._header(kind.class_name, 1)
        sink, plain = self.sink, tensor.detach()
        if not plain.numel():
            has_shape = plain.dim() > 1
            sink.write_int(plain.dim() * has_shape)
            sink.write_longs(list(plain.shape) * has_shape)
            sink.write_longs(list(plain.stride()) * has_shape)
            sink.write_longs([1])
            return iter([("<storage>", None)])
        plain = plain.reshape(1) if not plain.dim() else plain  # Torch7 has no scalars
        sink.write_int(plain.dim())
        sink.write_longs(plain.shape)
        sink.write_longs(plain.stride())
        sink.write_longs([int(plain.storage_offset()) + 1])
        self._write_storage(plain)
        return iter(())

    def _write_storage(self, tensor: torch.Tensor) -> None:
        untyped = tensor.untyped_storage()
        count = untyped.nbytes() // tensor.element_size()
        whole = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        whole.set_(untyped, 0, (count,), (1,))
        if self._storage(whole, untyped) is not None:
            self._open.pop()

    def _storage(self, elements: torch.Tensor, value: Any) -> Iterator[tuple[str, Any]] | None:
        kind = _type(elements)._replace(is_storage=True)
        untyped = elements.untyped_storage()
        key = (untyped._cdata, kind.name) if elements.numel() else None
        if not self._is_new(OBJECT, value, key):
            return None
        self._kept.append(untyped)
        self._header(kind.class_name, 1)
        self.sink.write_longs([elements.numel()])
        elements = elements.detach().cpu()
        as_bytes = elements.to(torch.uint8) if elements.dtype is torch.bool else elements
        self.sink.write_elements(kind, as_bytes)
        return iter(())


def _type(tensor: torch.Tensor) -> ElementType:
    kind = type_of(tensor.dtype)
    if kind is None or tensor.layout != torch.strided or tensor.is_conj() or tensor.is_neg():
        raise T7Error(
            f"Torch7 has no tensors of {tensor.dtype}, {tensor.layout}; convert it first, for "
            "instance with .float()"
        )
    if tensor.is_meta:
        raise T7Error("a tensor of the device meta has no elements")
    return kind


def _double(number: Any) -> float:
    if isinstance(number, (int, np.integer)) and abs(int(number)) > 2**53:
        raise T7Error(f"{number}: numbers are doubles, which hold integers up to 2 ** 53")
    if isinstance(number, np.complexfloating):
        raise T7Error(f"{number}: Torch7 has no complex numbers")
    return float(number)
