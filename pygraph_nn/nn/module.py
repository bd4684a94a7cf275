"""Module: what every layer is. A torch.nn.Module that builds nodes and speaks Torch7's protocol."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from typing import Any

import torch

from .. import nested
from ..errors import GraphError, type_name
from ..node import Node, make_node
from . import flat_parameters, protocol


class _Calls(threading.local):
    depth = 0


_calls = _Calls()  # how many module(input) calls this thread is inside of


class Module(torch.nn.Module):
    """Base of all layers (``nn.Module``). A subclass computes in `updateOutput`.

    Called on Nodes, or on nothing, a module gives a Node of the graph that is being built. Called
    on tensors it runs, as any PyTorch module, as part of autograd. `forward` and `backward` are
    Torch7's: `forward` takes and gives plain tensors and remembers the pass for `backward`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._recorded: protocol.Run | None = None

    # Calling

    def __call__(self, *args: Any) -> Any:
        if len(args) == 1 and _is_value(args[0]):
            return self.run(args[0])
        if not args:
            return Node(self)
        if len(args) > 1:
            raise GraphError(
                f"{type_name(self)} was called with {len(args)} arguments. Use [input1, input2] "
                "to pass multiple inputs."
            )
        return make_node(self, args[0])

    def run(self, input: Any) -> Any:
        """The output for `input`, part of autograd: ``module(input)`` without a look at `input`."""
        if torch.compiler.is_compiling():
            return super().__call__(input)
        _calls.depth += 1
        try:
            return super().__call__(input)
        finally:
            _calls.depth -= 1

    def __neg__(self) -> Node:
        return Node(self)

    def __sub__(self, other: Any) -> Node:
        raise GraphError(
            f"{type_name(self)} - {type_name(other)}: the left side is a module, not a Node. "
            "Start the chain with a minus or call it: -module1 - module2, module1() - module2"
        )

    def __rsub__(self, inputs: Any) -> Node:
        return make_node(self, inputs)

    # Torch7's protocol

    def updateOutput(self, input: Any) -> Any:
        """The module's computation, in terms of autograd."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput(input)")

    def forward(self, input: Any) -> Any:
        """The output for `input`, a tensor or a list of tensors, remembered for `backward`.

        The output is cut off from autograd; call the module itself, ``module(input)``, to be part
        of it. Under `torch.no_grad` nothing is remembered.
        """
        if _calls.depth or torch.compiler.is_compiling() or not _all_plain(input):
            return self.updateOutput(input)
        if not torch.is_grad_enabled():
            self._recorded = None
            return self.updateOutput(input)
        self._recorded = None  # before the new pass, so that the two never stand in memory together
        self._recorded = protocol.record(self, input)
        return self._recorded.outputs()

    def backward(self, input: Any, gradOutput: Any, scale: float = 1.0) -> Any:
        """The gradient of `input`; adds `scale` times the parameters' gradients to ``.grad``.

        `gradOutput` is shaped like the output of the last `forward`. A zero of one element stands
        for zeros of any shape.

        Raises:
            GraphError: there is no `forward` to go back through, or shapes do not fit it.
        """
        return protocol.run_backward(
            self, input, gradOutput, to_input=True, to_parameters=True, scale=scale
        )

    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        """The gradient of `input` alone."""
        return protocol.run_backward(self, input, gradOutput, to_input=True, to_parameters=False)

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1.0) -> None:
        """Add `scale` times the parameters' gradients to ``.grad``."""
        protocol.run_backward(
            self, input, gradOutput, to_input=False, to_parameters=True, scale=scale
        )

    @property
    def output(self) -> Any:
        """What the last `forward` gave; None before."""
        return None if self._recorded is None else self._recorded.outputs()

    def clearState(self) -> Module:
        """Forget the last forward pass, here and in all submodules."""
        for module in self.modules():
            if isinstance(module, Module):
                module._recorded = None
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
        """Gradient descent: every parameter loses `learningRate` times its gradient."""
        with torch.no_grad():
            for parameter in self.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=learningRate)

    def getParameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All parameters and all gradients as two flat tensors, (n,), which the modules view.

        See `pygraph_nn.nn.flat_parameters.flatten` for the order and the errors.
        """
        return flat_parameters.flatten(self)

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
        """A deep copy; `shared` names what it shares: "weight", "bias", "gradWeight", "gradBias".

        A parameter shared with its gradient is the same Parameter in both modules.
        """
        return copy.deepcopy(self).share(self, *shared)

    def share(self, other: torch.nn.Module, *names: str) -> Any:
        """Use the parameters `names` of `other`, a module of the same structure, as one's own."""
        for name in names:
            if name.startswith("grad"):
                continue
            with_gradient = f"grad{name[0].upper()}{name[1:]}" in names
            for mine, theirs in zip(self.modules(), other.modules(), strict=True):
                parameter = theirs._parameters.get(name)
                if parameter is None or name not in mine._parameters:
                    continue
                shared = parameter if with_gradient else torch.nn.Parameter(parameter.detach())
                mine._parameters[name] = shared
        return self

    def evaluate(self) -> Any:
        """Torch7's name for `eval`."""
        return self.eval()

    def __getstate__(self) -> dict[str, Any]:
        # A recorded pass is tied to autograd and belongs to this object, not to its copies.
        return {**self.__dict__, "_recorded": None}

    # Printing

    def torch7_name(self) -> str:
        """The class as Torch7 names it, ``nn.Linear``."""
        return f"nn.{type(self).__name__}"

    def __repr__(self) -> str:
        return self.torch7_name()


def _is_value(input: Any) -> bool:
    """Whether a module called on `input` should run, rather than build a graph or complain.

    Tensors, tables holding any, and the stand-ins of torch's tracers run.
    """
    if isinstance(input, torch.Tensor):
        return True
    if isinstance(input, Node) or input is None or isinstance(input, (torch.nn.Module, int, float)):
        return False
    if isinstance(input, (list, tuple)) and all(isinstance(x, torch.Tensor) for x in input):
        return len(input) > 0
    if isinstance(input, (list, tuple, dict, str)):
        kinds = list(_leaf_kinds(input))
        return "node" not in kinds and "value" in kinds
    return True


def _leaf_kinds(tree: Any) -> Iterator[str]:
    for leaf in nested.leaves(tree):
        if isinstance(leaf, Node):
            yield "node"
        elif leaf is not tree and _is_value(leaf):
            yield "value"


def _all_plain(input: Any) -> bool:
    """Whether `input` is data outside autograd: what a Torch7 caller passes."""
    for leaf in nested.leaves(input):
        if isinstance(leaf, torch.Tensor):
            if leaf.requires_grad and torch.is_grad_enabled():
                return False
        elif isinstance(leaf, torch.fx.Proxy):
            return False
    return True
