"""Which methods of a layer or criterion a user overrides, and who calls them.

Torch7's containers call `updateOutput` of their members and never `forward`. Sequential,
ConcatTable and Concat go back by `backward`; gModule and the other containers go back by
`updateGradInput` and `accGradParameters`, *apart*.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ...errors import GraphError, type_name
from .assignment import check_registered

_NONE: frozenset[str] = frozenset()
HALVES = frozenset({"updateGradInput", "accGradParameters"})
GRADIENTS = HALVES | {"backward"}
OF_A_CALL = GRADIENTS | {"forward"}  # these change what a call of the module does
OVERRIDABLE = OF_A_CALL | {"zeroGradParameters", "updateParameters"}

# What is in the __dict__ of a module beside the fields of its layer.
NO_FIELDS = frozenset(torch.nn.Module().__dict__) | {
    "_guard",
    "_overrides",
    "_plain",
    "_records",
    "_warned",
}

_WAYS_OUT = {
    "forward": "its own forward is not called here, as in Torch7: override updateOutput",
    "backward": (
        "its own backward is not called here, as in Torch7: override updateGradInput and "
        "accGradParameters"
    ),
}


def of_class(cls: type, root: type) -> frozenset[str]:
    """Return the methods that `cls` overrides. `root` is Module or Criterion, which define them."""
    missing = object()
    return frozenset(
        name
        for name in OVERRIDABLE
        if getattr(cls, name, missing) is not getattr(root, name, missing)
    )


def of_object(owner: torch.nn.Module, of_its_class: frozenset[str]) -> frozenset[str]:
    """Return the methods that the class of `owner`, or `owner` itself, overrides.

    Raises:
        GraphError: a method was set to something that cannot be called.
    """
    own = OVERRIDABLE & owner.__dict__.keys()
    for name in own:
        if not callable(owner.__dict__[name]):
            value = owner.__dict__.pop(name)
            raise GraphError(
                f"{type_name(owner)}.{name} = {type_name(value)}: expecting a function. To take "
                f"an override back, write: del module.{name}"
            )
    return of_its_class | own


def own_methods(module: torch.nn.Module) -> frozenset[str]:
    """Return the methods that a layer or criterion overrides; nothing for other modules."""
    # Plain torch modules would look for a missing attribute for longer.
    own: frozenset[str] = module._overrides if hasattr(type(module), "_overrides") else _NONE  # type: ignore[assignment]
    return own


def first_class(cls: type, names: Iterable[str]) -> int:
    """Return the position in the MRO of the first class that defines one of `names`."""
    wanted = set(names)
    return next(i for i, base in enumerate(cls.__mro__) if wanted & base.__dict__.keys())


def way_out(ignored: Iterable[str]) -> str:
    """Return what to write instead of overridden methods that a container does not call."""
    return "; ".join(_WAYS_OUT[name] for name in ignored)


def call_members(module: torch.nn.Module, method: str, *args: object) -> list[torch.nn.Parameter]:
    """Call `method` of the modules inside that override it; return the other parameters."""
    parameters: dict[torch.nn.Parameter, None] = {}
    seen, called = set(), False
    waiting: list[torch.nn.Module | None] = [module]
    # One walk of its own: ``module.parameters()`` would take longer than a small layer runs.
    while waiting:
        inner = waiting.pop()
        if inner is None or id(inner) in seen:
            continue
        seen.add(id(inner))
        if inner is not module and method in own_methods(inner):
            getattr(inner, method)(*args)
            called = True
            continue
        check_registered(inner)
        for parameter in inner._parameters.values():
            if parameter is not None:
                parameters[parameter] = None
        if inner._modules:
            waiting += reversed(inner._modules.values())
    if not called and type(module).parameters is not torch.nn.Module.parameters:
        return list(module.parameters())  # a user's method
    return list(parameters)


def refuse_own_updates(network: torch.nn.Module) -> None:
    """Refuse layers whose own `updateParameters` or `zeroGradParameters` would not be called.

    An update of all parameters at once, in their flat tensor, calls neither, as in Torch7.

    Raises:
        GraphError: a module of `network` overrides one of them.
    """
    for name, module in network.named_modules():
        own = sorted(own_methods(module) & {"updateParameters", "zeroGradParameters"})
        if own:
            raise GraphError(
                f"{name or type_name(module)}, {type_name(module)}, has its own {own[0]}, which an "
                "update of the flat parameters does not call. Train with "
                "network.zeroGradParameters() and network.updateParameters(rate), or override "
                "accGradParameters instead"
            )
