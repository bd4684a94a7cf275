"""Errors that name the place of an object in its file."""

from __future__ import annotations

from ..t7 import T7Error, T7Object


def located(value: T7Object, problem: str) -> T7Error:
    """Return an error about `value` with its place in the file."""
    if value.place is None:
        return T7Error(problem)
    return T7Error(problem, value.place.offset, value.place.path)
