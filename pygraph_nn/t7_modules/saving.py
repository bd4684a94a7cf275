"""save_t7: write values and modules to a ``.t7`` file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from ..t7 import T7Function, T7Object, T7Table, save
from .writing import ModuleWriter, Write


def save_t7(
    path: str | os.PathLike[str],
    value: Any,
    format: str = "binary",
    *,
    classes: Mapping[type[Any], Write] | None = None,
    byte_order: str = "little",
    long_size: int = 8,
    referenced: bool = True,
) -> None:
    """Write `value` to a file that Torch7 loads (``torch.save``).

    Modules of `nn` and gModules become objects of Torch7's classes, with indices that count from 1.
    Shared modules, parameters and storages are written once. Everything else is as in
    `pygraph_nn.t7.save`.

    Args:
        path: the file.
        value: what to write: a module, or tables with modules in them.
        format: ``"binary"`` or ``"ascii"``.
        classes: for classes of your own, functions that return the `T7Object` to write.
        byte_order: ``"little"`` or ``"big"``, for binary files.
        long_size: 8 or 4, the bytes of a long, for binary files.
        referenced: whether what occurs again is written as a reference. Graphs need references.

    Raises:
        T7Error: something in `value` cannot be written.
        OSError: the file cannot be written.
    """
    plain = without_modules(value, ModuleWriter(classes))
    save(path, plain, format, byte_order=byte_order, long_size=long_size, referenced=referenced)


def without_modules(value: Any, writer: ModuleWriter) -> Any:
    """Return `value` with Torch7 objects in the place of modules; `value` itself stays as it is."""
    copies: dict[int, Any] = {}
    waiting: list[tuple[Any, Any]] = []

    def converted(content: Any) -> Any:
        if isinstance(content, torch.nn.Module):
            return writer.object(content)
        if isinstance(content, torch.nn.Parameter):
            return writer.tensor(content)
        if not isinstance(content, (list, tuple, dict, T7Table, T7Object, T7Function)):
            return content
        if id(content) not in copies:
            copy: Any = [] if isinstance(content, (list, tuple)) else {}
            if isinstance(content, T7Table):
                copy = T7Table()
            elif isinstance(content, T7Object):
                copy = T7Object(content.class_name, {}, content.version, content.place)
            elif isinstance(content, T7Function):
                copy = T7Function(content.code, None, content.kind)
            copies[id(content)] = copy
            waiting.append((content, copy))
        return copies[id(content)]

    result = converted(value)
    while waiting:
        content, copy = waiting.pop()
        if isinstance(content, (list, tuple)):
            copy += map(converted, content)
        elif isinstance(content, T7Object):
            copy.fields = converted(content.fields)
        elif isinstance(content, T7Function):
            copy.upvalues = converted(content.upvalues)
        else:
            for key, inner in content.items():
                copy[converted(key) if isinstance(content, T7Table) else key] = converted(inner)
    return result
