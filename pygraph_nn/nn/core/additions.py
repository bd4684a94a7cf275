"""Classes of other rooms that are available as ``nn.<name>``, as nngraph adds gModule to nn."""

from __future__ import annotations

from typing import TypeVar

added_classes: dict[str, type] = {}
_Class = TypeVar("_Class", bound=type)


def add_class(cls: _Class) -> _Class:
    """Make `cls` available as ``nn.<name>``, so that Lua's ``nn.gModule(...)`` reads alike.

    A class decorator.
    """
    added_classes[cls.__name__] = cls
    return cls
