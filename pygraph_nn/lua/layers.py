"""Layers whose methods are written in Lua, as layers of this library."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch

from .. import nested, nn
from ..nested import Nested
from ..nn.core import Criterion, Module, NoiseLayer
from ..torch7_random import default_generator

COMPUTATION = ("updateOutput", "updateGradInput", "accGradParameters")

CallLua = Callable[..., Any]


class LuaMethods:
    """What all classes in this file have: the way to the methods in Lua.

    Attributes:
        call_lua: calls a method by name; set by the runtime that made the object.
        lua_class: the name of the class in Lua.
    """

    call_lua: CallLua
    lua_class: str

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__getstate__(), memo))  # type: ignore[attr-defined]
        return twin

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(
            f"{self.lua_class} is written in Lua: Python can copy it (clone()), but not pickle it. "
            "Save state_dict(), or save it from Lua with torch.save"
        )


def _detached(value: Nested) -> Nested:
    return nested.map_leaves(lambda x: x.detach() if isinstance(x, torch.Tensor) else x, value)


def _copied(value: Nested) -> Nested:
    # The layer in Lua keeps its own buffers and writes into them again.
    return nested.map_leaves(
        lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, value
    )


def _gradient(input: Nested, gradient: Nested) -> Nested:
    """Return `gradient`; zeros where Lua returned nothing or an empty tensor for a tensor."""
    if isinstance(input, torch.Tensor):
        if not isinstance(gradient, torch.Tensor) or gradient.numel() != input.numel():
            return torch.zeros_like(input)
        return gradient.detach().reshape(input.shape).clone()
    if isinstance(input, (list, tuple)):
        parts = gradient if isinstance(gradient, (list, tuple)) else []
        return [_gradient(x, parts[i] if i < len(parts) else None) for i, x in enumerate(input)]
    return gradient


class LuaLayer(LuaMethods, Module):
    """A layer that a Lua class derives from nn.Module directly."""

    takes_integers = True

    def updateOutput(self, input: Nested) -> Nested:
        """Call the method in Lua."""
        return _copied(self.call_lua(self, "updateOutput", _detached(input)))

    def updateGradInput(self, input: Nested, gradOutput: Nested) -> Nested:
        """Call the method in Lua."""
        given = self.call_lua(self, "updateGradInput", _detached(input), gradOutput)
        return _gradient(input, given)

    def accGradParameters(self, input: Nested, gradOutput: Nested, scale: float = 1) -> None:
        """Call the method in Lua."""
        self.call_lua(self, "accGradParameters", _detached(input), gradOutput, scale)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        super()._apply(fn, recurse)
        self.call_lua(self, "_convertFields", fn)
        return self

    def __repr__(self) -> str:
        return str(self.call_lua(self, "__tostring__"))


class LuaCriterion(LuaMethods, Criterion):
    """A criterion that a Lua class derives from nn.Criterion directly."""

    def updateOutput(self, input: Nested, target: Nested) -> Any:
        """Call the method in Lua."""
        loss = self.call_lua(self, "updateOutput", _detached(input), _detached(target))
        first = next(x for x in nested.leaves(input) if isinstance(x, torch.Tensor))
        return loss if isinstance(loss, torch.Tensor) else first.new_tensor(loss)

    def updateGradInput(self, input: Nested, target: Nested = None) -> Nested:
        """Call the method in Lua."""
        given = self.call_lua(self, "updateGradInput", _detached(input), _detached(target))
        return _gradient(input, given)


_classes: dict[tuple[type, frozenset[str]], type] = {}


def class_of(base: type, overridden: frozenset[str]) -> type:
    """Return a subclass of the layer `base` whose `overridden` methods are those in Lua."""
    if base in (Module, nn.Container):
        overridden = frozenset(COMPUTATION)
    if base is Module:
        return LuaLayer
    if base is Criterion:
        return LuaCriterion
    if not overridden:
        return base
    key = base, overridden
    if key not in _classes:
        own = {name: _METHODS[name] for name in COMPUTATION if name in overridden}
        if "updateOutput" in overridden:
            # The gradients are those of the base class, as in Torch7, and not those of Lua's code.
            own = {**{name: _of_base(name, base) for name in COMPUTATION[1:]}, **own}
        _classes[key] = type(base.__name__, (LuaMethods, base), own)
    return _classes[key]


def _of_base(name: str, base: type) -> Callable[..., Any]:
    if name == "updateGradInput":
        return lambda self, input, gradOutput: base_gradients(self, base, input, gradOutput)[0]

    def accumulate(self: Any, input: Nested, gradOutput: Nested, scale: float = 1) -> None:
        _, gradients = base_gradients(self, base, input, gradOutput)
        for parameter, gradient in gradients:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            parameter.grad.add_(gradient, alpha=scale)

    return accumulate


def keep_random_state(module: torch.nn.Module) -> None:
    """Keep the generator's state before a forward pass, for `base_gradients` of the same pass."""
    if any(isinstance(inner, NoiseLayer) for inner in module.modules()):
        module.__dict__["random_state"] = default_generator.getRNGState()


@contextlib.contextmanager
def _random_numbers_again(module: torch.nn.Module) -> Iterator[None]:
    """Draw the numbers of the last forward pass, and go on afterwards as if none were drawn."""
    before = module.__dict__.get("random_state")
    if before is None:
        yield
        return
    now = default_generator.getRNGState()
    default_generator.setRNGState(before)
    try:
        yield
    finally:
        default_generator.setRNGState(now)


def base_gradients(
    module: Any, base: type, input: Nested, gradOutput: Nested
) -> tuple[Nested, list[tuple[torch.nn.Parameter, torch.Tensor]]]:
    """Return the gradients of the input and parameters for the computation of the class `base`."""
    with torch.enable_grad(), _random_numbers_again(module):
        entered = nested.map_leaves(_entering, input)
        output = base.updateOutput(module, entered)  # type: ignore[attr-defined]
        leaves = [x for x in nested.leaves(entered) if _trains(x)]
        parameters = [p for p in module.parameters() if p.requires_grad]
        outputs, grads = [], []
        for y, g in zip(nested.leaves(output), nested.leaves(gradOutput), strict=True):
            if _trains(y):
                outputs.append(y)
                grads.append(g.reshape(y.shape))
        found = torch.autograd.grad(outputs, [*leaves, *parameters], grads, allow_unused=True)
    of_inputs = iter(found[: len(leaves)])

    def gradient(x: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            return None
        g = next(of_inputs) if _trains(x) else None
        return torch.zeros_like(x, requires_grad=False) if g is None else g

    pairs = zip(parameters, found[len(leaves) :], strict=True)
    return nested.map_leaves(gradient, entered), [(p, g) for p, g in pairs if g is not None]


def _entering(x: Any) -> Any:
    if isinstance(x, torch.Tensor) and x.is_floating_point():
        return x.detach().requires_grad_()
    return x


def _trains(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad


_METHODS: dict[str, Callable[..., Any]] = {name: LuaLayer.__dict__[name] for name in COMPUTATION}
