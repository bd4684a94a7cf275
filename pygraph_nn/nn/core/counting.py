"""CountsFromOne: which values of a layer count from 1 in Torch7, and from 0 here.

Every layer declares them once, in its class attribute `counts_from_one`. Whatever translates
between Torch7 and this library reads the declaration: the reader and the writer of ``.t7`` files,
and whatever runs Lua code.

>>> from pygraph_nn import nn
>>> counts = nn.Narrow.counts_from_one
>>> counts.arguments, counts.fields
(('dimension', 'offset'), ('dimension', 'index'))
>>> counts.from_lua("dimension", 2), counts.to_lua("dimension", 1)
(1, 2)
>>> nn.LookupTable.counts_from_one.inputs == (WHOLE,)
True
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from ...errors import GraphError

WHOLE = None  # the place of an input that is no table


class CountsFromOne(NamedTuple):
    """Which values of a layer or criterion are indices, dimensions or classes.

    Attributes:
        arguments: the parameters of ``__init__``, by name; a ``*parameter`` counts as a whole.
        fields: the fields, whose names are the same in Torch7 and here.
        inputs: the places of indices in the input: `WHOLE` for an input that is one tensor, or
            positions in a table, counted from 0.
        target: whether the target of a criterion consists of classes.
        methods: the arguments that are indices, for each method that has some.
        zero: what a 0 of Torch7 is here, for arguments and fields in which it has a meaning.
    """

    arguments: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    inputs: tuple[int | None, ...] = ()
    target: bool = False
    methods: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    zero: Mapping[str, int | None] = MappingProxyType({})

    def from_lua(self, name: str, value: Any) -> Any:
        """Return what the argument or field `name` is here if it is `value` in Torch7.

        Positive numbers are one less, in lists too. Negative ones count from the end in both, and
        they stay, as do None and strings.

        Raises:
            GraphError: A number is 0, which has no meaning, or not whole.
        """

        def from_zero(index: int) -> int | None:
            if index == 0 and name not in self.zero:
                raise GraphError(f"{name} = 0: Torch7 counts from 1")
            return self.zero[name] if index == 0 else index - (index > 0)

        return _each(name, value, from_zero)

    def to_lua(self, name: str, value: Any) -> Any:
        """Return what `value` of the argument or field `name` is in Torch7: undoes `from_lua`."""
        if name in self.zero and value == self.zero[name]:
            return 0
        return _each(name, value, lambda index: index + (index >= 0))


NOTHING = CountsFromOne()


def data_from_lua(indices: torch.Tensor) -> torch.Tensor:
    """Return a tensor of Torch7's indices or classes as it counts here: each one less.

    Negative ones stay. A 0, which is no class in Torch7 and ends a list of some, becomes -1; so
    bytes become integers that have a sign.
    """
    indices = indices.long() if indices.dtype is torch.uint8 else indices
    return torch.where(indices >= 0, indices - 1, indices)


def data_to_lua(indices: torch.Tensor) -> torch.Tensor:
    """Return a tensor of indices or classes as it counts in Torch7: undoes `data_from_lua`."""
    return torch.where(indices >= -1, indices + 1, indices)


class _Data(threading.local):
    counts_from_one = False


_data = _Data()


@contextlib.contextmanager
def data_count_from_one(enabled: bool = True) -> Iterator[None]:
    """Read indices and classes in data, which layers and criteria get, as Torch7 counts them.

    This is for programs in Lua, whose data count from 1, on networks that know nothing of Lua.
    """
    before, _data.counts_from_one = _data.counts_from_one, enabled
    try:
        yield
    finally:
        _data.counts_from_one = before


def counted(indices: torch.Tensor) -> torch.Tensor:
    """Return indices or classes from the data of a layer as they count here, from 0."""
    return data_from_lua(indices) if _data.counts_from_one else indices


def first_index() -> int:
    """Return the index of the first row or class in data, for error messages: 0, or 1 in Lua."""
    return int(_data.counts_from_one)


def _each(name: str, value: Any, function: Callable[[int], int | None]) -> Any:
    if value is None or isinstance(value, (str, bytes)):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_each(name, element, function) for element in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1:
        raise GraphError(f"{name} = {value!r}: expecting an index, a whole number")
    return function(int(value))
