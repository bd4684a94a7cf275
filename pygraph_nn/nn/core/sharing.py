"""share and clone: parameters, gradients and buffers that two modules have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

import torch

from ...errors import GraphError, type_name
from .flat_classes import is_flat

# Programs name all four for any network. One without a bias has nothing to share by that name.
_USUAL_NAMES = {"weight", "bias", "gradWeight", "gradBias"}


def share(mine: torch.nn.Module, theirs: torch.nn.Module, names: Iterable[str]) -> None:
    """Use the parameters, gradients ("gradWeight") and buffers `names` of `theirs` in `mine`.

    A parameter shared with its gradient becomes the same Parameter in both. The classes may
    differ where the shapes are equal. Of a PyTorch module, "weight" means every parameter whose
    name starts or ends with it, such as ``weight_ih_l0``; "bias" likewise.

    Raises:
        GraphError: the modules differ in structure or shape, a name matches nothing, or a gradient
            alone is to be shared with a parameter of a flat tensor.
    """
    wanted = dict.fromkeys(_checked(names))
    if not isinstance(theirs, torch.nn.Module):
        raise GraphError(f"share: expecting a module to share with, got {type_name(theirs)}")
    pairs = list(_pairs(mine, theirs))
    available = {name for own, _ in pairs for name in _names(own)}
    excused = _USUAL_NAMES if available & wanted.keys() or not list(mine.parameters()) else set()
    for name in wanted:
        if name not in available and name not in excused:
            raise _nothing_matches(name, mine, sorted(available))
    for own, other in pairs:
        _share_parameters(own, other, wanted)
        _share_buffers(own, other, wanted)


def _checked(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if not isinstance(name, str):
            raise GraphError(
                f"share: a name is a string such as 'weight', got {type_name(name)}; pass names "
                "one by one: share(other, 'weight', 'gradWeight')"
            )
        yield name


def _pairs(
    mine: torch.nn.Module, theirs: torch.nn.Module
) -> Iterator[tuple[torch.nn.Module, torch.nn.Module]]:
    """Yield the modules of both at the same places."""
    waiting = [(mine, theirs)]
    seen = set()
    while waiting:
        own, other = (_unwrapped(module) for module in waiting.pop())
        if (own, other) in seen:
            continue
        seen.add((own, other))
        yield own, other
        children, others = (
            [m for m in module._modules.values() if m is not None] for module in (own, other)
        )
        if len(children) != len(others):
            raise GraphError(
                f"share: the modules differ in structure: {type_name(own)} holds {len(children)} "
                f"modules, {type_name(other)} {len(others)}"
            )
        waiting += zip(children, others, strict=True)


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """Return the PyTorch module that `module` wraps, as a layer or as torch.nn.DataParallel do."""
    while list(module._modules) == ["module"] and not module._parameters:
        inner = module._modules["module"]
        assert inner is not None
        module = inner
    return module


def _is_foreign(module: torch.nn.Module) -> bool:
    return not hasattr(module, "updateOutput")


def _names(module: torch.nn.Module) -> set[str]:
    """Return the names by which something of `module` itself can be shared."""
    own = {name for name, p in module._parameters.items() if p is not None}
    if _is_foreign(module):
        own |= {s for s in ("weight", "bias") if any(_has_stem(name, s) for name in own)}
    return own | {_gradient_name(name) for name in own} | module._buffers.keys()


def _has_stem(name: str, stem: str) -> bool:
    return name.startswith(f"{stem}_") or name.endswith(f"_{stem}")


def _nothing_matches(name: str, mine: torch.nn.Module, choices: list[str]) -> GraphError:
    nearest = difflib.get_close_matches(name, choices, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return GraphError(
        f"share: nothing in {type_name(mine)} is named {name!r}{hint} It has "
        f"{', '.join(choices) or 'no parameters'}"
    )


def _gradient_name(name: str) -> str:
    return f"grad{name[:1].upper()}{name[1:]}"


def _share_parameters(
    mine: torch.nn.Module, theirs: torch.nn.Module, wanted: Iterable[str]
) -> None:
    for name, own in list(mine._parameters.items()):
        names = {name}
        if _is_foreign(mine):
            names |= {stem for stem in ("weight", "bias") if _has_stem(name, stem)}
        values = not names.isdisjoint(wanted)
        gradient = not {_gradient_name(n) for n in names}.isdisjoint(wanted)
        if own is None or not (values or gradient):
            continue
        parameter = theirs._parameters.get(name)
        if parameter is None:
            raise GraphError(
                f"share: the modules differ in structure: {type_name(mine)} has a parameter "
                f"{name!r}, {type_name(theirs)} at the same place has none"
            )
        if parameter.shape != own.shape:
            raise GraphError(
                f"share: {name} of {type_name(mine)} is {tuple(own.shape)}, of "
                f"{type_name(theirs)} {tuple(parameter.shape)}; only equal shapes can be shared"
            )
        _share_parameter(mine, name, own, parameter, values=values, gradient=gradient)


def _share_parameter(
    mine: torch.nn.Module,
    name: str,
    own: torch.nn.Parameter,
    parameter: torch.nn.Parameter,
    *,
    values: bool,
    gradient: bool,
) -> None:
    """Share values, gradient or both of `parameter` with `own`, the parameter `name` of `mine`."""
    if values and gradient:
        # By setattr: torch.nn.LSTM and others keep further references to their parameters.
        setattr(mine, name, parameter)
    elif values:
        # One object shares both; to share values alone takes a second object.
        copy = torch.nn.Parameter(parameter.detach(), own.requires_grad)
        copy.grad = None if own.grad is None else own.grad.clone()
        setattr(mine, name, copy)
    elif is_flat(own):
        raise GraphError(
            f"share: the gradient of {name} is part of the flat tensor that getParameters "
            f"returned and cannot become another: share {name!r} with it, or share before "
            "getParameters"
        )
    elif own is not parameter:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        own.grad = parameter.grad


def _share_buffers(mine: torch.nn.Module, theirs: torch.nn.Module, wanted: Iterable[str]) -> None:
    for name in wanted:
        if name in mine._buffers and name in theirs._buffers:
            mine._buffers[name] = theirs._buffers[name]
