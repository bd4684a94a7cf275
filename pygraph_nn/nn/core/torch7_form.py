"""Torch7Form: how the fields of a layer's Torch7 object correspond to the layer.

A layer declares it in its class attribute `torch7_form`, as far as it differs from the rule: a
constructor's parameter, a parameter of training, a buffer or a plain attribute is the field of the
same name. `counts_from_one` says which of the fields are indices.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class SizeOf(NamedTuple):
    """A constructor's argument that is a size of the tensor `field`, in `dimension` from 0."""

    field: str
    dimension: int


class Has(NamedTuple):
    """A constructor's argument that says whether there is the tensor `field`."""

    field: str


class Opposite(NamedTuple):
    """A constructor's argument that is true where `field` is false or missing."""

    field: str


Argument = str | SizeOf | Has | Opposite
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Torch7Form(NamedTuple):
    """What differs from the rule that names are the same.

    Attributes:
        arguments: where the constructor's arguments come from, for those that are no field of their
            own name: a field of another name, `SizeOf`, `Has` or `Opposite`.
        names: the fields of another name, by their names here.
        storages: the fields that are a LongStorage in Torch7, a tuple here.
        scratch: fields that Torch7's code expects to find, with the value that its constructor
            gives them: the name of a class of ``torch``, made without arguments, ``"table"``, or
            a number.
        has_table_output, has_table_input: whether Torch7 first sets `output`, or `gradInput`, to an
            empty table, not to an empty tensor.
        version: the version of Torch7's class.
    """

    arguments: Mapping[str, Argument] = NOTHING
    names: Mapping[str, str] = NOTHING
    storages: tuple[str, ...] = ()
    scratch: Mapping[str, str | int] = NOTHING
    has_table_output: bool = False
    has_table_input: bool = False
    version: int = 1

    def name(self, attribute: str) -> str:
        """Return Torch7's name of the field that is `attribute` here."""
        return self.names.get(attribute, attribute)


PLAIN = Torch7Form()
