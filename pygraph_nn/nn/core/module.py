"""Module: the base of every layer. It builds nodes and follows Torch7's protocol."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from ...errors import GraphError, caller_location, type_name
from ...nested import Nested
from ...node import Node, make_node
from . import flat_parameters, flat_tensors, protocol, sharing
from .calling import all_plain, calls_are_watched, is_value
from .change_guard import FlatGuard, watch
from .routes import Route

Kind = str | type  # inside Module, `type` is its method

# A class that overrides one of _COMPUTATION computes something other than its base class does, so
# the _CLAIMS of the base class need not hold for it.
_COMPUTATION = {"updateOutput", "updateGradInput", "accGradParameters", "backward", "forward"}
_CLAIMS = {"row_wise", "route", "sign", "commutative"}


class _Calls(threading.local):
    depth = 0


_calls = _Calls()  # the number of torch.nn.Module.__call__ that this thread is inside


class Module(torch.nn.Module):
    """Base of all layers (``nn.Module``); a subclass computes in `updateOutput`.

    Called on Nodes, or on nothing, a module returns a new Node. Called on tensors, it runs as part
    of autograd, like any PyTorch module. `forward` and `backward` are Torch7's: `forward` takes and
    returns plain tensors and records the pass for `backward`, for each thread separately.

    Attributes:
        sign: the text that pictures draw in place of a box, such as "+"; None for a box.
        commutative: whether the order of the inputs does not matter.
    """

    sign: str | None = None
    commutative = False
    _forward_is_ours = True
    _guard: FlatGuard | None = None  # after getParameters

    def __init__(self) -> None:
        super().__init__()
        self._records = protocol.Records()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        computation = _first_class(cls, _COMPUTATION)
        for name in _CLAIMS:
            # A claim holds for the computation of its own class, not for one that overrides it.
            if _first_class(cls, {name}) > computation:
                setattr(cls, name, getattr(Module, name))
        cls._forward_is_ours = cls.forward is Module.forward

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

    def run(self, input: Nested) -> Nested:
        """Return ``module(input)`` for data, part of autograd, without checking for Nodes."""
        if self._guard is not None and not torch.compiler.is_compiling():
            self._guard.follow()
        if self.runs_directly and not calls_are_watched():
            return self.updateOutput(input)
        if torch.compiler.is_compiling():
            return super().__call__(input)
        _calls.depth += 1
        try:
            return super().__call__(input)
        finally:
            _calls.depth -= 1

    @property
    def runs_directly(self) -> bool:
        """True if a call may go straight to `updateOutput`: no hooks, and no other `forward`.

        torch.nn.Module.__call__, with all its checks, costs as much as a small layer.
        """
        return not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or not self._forward_is_ours
            or "forward" in self.__dict__
            or self._compiled_call_impl is not None
        )

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

        `shapes` are the shapes of its input tensors, (steps, batch, ...) each. The answer is True
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

    def updateOutput(self, input: Nested) -> Nested:
        """Compute the output from `input`, in operations that autograd can follow."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput(input)")

    def forward(self, input: Nested) -> Nested:
        """Return the output for `input`, a tensor or a list, and record the pass for `backward`.

        The output is detached; call ``module(input)`` for one that is part of autograd. Under
        `torch.no_grad` nothing is recorded.
        """
        if _calls.depth or torch.compiler.is_compiling() or not all_plain(input):
            return self.updateOutput(input)
        if self._guard is not None:
            self._guard.follow()
        # Before the new pass, so that only one of them occupies memory.
        self._records.forget()
        if not torch.is_grad_enabled():
            return self.updateOutput(input)
        recorded = protocol.record(self.updateOutput, input)
        self._records.keep(recorded)
        return recorded.detached_output()

    def backward(self, input: Nested, gradOutput: Nested, scale: float = 1.0) -> Nested:
        """Return the gradient of `input`; add `scale` times the parameters' gradients to ``.grad``.

        `gradOutput` is shaped like the output of the last `forward`. A zero of one element means
        zeros of any shape.

        Raises:
            GraphError: no `forward` is recorded, or the shapes do not fit it.
        """
        return self._run_backward(input, gradOutput, to_input=True, to_parameters=True, scale=scale)

    def updateGradInput(self, input: Nested, gradOutput: Nested) -> Nested:
        """Return the gradient of `input` alone."""
        return self._run_backward(input, gradOutput, to_input=True, to_parameters=False)

    def accGradParameters(self, input: Nested, gradOutput: Nested, scale: float = 1.0) -> None:
        """Add `scale` times the parameters' gradients to ``.grad``."""
        self._run_backward(input, gradOutput, to_input=False, to_parameters=True, scale=scale)

    def _run_backward(
        self,
        input: Nested,
        gradOutput: Nested,
        *,
        to_input: bool,
        to_parameters: bool,
        scale: float = 1.0,
    ) -> Nested:
        recorded = self.recorded_pass
        if recorded is None:
            raise GraphError(
                f"{self.place()}: backward without a forward pass to go back through. Call "
                "forward(input) first (not module(input), not under torch.no_grad(), and not "
                "before clearState)"
            )
        return protocol.run_backward(
            recorded,
            input,
            gradOutput,
            self,
            self.place,
            to_input=to_input,
            to_parameters=to_parameters,
            scale=scale,
        )

    @property
    def recorded_pass(self) -> protocol.RecordedPass | None:
        """The last `forward` of this thread; None before it and after `clearState`."""
        return self._records.last()

    @property
    def output(self) -> Nested:
        """The output of the last `forward`; None before it."""
        recorded = self.recorded_pass
        return None if recorded is None else recorded.detached_output()

    def clearState(self) -> Module:
        """Forget the last forward pass, in this module and all submodules."""
        for module in self.modules():
            if isinstance(module, Module):
                module._records.clear()
        return self

    # Parameters

    def zeroGradParameters(self) -> None:
        """Set all gradients to zero, in place."""
        for parameter in self.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad.zero_()

    def updateParameters(self, learningRate: float) -> None:
        """Subtract `learningRate` times its gradient from every parameter."""
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=learningRate)

    def getParameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Move all parameters and gradients into two flat tensors, (n,), and return these.

        The modules view them, whatever is done to modules and parameters later, or the next run of
        the module says why they cannot. `flat_parameters.flatten` documents the order, further
        calls, and the errors.
        """
        flat = flat_parameters.flatten(self)
        watch(self, Module.updateOutput)
        return flat

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Implement to(), float(), double(), cuda(); flat parameters stay flat, as in Torch7."""
        with flat_tensors.converting(self):
            return super()._apply(fn, recurse)

    def type(self, dst_type: Any = None) -> Any:
        """Change the type of all parameters, like any PyTorch module.

        Without an argument, return the type of the parameters, or the default type if there are
        none, as in Torch7: ``"torch.FloatTensor"``.
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

        Raises:
            GraphError: a name matches nothing.
        """
        return copy.deepcopy(self).share(self, *shared)

    def share(self, other: torch.nn.Module, *names: str) -> Any:
        """Use the parameters `names` of `other`, a module of the same structure, in this module.

        Names are of parameters, gradients ("gradWeight") or buffers; `sharing.share` documents
        them, and the errors.
        """
        sharing.share(self, other, names)
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
        ``"Linear"``. `container` is the container of this module, by default the module itself.
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
        state.pop("_guard", None)  # so do flat tensors
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


def _is_kind(module: torch.nn.Module, kind: Kind) -> bool:
    if isinstance(kind, str):
        torch7_name = module.torch7_name() if isinstance(module, Module) else None
        return kind in (torch7_name, type(module).__name__)
    return isinstance(module, kind)


def run_module(module: torch.nn.Module, input: Nested) -> Nested:
    """Run `module` on data of any kind, as part of autograd.

    A plain call would take a table without tensors for missing Nodes.
    """
    return module.run(input) if isinstance(module, Module) else module(input)
