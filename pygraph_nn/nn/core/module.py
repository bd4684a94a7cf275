"""Module: the base of every layer. It builds nodes and follows Torch7's protocol."""

from __future__ import annotations

import copy
import functools
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ... import nested
from ...errors import GraphError, caller_location, type_name
from ...node import Node, make_node
from . import flat_parameters, overrides, protocol, repeat
from .calling import all_plain, calls_are_watched, is_value
from .fields import GRADIENTS, HALVES, OVERRIDABLE
from .routes import Route

Kind = str | type  # inside Module, `type` is its method

# A class that overrides one of the first computes something else than its base, of which the base's
# answers to the others need not be true.
_COMPUTATION = {"updateOutput", "updateGradInput", "accGradParameters", "backward", "forward"}
_ASSIGNED = {"_output", "_gradInput"}  # what a user's methods assigned to Torch7's fields
_OF_A_CALL = GRADIENTS | {"forward"}
_CLAIMS = {"row_wise", "route", "sign", "commutative"}


class _Calls(threading.local):
    depth = 0
    apart = False


# The number of torch.nn.Module.__call__ that this thread is inside, and whether who called the
# innermost one goes back by `updateGradInput` and `accGradParameters`, not by `backward`.
_calls = _Calls()


class Module(torch.nn.Module):
    """Base of all layers (``nn.Module``); a subclass computes in `updateOutput`.

    Called on Nodes, or on nothing, a module returns a new Node. Called on tensors, it runs as part
    of autograd, like any PyTorch module. `forward` and `backward` are Torch7's: `forward` takes and
    returns plain tensors and records the pass for `backward`, for each thread separately.

    Gradients come from autograd. A class or an object that overrides `updateGradInput`,
    `accGradParameters` or `backward` computes its own, in every container and graph: see
    `overrides`.

    Attributes:
        sign: the text that pictures draw in place of a box, such as "+"; None for a box.
        commutative: whether the order of the inputs does not matter.
    """

    sign: str | None = None
    commutative = False
    _overrides: frozenset[str] = frozenset()  # the names of methods that a user overrides
    _plain = True  # whether none of these changes what a call does
    _has_own_gradient = False  # whether the class with updateOutput has a gradient to it

    def __init__(self) -> None:
        super().__init__()
        self._records = protocol.Records()
        self._flattened = False  # whether getParameters was called
        cls = type(self)
        if overrides.overridden(cls, Module, OVERRIDABLE) != cls._overrides:
            cls._note_methods()  # a method was assigned to the class

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        computation = _first_class(cls, _COMPUTATION)
        for name in _CLAIMS:
            # A claim holds for the computation of its own class, not for one that overrides it.
            if _first_class(cls, {name}) > computation:
                setattr(cls, name, getattr(Module, name))
        cls._note_methods()

    @classmethod
    def _note_methods(cls) -> None:
        cls._overrides = overrides.overridden(cls, Module, OVERRIDABLE)
        cls._plain = cls._overrides.isdisjoint(_OF_A_CALL)
        cls._has_own_gradient = not cls._overrides.isdisjoint(_OF_A_CALL) and any(
            not GRADIENTS.isdisjoint(base.__dict__)
            for base in cls.__mro__[_first_class(cls, {"updateOutput"}) :]
            if base is not Module
        )

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in OVERRIDABLE:
            self._note_overrides()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in OVERRIDABLE:
            self._note_overrides()

    def _note_overrides(self) -> None:
        own = overrides.overrides_of(self, OVERRIDABLE)
        self.__dict__.update(_overrides=own, _plain=own.isdisjoint(_OF_A_CALL))

    # Calling

    def __call__(self, *args: Any) -> Any:
        if len(args) == 1 and is_value(args[0]):
            return self.run(args[0])
        if not args:
            return Node(self)
        if len(args) > 1:
            raise GraphError(
                f"{type_name(self)} was called with {len(args)} arguments at {caller_location()}. "
                "Use [input1, input2] to pass multiple inputs."
            )
        return make_node(self, args[0])

    def run(self, input: Any) -> Any:
        """Return ``module(input)`` for data, part of autograd, without checking for Nodes."""
        if self.runs_directly and not calls_are_watched():
            return self.updateOutput(input)
        if self._is_hooked or "forward" in self._overrides or calls_are_watched():
            return self._run_by_torch(input, apart=False)
        return self._compute(input, apart=False)

    def run_as_member(self, input: Any, apart: bool = False) -> Any:
        """Return the output for `input` as a container does: by `updateOutput`, as in Torch7.

        With `apart` the container goes back by `updateGradInput` and `accGradParameters`, and does
        not call `backward`.
        """
        if self.runs_directly and not calls_are_watched():
            return self.updateOutput(input)
        if not self._plain:
            self._warn_of(self.ignored_overrides(apart))
        if "forward" in self._overrides and self._has_updateOutput:
            return self._compute(input, apart)
        if self._is_hooked or calls_are_watched() or not self._has_updateOutput:
            return self._run_by_torch(input, apart)
        return self._compute(input, apart)

    def _run_by_torch(self, input: Any, apart: bool) -> Any:
        if torch.compiler.is_compiling():
            return super().__call__(input)
        before = _calls.apart
        _calls.depth += 1
        _calls.apart = apart
        try:
            return super().__call__(input)
        finally:
            _calls.depth -= 1
            _calls.apart = before

    def _compute(self, input: Any, apart: bool) -> Any:
        """Return the output by `updateOutput`, with the module's own gradients if it has any."""
        if self._plain or GRADIENTS.isdisjoint(self._overrides):
            return self.updateOutput(input)
        if torch.compiler.is_compiling():
            raise GraphError(
                f"{self.place()}: torch.compile cannot follow gradient methods of one's own "
                f"({_listed(self._overrides & GRADIENTS)}); leave this module out of it"
            )
        before = _calls.depth
        _calls.depth = 0  # what updateOutput calls is no part of a call of torch
        try:
            return _run_own()(self, input, apart)
        finally:
            _calls.depth = before

    @property
    def runs_directly(self) -> bool:
        """Whether a call may go straight to `updateOutput`: no hooks and no methods of its own.

        torch.nn.Module.__call__, with all its checks, costs as much as a small layer.
        """
        return not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or not self._plain
            or self._compiled_call_impl is not None
        )

    @property
    def _is_hooked(self) -> bool:
        return bool(
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or self._compiled_call_impl is not None
        )

    @property
    def _has_updateOutput(self) -> bool:
        own = type(self).updateOutput is not Module.updateOutput
        return own or "updateOutput" in self.__dict__

    def ignored_overrides(self, apart: bool) -> list[str]:
        """Return the overridden methods that a container does not call, as in Torch7.

        They are `forward`, if the module has an `updateOutput`, and with `apart` `backward`.
        """
        ignored = ["backward"] if apart and "backward" in self._overrides else []
        return ignored + ["forward"] * ("forward" in self._overrides and self._has_updateOutput)

    def _warn_of(self, ignored: list[str]) -> None:
        """Warn, once for each module, of overridden methods that a container does not call."""
        warned: set[str] = self.__dict__.setdefault("_warned", set())
        if not warned.issuperset(ignored):
            warned.update(ignored)
            warnings.warn(f"{self.place()}: {_way_out(ignored)}", RuntimeWarning, stacklevel=4)

    def __neg__(self) -> Node:
        return Node(self)

    def __sub__(self, other: Any) -> Node:
        raise GraphError(
            f"{type_name(self)} - {type_name(other)}, at {caller_location()}: the left side is a "
            "module, not a Node. Start the chain with a minus or call it: -module1 - module2, "
            "module1() - module2"
        )

    def __rsub__(self, inputs: Any) -> Node:
        return make_node(self, inputs)

    # What a layer knows of itself

    def row_wise(self, shapes: Sequence[torch.Size]) -> bool:
        """Return whether the layer may run all time steps as one larger batch.

        `shapes` are those of the tensors of its input, (steps, batch, ...) each. The answer is True
        if each row of the output depends on the same row of the input alone, and if the layer reads
        the larger batch, (steps * batch, ...), as it reads the batch of one step. When in doubt it
        is False. A subclass with another computation starts from False again.
        """
        return False

    def route(self) -> Route | None:
        """Return how the layer passes values on, or None if it computes.

        A subclass with another computation starts from None again.
        """
        return None

    # Torch7's protocol

    def updateOutput(self, input: Any) -> Any:
        """Compute the output from `input`, in operations that autograd can follow."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput(input)")

    def forward(self, input: Any) -> Any:
        """Return the output for `input`, a tensor or a list, and record the pass for `backward`.

        The output is detached; call ``module(input)`` for one that is part of autograd. Under
        `torch.no_grad` nothing is recorded.
        """
        if _calls.depth or torch.compiler.is_compiling():
            return self._compute(input, _calls.apart)
        if protocol.recording():
            return self._forward_inside(input)
        if not all_plain(input):
            return self._compute(input, apart=False)
        if not self._plain:
            overrides.keep_fields_of_last_call(self)
        # Before the new pass, so that only one of them occupies memory.
        self._records.forget()
        if not torch.is_grad_enabled() and not overrides.in_own_backward():
            return self.updateOutput(input)
        recorded = self.record(input)
        self._records.keep(recorded)
        return recorded.detached_output()

    def _forward_inside(self, input: Any) -> Any:
        """Return the output as a part of the pass being recorded, and record this part too."""
        output = self._compute(input, apart=False)
        if not GRADIENTS.isdisjoint(self._overrides):
            return output  # recorded by itself
        self._records.keep(protocol.RecordedPass(input, output, inside=True))
        # A copy, so that nothing computed in place in the output changes the record.
        return nested.clone(output)

    def record(self, input: Any) -> protocol.RecordedPass:
        """Run `updateOutput` on `input` and return the record of the pass."""
        if self._plain:
            return protocol.record(self.updateOutput, input)
        return protocol.record(self.updateOutput, input, linked=self._takes_autograd)

    @property
    def _takes_autograd(self) -> bool:
        """Whether one of the gradients, of the input or of parameters, is left to autograd."""
        # A method of an object may go on to the one that it replaces.
        own = self._has_own_gradient and "updateOutput" not in self.__dict__
        if not own or self._overrides.isdisjoint({"updateGradInput", "backward"}):
            return True
        if not self._overrides.isdisjoint({"accGradParameters", "backward"}):
            return False
        return any(parameter.requires_grad for parameter in self.parameters())

    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Return the gradient of `input`; add `scale` times the parameters' gradients to ``.grad``.

        `gradOutput` is shaped like the output of the last `forward`. A zero of one element means
        zeros of any shape. If that `forward` ran on other values than `input`, it is repeated.

        Raises:
            GraphError: no `forward` is recorded, the shapes do not fit it, or it would have to be
                repeated and draws random numbers.
        """
        if not self._plain and not HALVES.isdisjoint(self._overrides):
            return self.backward_by_halves(input, gradOutput, scale)
        return self._run_backward(
            input, gradOutput, to_input=True, to_parameters=True, scale=scale, after_forward=True
        )

    def backward_by_halves(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """Return what `updateGradInput` returns, and call `accGradParameters`, as in Torch7."""
        protocol.ensure_gradients(self)
        frozen = [p for p in self.parameters() if not p.requires_grad]
        # A method may add to the gradient of a frozen parameter, too: into nothing.
        with overrides.own_backward(), overrides.zero_gradients(frozen):
            gradInput, accumulated = overrides.written(
                self.parameters(), lambda: self.updateGradInput(input, gradOutput)
            )
            # One that calls inner.backward has done the work of accGradParameters.
            if "accGradParameters" in self._overrides or not accumulated:
                self.accGradParameters(input, gradOutput, scale)
        return nested.map_leaves(protocol.detached, gradInput)

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """Return the gradient of `input` alone.

        It needs no `forward`, as in Torch7: without a recorded pass of `input`, one is made.

        Raises:
            GraphError: the shapes do not fit, or the pass draws random numbers, which would be
                others than those of `updateOutput`.
        """
        return self._run_backward(input, gradOutput, to_input=True, to_parameters=False)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Add `scale` times the parameters' gradients to ``.grad``; see `updateGradInput`."""
        if not self._plain and not any(p.requires_grad for p in self.parameters()):
            return
        self._run_backward(input, gradOutput, to_input=False, to_parameters=True, scale=scale)

    def _run_backward(
        self, input: Any, gradOutput: Any, after_forward: bool = False, **options: Any
    ) -> Any:
        if "forward" in self._overrides and GRADIENTS.isdisjoint(self._overrides):
            # It may call super().forward, whose pass is only a part of its own.
            whole = self._recorded_again(input, self.forward)
            return protocol.run_backward(whole, input, gradOutput, self, self.place, **options)
        recorded = self._records.last()
        if recorded is None and after_forward:
            raise GraphError(
                f"{self.place()}: backward without a forward pass to go back through. Call "
                "forward(input) first (not module(input), not under torch.no_grad(), and not "
                "before clearState)"
            )
        if (
            recorded is None
            or not recorded.linked
            or not self._is_of(recorded, input, after_forward)
        ):
            recorded = self._recorded_again(input, self.updateOutput)
        return protocol.run_backward(recorded, input, gradOutput, self, self.place, **options)

    def _is_of(self, recorded: protocol.RecordedPass, input: Any, after_forward: bool) -> bool:
        """Whether `recorded` is the pass of `input`, or is to be refused as another one's."""
        if repeat.same_input(recorded.input, input):
            return True
        return after_forward and protocol.shapes(recorded.input) != protocol.shapes(input)

    def _recorded_again(self, input: Any, compute: Callable[[Any], Any]) -> protocol.RecordedPass:
        """Record a pass of `input` by `compute`, as if it had been that of the last call of it.

        Raises:
            GraphError: the module draws random numbers, which would be others.
        """
        with repeat.repeated(self, self.place):
            recorded = protocol.record(compute, input)
        self._records.keep(recorded)
        return recorded

    @property
    def recorded_pass(self) -> protocol.RecordedPass | None:
        """The last `forward` of this thread; None before it and after `clearState`."""
        return self._records.last()

    @property
    def output(self) -> Any:
        """The output of the last `forward`, or what `updateOutput` assigned; None before it."""
        if "_output" in self.__dict__:
            return self.__dict__["_output"]
        recorded = self.recorded_pass
        return None if recorded is None else recorded.detached_output()

    @output.setter
    def output(self, value: Any) -> None:
        self.__dict__["_output"] = value

    @property
    def gradInput(self) -> Any:
        """The result of the last backward pass, or what `updateGradInput` assigned; None before."""
        if "_gradInput" in self.__dict__:
            return self.__dict__["_gradInput"]
        recorded = self.recorded_pass
        return None if recorded is None else recorded.grad_input

    @gradInput.setter
    def gradInput(self, value: Any) -> None:
        self.__dict__["_gradInput"] = value

    def clearState(self) -> Module:
        """Forget the last forward pass, in this module and all submodules."""
        for module in self.modules():
            if isinstance(module, Module):
                module._records.clear()
                for name in _ASSIGNED & module.__dict__.keys():
                    module.__dict__[name] = nested.map_leaves(_emptied, module.__dict__[name])
        return self

    # Parameters

    def zeroGradParameters(self) -> None:
        """Set all gradients to zero, in place; call members that override this."""
        for parameter in overrides.left_by_members(self, "zeroGradParameters"):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad.zero_()

    def updateParameters(self, learningRate: float) -> None:
        """Subtract `learningRate` times its gradient from every parameter.

        Members that override this are called instead.
        """
        with torch.no_grad():
            for parameter in overrides.left_by_members(self, "updateParameters", learningRate):
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=learningRate)

    def getParameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Move all parameters and gradients into two flat tensors, (n,), and return these.

        The modules view them. `flat_parameters.flatten` documents the order and the errors.
        """
        flat = flat_parameters.flatten(self)
        self._flattened = True
        return flat

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Implement to(), float(), double(), cuda(); flat parameters stay flat, as in Torch7."""
        flat = self._flattened and flat_parameters.is_flat(self)
        super()._apply(fn, recurse)
        if flat and not flat_parameters.is_flat(self):
            flat_parameters.flatten(self)
        return self

    def type(self, dst_type: Any = None) -> Any:
        """Change the type of all parameters, like any PyTorch module.

        Without an argument, return the type that the module works in, such as
        ``"torch.FloatTensor"``, as in Torch7.
        """
        if dst_type is not None:
            return super().type(dst_type)
        first = next((p for p in self.parameters() if p.is_floating_point()), None)
        return (torch.empty(0) if first is None else first.detach()).type()

    @property
    def gradWeight(self) -> torch.Tensor | None:
        """The gradient of `weight`, Torch7's name for ``weight.grad``."""
        return self.weight.grad  # type: ignore[return-value]

    @property
    def gradBias(self) -> torch.Tensor | None:
        """The gradient of `bias`, Torch7's name for ``bias.grad``."""
        return self.bias.grad  # type: ignore[return-value]

    # Copies

    def clone(self, *shared: str) -> Any:
        """Return a deep copy that shares the parameters, gradients or buffers named in `shared`.

        Names are "weight", "bias", "gradWeight", "gradBias" and so on. A parameter shared together
        with its gradient is the same Parameter in both modules.
        """
        return copy.deepcopy(self).share(self, *shared)

    def share(self, other: torch.nn.Module, *names: str) -> Any:
        """Use the parameters `names` of `other`, a module of the same structure, in this module.

        A name is that of a parameter, a gradient ("gradWeight") or a buffer.

        Raises:
            GraphError: the modules differ in structure.
        """
        pairs = list(zip(self.modules(), other.modules(), strict=False))
        sizes = [len(list(module.modules())) for module in (self, other)]
        if sizes[0] != sizes[1] or any(type(a) is not type(b) for a, b in pairs):
            raise GraphError(
                f"share: the modules differ in structure: {type_name(self)} holds {sizes[0]} "
                f"modules, {type_name(other)} {sizes[1]}, or their classes differ"
            )
        for mine, theirs in pairs:
            _share(mine, theirs, set(names))
        return self

    # Modules inside

    def members(self) -> Iterator[torch.nn.Module]:
        """Yield the modules directly inside; only a container has any."""
        return iter(())

    def listModules(self) -> list[torch.nn.Module]:
        """Return this module and all modules inside, each before its own members.

        A module that is in several containers appears once for each.
        """
        modules: list[torch.nn.Module] = [self]
        for module in self.members():
            modules += module.listModules() if isinstance(module, Module) else [module]
        return modules

    def findModules(
        self, kind: Kind, container: torch.nn.Module | None = None
    ) -> tuple[list[torch.nn.Module], list[torch.nn.Module]]:
        """Return all modules of a class, in the order of `listModules`, and their containers.

        `kind` is a class, whose subclasses count, or a name as in Torch7: ``"nn.Linear"`` or
        ``"Linear"``. `container` is the container of this module; without one it is its own.
        """
        container = self if container is None else container
        matches: list[torch.nn.Module] = []
        containers: list[torch.nn.Module] = []
        if _is_kind(self, kind):
            matches.append(self)
            containers.append(container)
        for module in self.members():
            if isinstance(module, Module):
                inner, inner_containers = module.findModules(kind, self)
                matches += inner
                containers += inner_containers
            elif _is_kind(module, kind):
                matches.append(module)
                containers.append(self)
        return matches, containers

    def replace(self, callback: Callable[[torch.nn.Module], torch.nn.Module]) -> Any:
        """Return ``callback(self)``; containers also replace the modules inside."""
        return callback(self)

    def evaluate(self) -> Any:
        """Set the evaluation mode: Torch7's name for `eval`."""
        return self.eval()

    def __getstate__(self) -> dict[str, Any]:
        # A recorded pass is tied to autograd and belongs to this object, not to its copies.
        state = {**self.__dict__, "_records": protocol.Records()}
        for name in _ASSIGNED & state.keys():
            state[name] = nested.map_leaves(protocol.detached, state[name])
        return state

    # Printing

    def place(self) -> str:
        """Return the name of the module for error messages."""
        return type_name(self)

    def torch7_name(self) -> str:
        """Return the class as Torch7 names it, ``nn.Linear``."""
        return f"nn.{type(self).__name__}"

    def title(self) -> str:
        """Return the class and its sizes for the box of a picture: ``Linear 10 → 40``."""
        kind = type(self).__name__
        first = str(self).partition("\n")[0].rstrip(" {(")
        _, has_arguments, arguments = first.partition("(")
        if not has_arguments or not first.startswith(("nn.", "nngraph.")):
            return kind
        return f"{kind} {arguments.removesuffix(')').replace('->', '→')}"

    def __repr__(self) -> str:
        return self.torch7_name()


def _first_class(cls: type, names: set[str]) -> int:
    """Return the position in the MRO of the first class that defines one of `names`."""
    return next(i for i, base in enumerate(cls.__mro__) if names & base.__dict__.keys())


def _emptied(x: Any) -> Any:
    return torch.empty(0, dtype=x.dtype, device=x.device) if isinstance(x, torch.Tensor) else None


def _share(mine: torch.nn.Module, theirs: torch.nn.Module, names: set[str]) -> None:
    for name, parameter in theirs._parameters.items():
        own = mine._parameters.get(name)
        if parameter is None or own is None:
            continue
        gradient = f"grad{name[0].upper()}{name[1:]}" in names
        if name in names:
            # One object shares both; to share values alone takes a second object.
            mine._parameters[name] = (
                parameter if gradient else torch.nn.Parameter(parameter.detach())
            )
        elif gradient:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            own.grad = parameter.grad
    for name in names & theirs._buffers.keys() & mine._buffers.keys():
        mine._buffers[name] = theirs._buffers[name]


def _is_kind(module: torch.nn.Module, kind: Kind) -> bool:
    if isinstance(kind, str):
        torch7_name = module.torch7_name() if isinstance(module, Module) else None
        return kind in (torch7_name, type(module).__name__)
    return isinstance(module, kind)


def run_module(module: torch.nn.Module, input: Any, *, apart: bool = False) -> Any:
    """Run a member of a container on data of any kind, as part of autograd.

    A plain call would take a table without tensors for missing Nodes. `Module.run_as_member`
    explains `apart`.
    """
    return module.run_as_member(input, apart) if isinstance(module, Module) else module(input)


def check_overrides(module: torch.nn.Module, place: Callable[[], str]) -> None:
    """Refuse a module with methods of its own that a graph does not call.

    Raises:
        GraphError: the module, or one inside, overrides `backward` or `forward`.
    """
    for inner in module.modules():
        if isinstance(inner, Module) and not inner._plain:
            ignored = inner.ignored_overrides(apart=True)
            if ignored:
                raise GraphError(f"{place()}: {type_name(inner)}: {_way_out(ignored)}")


def _run_own() -> Callable[[Module, Any, bool], Any]:
    """Return `overrides.run_own`, hidden from torch.compile where that is in use."""
    return _hidden_run_own() if "torch._dynamo" in sys.modules else overrides.run_own


@functools.cache
def _hidden_run_own() -> Callable[[Module, Any, bool], Any]:
    hidden: Callable[[Module, Any, bool], Any] = torch.compiler.disable(overrides.run_own)
    return hidden


def warn_of_ignored_backward(module: torch.nn.Module) -> None:
    """Warn of an own `backward` in `module`, or inside, which a container will not call."""
    for inner in module.modules():
        if isinstance(inner, Module) and "backward" in inner._overrides:
            inner._warn_of(["backward"])


def _way_out(ignored: list[str]) -> str:
    """Return what to do about overridden methods that a container does not call."""
    ways = {
        "forward": "its own forward is not called here, as in Torch7: override updateOutput",
        "backward": (
            "its own backward is not called here, as in Torch7: override updateGradInput and "
            "accGradParameters"
        ),
    }
    return "; ".join(ways[name] for name in ignored)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
