"""What Python has no type for: Torch7's objects, functions and storages, and some tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from .errors import join_path, key_text


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """Where an object is in its file.

    Attributes:
        offset: its offset in bytes.
        key: its key in the table or object around it.
        outer: the place of the table or object around it; None for the outermost.
    """

    offset: int
    key: Any = None
    outer: Place | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The path from the outermost object, with the file's keys: ``.modules[3].weight``."""
        parts = []
        place: Place | None = self
        while place is not None and place.outer is not None:
            parts.append(key_text(place.key))
            place = place.outer
        return join_path(parts[::-1])


class T7Object:
    """An object of a Torch7 class: its name and fields.

    ``object["weight"]`` and ``object.get("weight")`` are fields.

    Attributes:
        class_name: the class, ``nn.Linear``.
        fields: the fields by name, a dict (a `T7Table` if keys are tables or booleans).
        version: the version of the class in the file's header; 0 for the header without one.
        place: where the object is in its file; None if it was made in Python.
    """

    __slots__ = ("__weakref__", "class_name", "fields", "place", "version")

    def __init__(
        self,
        class_name: str,
        fields: Mapping[Any, Any] | None = None,
        version: int = 1,
        place: Place | None = None,
    ) -> None:
        self.class_name = class_name
        self.fields: Mapping[Any, Any] = {} if fields is None else fields
        self.version = version
        self.place = place

    def __getitem__(self, key: Any) -> Any:
        return self.fields[key]

    def __contains__(self, key: Any) -> bool:
        return key in self.fields

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the field `key`, or `default`."""
        return self.fields.get(key, default)

    def __repr__(self) -> str:
        return f"<T7Object {self.class_name} with {len(self.fields)} fields>"


class T7Table(Mapping[Any, Any]):
    """A Lua table whose keys a dict cannot hold: tables, tensors or booleans among them.

    A key that is a table, a tensor or an object is found by its identity, as in Lua. True and 1 are
    different keys.
    """

    def __init__(self, pairs: Iterator[tuple[Any, Any]] | list[tuple[Any, Any]] = ()) -> None:  # type: ignore[assignment]
        self._pairs: dict[Any, tuple[Any, Any]] = {}
        for key, value in pairs:
            self[key] = value

    @staticmethod
    def _identity(key: Any) -> Any:
        if isinstance(key, bool) or not isinstance(key, (int, float, str, bytes)):
            return (type(key), key if isinstance(key, bool) else id(key))
        return key

    def __setitem__(self, key: Any, value: Any) -> None:
        self._pairs[self._identity(key)] = key, value

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._pairs[self._identity(key)][1]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs.values())

    def __len__(self) -> int:
        return len(self._pairs)

    def items(self) -> Any:
        """Return the pairs of keys and values, in the file's order."""
        return self._pairs.values()

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<T7Table of {len(self)} pairs>"


class T7Storage:
    """A storage as a value of its own, such as the LongStorage of sizes in nn.View.

    Attributes:
        tensor: its elements, (n,). Tensors of the same storage share their memory with it.
    """

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def tolist(self) -> list[Any]:
        """Return the elements as Python numbers."""
        elements: list[Any] = self.tensor.tolist()
        return elements

    def __len__(self) -> int:
        return self.tensor.numel()

    def __repr__(self) -> str:
        return f"<T7Storage of {len(self)} {self.tensor.dtype}>"


class T7Function:
    """A Lua function: its bytecode, which nothing here runs.

    Attributes:
        code: the bytecode of the Lua that wrote it.
        upvalues: the values of its upvalues, a table.
        kind: the format's number for functions: 8, and in older files 7 or 6.
    """

    __slots__ = ("__weakref__", "code", "kind", "upvalues")

    def __init__(self, code: bytes, upvalues: Any = None, kind: int = 8) -> None:
        self.code = code
        self.upvalues = [] if upvalues is None else upvalues
        self.kind = kind

    def __repr__(self) -> str:
        return f"<T7Function of {len(self.code)} bytes>"
