"""Values on their way between Lua and Python: tables and lists, modules and nodes.

A module or node is a Python object. Lua sees a table, its *proxy*, whose metatable is the class;
the prelude keeps one proxy for each object.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from ..node import Node

Object = torch.nn.Module | Node


class Values:
    """Converts values. `proxy_of`, of the prelude, finds or makes the proxy of an object."""

    def __init__(self, lua: Any) -> None:
        self._lua = lua
        self._table = lua.table
        self._table_from = lua.table_from
        self.proxy_of: Any = None

    def to_lua(self, value: Any) -> Any:
        """Return `value` for Lua: lists and dicts become tables, modules and nodes proxies.

        A tensor without dimensions, such as a loss, becomes a number.
        """
        kind = type(value)
        if kind is list or kind is tuple:
            return self._table(*map(self.to_lua, value))
        if isinstance(value, torch.Tensor):
            return value if value.dim() else value.item()
        if kind is dict:
            return self._table_from({self.to_lua(k): self.to_lua(v) for k, v in value.items()})
        if isinstance(value, (torch.nn.ModuleList, torch.nn.ParameterList)):
            return self._table(*map(self.to_lua, value))
        if isinstance(value, (torch.nn.Module, Node)):
            return self.proxy_of(id(value), value, class_name(value))
        return value

    def exports(self) -> dict[str, Any]:
        """Return what the prelude calls."""
        return {
            "list": lambda *values: list(values),
            "dict": lambda *pairs: dict(zip(pairs[::2], pairs[1::2], strict=True)),
            "identity": id,
            "same": lambda a, b: a is b,
            "kind": _kind,
            "references": lambda value: sys.getrefcount(value),
            "new_object": _Sample,
        }


class _Sample:
    """An object that only Lua refers to, with which the prelude counts references."""


def _kind(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return "tensor"
    if isinstance(value, BaseException):
        return "error"
    return "object"


def class_name(value: Object) -> str:
    """Return the name of the class in Lua: ``nn.Linear``, ``nngraph.Node``."""
    if isinstance(value, Node):
        return "nngraph.Node"
    lua_class: str | None = getattr(value, "lua_class", None)
    if lua_class is not None:
        return lua_class
    name = type(value).__name__
    return f"nngraph.{name}" if name in ("JustElement", "JustTable") else f"nn.{name}"
