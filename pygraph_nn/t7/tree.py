"""The tree of what a file contains: one row for each value, with types, sizes and sharing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from .elements import type_of
from .errors import Part, shortened
from .objects import Place, T7Function, T7Object, T7Storage

_LONGEST = 200  # characters of a string that a row shows
_FEW = 8  # numbers of a list that a row shows


@dataclass
class Row:
    """One value of a tree.

    Attributes:
        depth: how many tables and objects are around it.
        key: its key, as it is in the file; None for the outermost value.
        place: the keys that lead to it.
        text: what it is, for people: ``DoubleTensor 3x4, 96 bytes``.
        facts: the same for programs: `type`, and as they apply `class`, `size`, `stride`, `bytes`,
            `value`, `entries`, `same_as` and `shares_storage_with`, which are paths.
        is_last: whether it is the last value of the table around it.
    """

    depth: int
    key: Any
    place: Place
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    is_last: bool = False

    @property
    def path(self) -> str:
        """The path to it, ``.modules[1].weight``."""
        return self.place.path


def rows(value: Any, depth: int | None = None, entries: int | None = None) -> Iterator[Row]:
    """Yield a row for `value` and for what it contains, each before its parts.

    Keys and indices are those of the file: they count from 1. What occurs again is named by the
    path of its first occurrence. An object's fields are its parts.

    Args:
        value: what `load` returned.
        depth: the number of levels below `value`; None for all.
        entries: the number of entries of a table that are shown; None for all. A row tells how many
            more there are.
    """
    seen: dict[int, Place] = {}
    storages: dict[int, Place] = {}
    waiting: list[Iterator[_Child]] = [iter([_Child(None, Place(0), value, True)])]
    while waiting:
        following = next(waiting[-1], None)
        if following is None:
            waiting.pop()
            continue
        key, place, content, is_last = following
        level = len(waiting) - 1
        row = Row(level, key, place, "", is_last=is_last)
        if isinstance(content, _More):
            row.text, row.facts = f"... {content.count:,} more", {"type": "more"}
            row.facts["entries"] = content.count
        elif _is_compound(content) and id(content) in seen:
            first = seen[id(content)].path
            row.text = f"{_kind(content)}, the same as {first or 'the whole'}"
            row.facts = {"type": "reference", "same_as": first}
        else:
            seen[id(content)] = place
            row.text, row.facts = _described(content, place, storages)
            parts = _parts(content)
            if parts is not None and (depth is None or level < depth):
                waiting.append(_children(parts, place, entries))
        yield row


@dataclass
class _More:
    count: int


def _is_compound(value: Any) -> bool:
    return not isinstance(value, (type(None), bool, int, float, str, bytes))


def _parts(value: Any) -> list[tuple[Any, Any]] | None:
    """Return keys and values of what a row does not show whole."""
    if isinstance(value, T7Object):
        return list(value.fields.items())
    if isinstance(value, T7Function):
        return [(Part("<upvalues>"), value.upvalues)] if value.upvalues else None
    if isinstance(value, list):
        return None if _are_numbers(value) else list(enumerate(value, 1))
    return list(value.items()) if isinstance(value, Mapping) else None


class _Child(NamedTuple):
    key: Any
    place: Place
    value: Any
    is_last: bool


def _children(parts: list[tuple[Any, Any]], place: Place, entries: int | None) -> Iterator[_Child]:
    shown = parts if entries is None or len(parts) <= entries + 1 else parts[:entries]
    for i, (key, value) in enumerate(shown, 1):
        yield _Child(key, Place(0, key, place), value, i == len(parts))
    if len(shown) < len(parts):
        yield _Child(None, place, _More(len(parts) - len(shown)), True)


def _kind(value: Any) -> str:
    if isinstance(value, T7Object):
        return value.class_name
    if isinstance(value, torch.Tensor):
        kind = type_of(value.dtype)
        return f"{kind.name}Tensor" if kind else str(value.dtype)
    if isinstance(value, T7Storage):
        kind = type_of(value.tensor.dtype)
        return f"{kind.name}Storage" if kind else "storage"
    return "function" if isinstance(value, T7Function) else "table"


def _described(value: Any, place: Place, storages: dict[int, Place]) -> tuple[str, dict[str, Any]]:
    if not _is_compound(value):
        return _plain(value)
    kind = _kind(value)
    if isinstance(value, T7Object):
        version = "" if value.version == 1 else f", version {value.version}"
        facts = {"type": "object", "class": kind, "entries": len(value.fields)}
        return f"{kind}{version}", facts | {"version": value.version}
    if isinstance(value, torch.Tensor):
        return _tensor(value, kind, place, storages)
    if isinstance(value, T7Storage):
        size, shared = value.tensor.nbytes, _shared(value.tensor, place, storages)
        few = ", ".join(map(_short, value.tensor[:_FEW].tolist()))
        more = ", ..." if len(value) > _FEW else ""
        text = f"{kind} of {len(value):,}: {few}{more}{_shares(shared)}"
        return text, {"type": kind, "size": [len(value)], "bytes": size} | _fact(shared)
    if isinstance(value, T7Function):
        return f"function, {len(value.code):,} bytes", {"type": kind, "bytes": len(value.code)}
    count = len(value)
    if isinstance(value, list) and _are_numbers(value):
        few = ", ".join(map(_short, value[:_FEW]))
        text = f"table of {count:,} numbers: {few}{', ...' if count > _FEW else ''}"
        return text, {"type": "table", "entries": count, "numbers": True}
    entries = "empty" if not count else f"{count:,} entr{'y' if count == 1 else 'ies'}"
    return f"table, {entries}", {"type": "table", "entries": count}


def _short(number: float) -> str:
    # A float may hold a whole number too large for as_number to make it an int.
    is_whole = isinstance(number, int) or (number and abs(number) < 1e16 and number.is_integer())
    return str(int(number)) if is_whole else f"{number:g}"


def _are_numbers(value: list[Any]) -> bool:
    return bool(value) and all(type(x) in (int, float) for x in value)


def _plain(value: Any) -> tuple[str, dict[str, Any]]:
    if value is None:
        return "nil", {"type": "nil"}
    if isinstance(value, bool):
        return str(value).lower(), {"type": "boolean", "value": value}
    if isinstance(value, (str, bytes)):
        is_text = isinstance(value, str)
        shown = shortened(repr(value), _LONGEST)
        facts = {"type": "string", "bytes": len(value.encode() if is_text else value)}  # type: ignore[union-attr]
        return shown, facts | {"value" if is_text else "hex": value if is_text else value.hex()}  # type: ignore[union-attr]
    is_finite = value - value == 0
    return f"{value:.17g}", {"type": "number", "value": value if is_finite else str(value)}


def _tensor(
    tensor: torch.Tensor, kind: str, place: Place, storages: dict[int, Place]
) -> tuple[str, dict[str, Any]]:
    if not tensor.numel():
        return f"{kind}, empty", {"type": kind, "size": list(tensor.shape), "bytes": 0}
    shared = _shared(tensor, place, storages)
    whole = tensor.untyped_storage().nbytes()
    size = "x".join(map(str, tensor.shape))
    bytes_ = tensor.numel() * tensor.element_size()
    part = f" of a storage of {_size(whole)}" if whole != bytes_ else ""
    strides = "" if tensor.is_contiguous() else f", strides {list(tensor.stride())}"
    facts = {
        "type": kind,
        "size": list(tensor.shape),
        "stride": list(tensor.stride()),
        "offset": int(tensor.storage_offset()),
        "bytes": bytes_,
        "storage_bytes": whole,
    }
    return f"{kind} {size}, {_size(bytes_)}{part}{strides}{_shares(shared)}", facts | _fact(shared)


def _shared(tensor: torch.Tensor, place: Place, storages: dict[int, Place]) -> str | None:
    """Return the path of the first value of the same storage, if there was one."""
    if not tensor.numel():
        return None
    first = storages.setdefault(tensor.untyped_storage()._cdata, place)
    return None if first is place else first.path


def _shares(path: str | None) -> str:
    return f", shares storage with {path or 'the whole'}" if path is not None else ""


def _fact(path: str | None) -> dict[str, str]:
    return {} if path is None else {"shares_storage_with": path}


def _size(count: int) -> str:
    for unit, power in (("GB", 3), ("MB", 2), ("kB", 1)):
        if count >= 1000**power:
            return f"{count / 1000**power:.3g} {unit}"
    return f"{count} byte{'s' * (count != 1)}"
