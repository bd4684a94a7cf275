"""Fields that a user's methods leave in a module, for each call of it.

A user's `updateOutput` leaves in the module what its `updateGradInput` needs. A module that is
called several times before autograd comes back needs the fields of each call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch

from ... import nested
from ...nested import Nested
from .overrides import NO_FIELDS, OVERRIDABLE
from .recording import RecordedPass, Records

_NO_FIELDS = NO_FIELDS | OVERRIDABLE


@runtime_checkable
class _Recorded(Protocol):
    _records: Records


class _Owner(Protocol):
    """A layer or a criterion."""

    def modules(self) -> Iterator[torch.nn.Module]: ...


def convert(module: torch.nn.Module, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Convert the tensors in the fields of `module` to another type or device, as Torch7 does.

    Those of integers keep their type, and those inside autograd stay as they are.
    """

    def converted(x: Any) -> Any:
        if not isinstance(x, torch.Tensor) or x.requires_grad:
            return x
        new = function(x)
        return new if x.is_floating_point() or new.dtype == x.dtype else x

    for name, value in list(module.__dict__.items()):
        is_field = name not in _NO_FIELDS and not isinstance(value, torch.nn.Module)
        if is_field and any(isinstance(x, torch.Tensor) for x in nested.leaves(value)):
            kept = nested.map_leaves(converted, value)
            module.__dict__[name] = tuple(kept) if isinstance(value, tuple) else kept


Fields = list[tuple[torch.nn.Module, dict[str, Any], RecordedPass | None]]


def fields_of(owner: _Owner) -> Fields:
    """Return the fields of `owner` and the modules inside that are not torch.nn.Module's own."""
    return [
        (
            module,
            {name: v for name, v in module.__dict__.items() if name not in _NO_FIELDS},
            module._records.last() if isinstance(module, _Recorded) else None,
        )
        for module in owner.modules()
    ]


def copies(fields: Fields) -> Fields:
    """Return `fields` with copies of the plain tensors, which a later call may overwrite."""
    return [
        (module, {name: _copied(value) for name, value in values.items()}, record)
        for module, values, record in fields
    ]


def _copied(value: Any) -> Any:
    tensors = [x for x in nested.leaves(value) if isinstance(x, torch.Tensor)]
    if not tensors:
        return value  # perhaps a list that the module appends to
    copied = nested.map_leaves(
        lambda x: x.clone() if isinstance(x, torch.Tensor) and not x.requires_grad else x, value
    )
    return tuple(copied) if isinstance(value, tuple) else copied


def set_fields(fields: Fields) -> None:
    """Set fields and recorded passes to what `fields_of` returned."""
    for module, values, record in fields:
        module.__dict__.update(values)
        records: Records | None = getattr(module, "_records", None)
        if records is None:
            continue
        if record is None:
            records.forget()
        else:
            records.keep(record)


def set_unchanged_fields(now: Fields, before: dict[int, dict[str, Any]]) -> None:
    """Set the fields `now`, but leave those that differ from `before`: a method changed them."""
    for module, fields, record in now:
        restored = before.get(id(module), {})
        changed = {
            name: value
            for name, value in module.__dict__.items()
            if name not in _NO_FIELDS and (name not in restored or value is not restored[name])
        }
        set_fields([(module, {**fields, **changed}, record)])


def unaliased(owner: _Owner, input: Nested, output: Nested) -> Nested:
    """Return `output`, with copies of tensors that lie in the memory of the input or of a field.

    A layer in place after this one, or the next call of this one, would overwrite them.
    """
    tensors = [x for x in nested.leaves(input) if isinstance(x, torch.Tensor)]
    for _, values, _ in fields_of(owner):
        tensors += [x for x in nested.leaves(values) if isinstance(x, torch.Tensor)]
    storages = {_storage(x) for x in tensors}
    return nested.map_leaves(
        lambda y: y.clone() if isinstance(y, torch.Tensor) and _storage(y) in storages else y,
        output,
    )


def _storage(x: torch.Tensor) -> object:
    if x.layout != torch.strided:
        return id(x)
    storage = x.untyped_storage()
    return storage._cdata
