"""Decide what an assignment to a field of a layer or criterion means.

Torch7's layers keep parameters and modules in plain fields; PyTorch registers them. An assignment
that PyTorch would keep as a plain attribute, and so leave out of training, is registered here or
refused.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, type_name

_TORCH_FIELDS = torch.nn.Module().__dict__.keys() | {"__dict__"}
_LIBRARY = __name__.partition(".")[0]


def of_a_user(cls: type) -> bool:
    """Return whether `cls` is defined outside of this library."""
    return cls.__module__.partition(".")[0] != _LIBRARY


def registered(owner: torch.nn.Module, name: str, value: Any, parameters: frozenset[str]) -> Any:
    """Return what to assign to ``owner.name`` in place of `value`.

    A float tensor assigned to one of the fields `parameters` becomes a Parameter, and a list or
    dict of modules a ModuleList or ModuleDict.

    Raises:
        GraphError: the field would hide a method, or modules are mixed with other values.
    """
    if isinstance(value, (list, tuple, dict)):
        value = _modules(owner, name, value)
    elif isinstance(value, torch.Tensor) and name in parameters:
        _expect_initialised(owner)
        value = _parameter(owner, name, value)
    elif isinstance(value, (torch.nn.Parameter, torch.nn.Module)):
        _expect_initialised(owner)
    if not callable(value) and callable(getattr(type(owner), name, None)):
        raise GraphError(
            f"{type_name(owner)}.{name} = {type_name(value)}: the field would hide the method "
            f"{name}(). Give the field another name, such as {name}_"
        )
    return value


def _parameter(owner: torch.nn.Module, name: str, value: torch.Tensor) -> torch.Tensor:
    if (
        isinstance(value, torch.nn.Parameter)
        or name in owner._buffers
        or not value.is_floating_point()
        or not value.is_leaf  # computed from parameters
        # As torch.nn.utils.weight_norm and prune do: the parameter has a longer name.
        or any(other.startswith(f"{name}_") for other in owner._parameters)
    ):
        return value
    old = owner._parameters.get(name)
    parameter = torch.nn.Parameter(value.detach(), old is None or old.requires_grad)
    if old is not None and old.grad is not None and old.grad.shape == value.shape:
        parameter.grad = old.grad
    return parameter


def _modules(owner: torch.nn.Module, name: str, table: Any) -> Any:
    """Return `table`, or a registered copy if it holds modules."""
    leaves = nested.leaves(table)
    if name in _TORCH_FIELDS or not any(isinstance(x, torch.nn.Module) for x in leaves):
        return table
    _expect_initialised(owner)
    if name == "modules":
        raise GraphError(
            f"{type_name(owner)}.modules = {type_name(table)}: modules() is a method. Add the "
            "modules with add(module), or assign them to a field of another name"
        )
    for leaf in leaves:
        if not isinstance(leaf, torch.nn.Module):
            raise GraphError(
                f"{type_name(owner)}.{name}: expecting modules alone, so that their parameters "
                f"are trained, got {type_name(leaf)} among them. Keep other values in a field of "
                "their own"
            )
    return _module_table(f"{type_name(owner)}.{name}", table)


def _module_table(place: str, table: Any) -> Any:
    if isinstance(table, torch.nn.Module):
        return table
    if isinstance(table, (list, tuple)):
        return torch.nn.ModuleList([_module_table(place, inner) for inner in table])
    for key in table:
        if not isinstance(key, str):
            raise GraphError(
                f"{place}: expecting strings as keys of modules, got {key!r}. Use a list, or "
                f"the key {str(key)!r}"
            )
    return torch.nn.ModuleDict({key: _module_table(place, inner) for key, inner in table.items()})


def check_registered(module: torch.nn.Module) -> None:
    """Refuse modules that were added to a plain list or dict after its assignment.

    Raises:
        GraphError: a field of `module`, a user's layer or criterion, holds unregistered modules.
    """
    if not getattr(type(module), "is_of_a_user", False):
        return
    for name, value in _plain_tables(module):
        if any(isinstance(leaf, torch.nn.Module) for leaf in nested.leaves(value)):
            raise GraphError(
                f"{type_name(module)}.{name} holds modules that were added to it after its "
                "assignment, so that nothing would train them. Assign it again when it is "
                f"complete: self.{name} = {name}"
            )


def _plain_tables(module: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    for name, value in module.__dict__.items():
        if isinstance(value, (list, tuple, dict)) and value and not name.startswith("_"):
            yield name, value


def checks_initialisation(init: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` that names a forgotten ``super().__init__()``."""

    @functools.wraps(init)
    def checked(self: torch.nn.Module, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        _expect_initialised(self)

    return checked


def _expect_initialised(owner: torch.nn.Module) -> None:
    if "_parameters" not in owner.__dict__:
        raise GraphError(
            f"{type_name(owner)}: its __init__ does not call super().__init__(), which must come "
            "first"
        )


def checks_parameters(parameters: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``parameters`` that refuses to return Torch7's two lists."""

    @functools.wraps(parameters)
    def checked(self: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        result = parameters(self, *args, **kwargs)
        if isinstance(result, tuple) and all(isinstance(part, (list, tuple)) for part in result):
            raise GraphError(
                f"{type_name(self)}.parameters() returns lists, as in Torch7; here it yields "
                "Parameters. Leave it out, and assign each tensor as "
                "self.name = torch.nn.Parameter(tensor); its gradient is self.name.grad"
            )
        return result

    return checked


# What a user's class may define, and how it is checked.
CHECKED = {"__init__": checks_initialisation, "parameters": checks_parameters}


class Training:
    """The value of ``module.train``: PyTorch's method and, as a truth value, Torch7's field."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._module = module

    def __call__(self, mode: bool = True) -> Any:
        return torch.nn.Module.train(self._module, mode)

    def __bool__(self) -> bool:
        return self._module.training

    def __eq__(self, other: object) -> bool:
        return self._module.training == bool(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._module.training)
