"""Records to Python values: lists, dicts, tensors and the classes of `objects`."""

from __future__ import annotations

from typing import Any

import torch

from .errors import T7Error
from .objects import T7Function, T7Object, T7Storage, T7Table
from .records import (
    FunctionRecord,
    ObjectRecord,
    Record,
    StorageRecord,
    TableRecord,
    TensorRecord,
)


def build(value: Any, records: list[Record], device: torch.device | None = None) -> Any:
    """Return the Python value of what the parser returned.

    Each record becomes one object, wherever it is referred to. Tables with the keys 1..n become
    lists, others dicts, or `T7Table` where a dict cannot hold the keys.

    Args:
        value: a Python value or a record.
        records: all records.
        device: where to put tensors of CUDA; by default in the memory of the CPU.

    Raises:
        T7Error: PyTorch refuses a tensor.
    """
    payloads = {id(r.payload) for r in records if isinstance(r, ObjectRecord)}
    built: dict[int, Any] = {}
    for record in records:  # first the objects, so that they can refer to each other
        if isinstance(record, TableRecord):
            built[id(record)] = _container(record, id(record) in payloads)
        elif isinstance(record, ObjectRecord):
            place = record.place
            built[id(record)] = T7Object(record.class_name, None, record.version, place)
        elif isinstance(record, StorageRecord):
            built[id(record)] = _storage(record, device)
        elif isinstance(record, FunctionRecord):
            built[id(record)] = T7Function(record.code, None, record.kind)
    for record in records:
        if isinstance(record, TensorRecord):
            storage = None if record.storage is None else built[id(record.storage)]
            built[id(record)] = _tensor(record, storage)

    def resolved(value: Any) -> Any:
        return built[id(value)] if isinstance(value, Record) else value

    for record in records:
        if isinstance(record, TableRecord):
            _fill(built[id(record)], record, resolved)
        elif isinstance(record, ObjectRecord):
            built[id(record)].fields = resolved(record.payload)
        elif isinstance(record, FunctionRecord):
            built[id(record)].upvalues = resolved(record.upvalues)
    return resolved(value)


def _container(record: TableRecord, has_names: bool) -> list[Any] | dict[Any, Any] | T7Table:
    keys = record.keys
    if not has_names and is_sequence(keys):
        return []
    if any(isinstance(key, (bool, Record)) for key in keys):
        return T7Table()
    if not has_names and sorted_like_a_list(keys):
        return []
    return {}


def is_sequence(keys: list[Any]) -> bool:
    """Return whether `keys` are 1..n, in this order."""
    return keys == list(range(1, len(keys) + 1)) and not isinstance(next(iter(keys), 0), bool)


def sorted_like_a_list(keys: list[Any]) -> bool:
    """Return whether `keys` are 1..n in another order."""
    if not all(isinstance(key, int) for key in keys):
        return False
    return len(set(keys)) == len(keys) == max(keys, default=0) and min(keys, default=1) == 1


def _fill(container: Any, record: TableRecord, resolved: Any) -> None:
    values = record.values
    if isinstance(container, list):
        if is_sequence(record.keys):
            container.extend(map(resolved, values))
        else:
            container.extend([None] * len(values))
            for key, value in zip(record.keys, values, strict=True):
                container[key - 1] = resolved(value)
    else:
        for key, value in zip(record.keys, values, strict=True):
            container[resolved(key)] = resolved(value)
    # The table has its own list now.
    record.keys, record.values = [], []


def _storage(record: StorageRecord, device: torch.device | None) -> T7Storage:
    assert record.elements is not None
    on_device = device is not None and record.kind.is_cuda
    return T7Storage(record.elements.to(device) if on_device else record.elements)


def _tensor(record: TensorRecord, storage: T7Storage | None) -> torch.Tensor:
    try:
        if not record.size:
            return torch.empty(0, dtype=record.kind.dtype)
        if storage is None or 0 in record.size:
            return torch.empty(record.size, dtype=record.kind.dtype)
        return torch.as_strided(storage.tensor, record.size, record.stride, record.first)
    except (RuntimeError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        raise T7Error(reason, record.place.offset, record.place.path) from None
