"""load_t7: a ``.t7`` file with its networks as modules."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from ..t7 import T7Error, T7Function, T7Object, T7Table, load
from .reading import Convert, ModuleReader

_SHOWN = 5
_LARGE = 1 << 24  # bytes of a file whose tensors are left there, as long as it has no modules


def load_t7(
    file: str | os.PathLike[str] | bytes,
    *,
    modules: bool = True,
    classes: Mapping[str, Convert] | None = None,
    long_size: int | None = None,
    referenced: bool = True,
    device: torch.device | str | None = None,
) -> Any:
    """Return the object in a Torch7 file (``torch.load``), its networks as modules of `nn`.

    Layers, criteria and gModules become modules that run and train; indices in their fields count
    from 0 afterwards, and so must indices in their inputs. What is shared in the file is shared
    here: objects, parameters, storages. All else is as in `pygraph_nn.t7.load`.

    A layer that has no counterpart here becomes a `Placeholder` in its network; elsewhere it stays
    a `T7Object`. One warning says where this happened, and which fields were left out.

    Args:
        file: a path, or the content as bytes.
        modules: False to return all objects as `T7Object`; large tensors then stay in the file
            until they are used.
        classes: for classes of your own, functions that take the `T7Object` and return a module.
        long_size: 4 or 8, to force the size of a long.
        referenced: as in `pygraph_nn.t7.load`.
        device: where to put CUDA tensors; by default in the memory of the CPU.

    Raises:
        T7Error: the file is damaged, or the fields of a module do not fit together. The error has
            the offset in the file and the path inside the object, with the file's own keys.
        OSError: the file cannot be opened.
    """
    options: dict[str, Any] = {
        "long_size": long_size,
        "referenced": referenced,
        "device": device,
    }
    is_large = not isinstance(file, bytes) and os.stat(file).st_size >= _LARGE
    value = load(file, mmap=is_large, **options)
    reader = ModuleReader(classes)
    if not modules or not any(map(reader.is_module, _objects(value))):
        return value
    if is_large:
        # The elements of a file may lie at odd addresses, which parameters should not.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what load warns of, it has warned of already
            value = load(file, mmap=False, **options)
    name = "the file" if isinstance(file, bytes) else os.fspath(file)
    try:
        value = with_modules(value, reader)
    except T7Error as error:
        raise error.inside(file=name) from error.__cause__
    if reader.losses:
        warnings.warn(_loss_text(name, reader), stacklevel=2)
    return value


def with_modules(value: Any, reader: ModuleReader) -> Any:
    """Return `value` with modules in the place of their Torch7 objects; tables change in place."""
    if reader.is_module(value):
        return reader.module(value, value)
    for table in _tables(value, reader):
        pairs = enumerate(table) if isinstance(table, list) else list(table.items())
        for key, content in list(pairs):
            if reader.is_module(content):
                table[key] = reader.module(content, content)
            elif isinstance(content, T7Object):
                reader.losses.append((content, "kept as a T7Object"))
    return value


def _tables(value: Any, reader: ModuleReader | None = None) -> list[Any]:
    """Return all tables in `value`, also in objects, but not in those that become modules."""
    tables: list[Any] = []
    waiting, seen = [value], set()
    while waiting:
        content = waiting.pop()
        if id(content) in seen:
            continue
        if isinstance(content, T7Object) and not (reader and reader.is_module(content)):
            waiting.append(content.fields)
        elif isinstance(content, T7Function):
            waiting.append(content.upvalues)
        elif isinstance(content, list):
            tables.append(content)
            waiting += content
        elif isinstance(content, (dict, T7Table)):
            tables.append(content)
            waiting += content.values()
            waiting += [key for key in content if not isinstance(key, (str, int, float))]
        else:
            continue
        seen.add(id(content))
    return tables


def _objects(value: Any) -> list[T7Object]:
    objects = [value] if isinstance(value, T7Object) else []
    for table in _tables(value):
        contents = table if isinstance(table, list) else table.values()
        objects += [content for content in contents if isinstance(content, T7Object)]
    return objects


def _loss_text(name: str, reader: ModuleReader) -> str:
    seen: dict[str, None] = {}
    for value, what in reader.losses:
        path = (value.place.path if value.place else "") or "the object itself"
        seen[f"{path}, {value.class_name}: {what}"] = None
    lines = list(seen)
    more = f"\n  and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"{name} has parts without a counterpart:\n  " + "\n  ".join(lines[:_SHOWN]) + more
