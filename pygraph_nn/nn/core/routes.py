"""Routes: how a layer that computes nothing passes values on.

Whoever follows values through a graph (the plan of a recurrent network, a picture) asks a module
for its `route` and applies it to its own kind of value.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Whole:
    """The output is the input."""


@dataclass(frozen=True)
class Element:
    """The output is one element of the input table: by index from 0, or by key.

    Attributes:
        key: the index, negative from the end, or the key.
        only: whether the table must have this element alone.
    """

    key: int | str
    only: bool = False


@dataclass(frozen=True)
class Wrapped:
    """The output is a table whose only element is the input."""


@dataclass(frozen=True)
class Slice:
    """The output is a table of `length` elements of the input table, from `offset` on."""

    offset: int
    length: int


Route = Whole | Element | Wrapped | Slice
