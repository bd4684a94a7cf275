"""Module: the base of every layer. It builds nodes and runs as part of other modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ...errors import GraphError, caller_location, type_name
from ...nested import Nested
from ...node import Node, make_node
from . import overrides
from .calling import calls_are_watched, is_value
from .passes import Passes
from .recording import marks_a_call
from .routes import Route
from .wrong_input import raise_explained

Kind = str | type  # inside Module, `type` is its method

# A class that overrides one of _COMPUTATION computes something other than its base class does, so
# the _CLAIMS of the base class need not hold for it.
_COMPUTATION = {"updateOutput", *overrides.OF_A_CALL}
_CLAIMS = {"row_wise", "route", "sign", "commutative"}


class Module(Passes, root=True):
    """Base of all layers (``nn.Module``); a subclass computes in `updateOutput`.

    Called on Nodes, or on nothing, a module returns a new Node. Called on tensors, it runs as part
    of autograd, like any PyTorch module. `forward` and `backward` are Torch7's: `forward` takes and
    returns plain tensors and records the pass for `backward`, for each thread separately.

    Gradients come from autograd. A class or an object that overrides `updateGradInput`,
    `accGradParameters` or `backward` computes its own, in every container and graph.

    Attributes:
        sign: the text that pictures draw in place of a box, such as "+"; None for a box.
        commutative: whether the order of the inputs does not matter.
    """

    torch7_parameters = frozenset({"weight", "bias"})

    sign: str | None = None
    commutative = False

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        computation = overrides.first_class(cls, _COMPUTATION)
        for name in _CLAIMS:
            # A claim holds for the computation of its own class, not for one that overrides it.
            if overrides.first_class(cls, {name}) > computation:
                setattr(cls, name, getattr(Module, name))

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

    @marks_a_call
    def run(self, input: Nested) -> Nested:
        """Return ``module(input)`` for data, part of autograd, without checking for Nodes."""
        if self._guard is not None and not torch.compiler.is_compiling():
            self._guard.follow()
        if self.runs_directly and not calls_are_watched():
            try:
                return self.updateOutput(input)
            except Exception as error:
                raise_explained(error, self, input=input)
        if self.is_hooked or "forward" in self._overrides or calls_are_watched():
            return self.run_by_torch(input, apart=False)
        return self._compute(input, apart=False)

    @marks_a_call
    def run_as_member(self, input: Nested, apart: bool = False) -> Nested:
        """Return the output for `input` as a container does: by `updateOutput`, as in Torch7.

        With `apart` the container goes back by `updateGradInput` and `accGradParameters`, and does
        not call `backward`.
        """
        if self._plain:  # both ways of running differ in overridden methods alone
            return self.run(input)
        if self._guard is not None and not torch.compiler.is_compiling():
            self._guard.follow()
        self._warn_of(self._ignored_overrides(apart))
        if "forward" in self._overrides and self._has_updateOutput():
            return self._compute(input, apart)
        if self.is_hooked or calls_are_watched() or not self._has_updateOutput():
            return self.run_by_torch(input, apart)
        return self._compute(input, apart)

    def _has_updateOutput(self) -> bool:
        own = type(self).updateOutput is not Module.updateOutput
        return own or "updateOutput" in self.__dict__

    def _ignored_overrides(self, apart: bool) -> list[str]:
        """Return the overridden methods that a container does not call, as in Torch7.

        They are `forward`, if the module has an `updateOutput`, and with `apart` `backward`.
        """
        ignored = ["backward"] if apart and "backward" in self._overrides else []
        return ignored + ["forward"] * ("forward" in self._overrides and self._has_updateOutput())

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

    @property
    def takes_table(self) -> bool:
        """Whether the input is a table of any length, also of one element; by default False.

        Called on a list of one Node, such a layer gets a table of one element, and any other layer
        gets the element itself, as in nngraph. A subclass sets it as an attribute of the class.
        """
        return False

    @property
    def takes_integers(self) -> bool:
        """Whether integers in the input are indices, classes or a mask; by default False.

        Their gradient is zero. A layer of `nn` that computes with numbers has no gradient for
        integers, and `backward` refuses them.
        """
        return False

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

    # Modules inside

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
        return replaced(self, callback)

    # Printing

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
        inside, _, after = arguments.rpartition(")")  # as in nn.Linear(2 -> 3) without bias
        return f"{kind} {inside}{after}".replace("->", "→")

    def __repr__(self) -> str:
        return self.torch7_name()


def _is_kind(module: torch.nn.Module, kind: Kind) -> bool:
    if isinstance(kind, str):
        torch7_name = module.torch7_name() if isinstance(module, Module) else None
        return kind in (torch7_name, type(module).__name__)
    return isinstance(module, kind)


def run_module(module: torch.nn.Module, input: Nested, *, apart: bool = False) -> Nested:
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
            ignored = inner._ignored_overrides(apart=True)
            if ignored:
                way_out = overrides.way_out(ignored)
                raise GraphError(f"{place()}: {type_name(inner)}: {way_out}")


def replaced(
    module: torch.nn.Module, callback: Callable[[torch.nn.Module], torch.nn.Module]
) -> torch.nn.Module:
    """Return ``callback(module)``, for `replace`.

    Raises:
        GraphError: it is no module.
    """
    replacement = callback(module)
    if not isinstance(replacement, torch.nn.Module):
        raise GraphError(
            f"replace: the function returned {type_name(replacement)} for {type_name(module)}; "
            "return a module, the same one to keep it"
        )
    return replacement


def warn_of_ignored_backward(module: torch.nn.Module) -> None:
    """Warn of an own `backward` in `module`, or inside, which a container will not call."""
    for inner in module.modules():
        if isinstance(inner, Module) and "backward" in inner._overrides:
            inner._warn_of(["backward"])


def takes_table(module: torch.nn.Module | None) -> bool:
    """Return whether `module` is a layer that takes a table; see `Module.takes_table`."""
    return isinstance(module, Module) and module.takes_table
