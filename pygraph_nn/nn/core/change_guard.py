"""Guards: they notice, at the next step, that a network was changed after it was built."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import chain
from operator import attrgetter, is_
from typing import Any

import torch

from ...errors import GraphError, type_name
from .flat_classes import get_grad, home_of, is_frozen
from .gradient_buffers import own_gradient

_chain, _values, _module = chain.from_iterable, dict.values, attrgetter("module")


class ChangeGuard:
    """Notices when parameters or modules of `network` are replaced, added or removed.

    What it compares are identities, in a few microseconds for a hundred modules.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        # Weak references, as the network may hold the guard: a circle would keep its memory until
        # Python's garbage collector finds it.
        self._network = weakref.ref(network)
        self._note()

    @property
    def network(self) -> torch.nn.Module:
        """The network, which is alive whenever it runs."""
        network = self._network()
        assert network is not None
        return network

    def _note(self) -> None:
        self._contents: list[dict[str, Any]] = []
        self._graphs: list[tuple[weakref.ref[Any], list[Any], list[Any]]] = []
        for module in self.network.modules():
            self._contents += [module._parameters, module._modules]
            nodes = getattr(module, "forwardnodes", None)  # of a gModule
            if nodes is not None:
                self._graphs.append((weakref.ref(module), nodes, list(map(_module, nodes))))
        self._members = list(_chain(map(_values, self._contents)))  # alive, so ids stay theirs
        self._ids = list(map(id, self._members))
        self._sizes = list(map(len, self._contents))

    def __reduce__(self) -> Any:
        return type(self), (self.network,)

    def changed(self) -> bool:
        """Return whether the network has changed since the last call.

        Raises:
            GraphError: ``node.module`` of a graph was set, which has no effect on the graph.
        """
        if self._is_same():
            return False
        self._note()
        return True

    def _is_same(self) -> bool:
        for graph, nodes, modules in self._graphs:
            if not all(map(is_, map(_module, nodes), modules)):
                _check_nodes(graph(), nodes, modules)
        # In C: for a small network, this takes a part of the time of one layer.
        return (
            list(map(id, _chain(map(_values, self._contents)))) == self._ids
            and list(map(len, self._contents)) == self._sizes
        )


def _check_nodes(graph: Any, nodes: list[Any], before: list[Any]) -> None:
    """Raise `GraphError` for a node that shows another module than runs there.

    It may show the one by which another gModule with this node has replaced its own.
    """
    for node, running, module in zip(nodes, graph.node_modules, before, strict=True):
        if not any(node.module is x for x in (module, running, node.replacement)):
            raise GraphError(
                f"{graph.place()}: node.module of {node!r} was set after the graph was built, "
                f"which still runs {type_name(running)}. Replace modules by "
                "graph.replace(lambda m: new if m is old else m)"
            )


class FlatGuard(ChangeGuard):
    """Notices changes after which the flat tensors of `network` no longer hold its parameters."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(network)
        self._parameters = set(network.parameters())
        homes = [home for p in self._parameters if (home := home_of(p)) is not None]
        self._flat = homes[0].tensors if homes else None
        self._fits = True
        self._note_gradients()

    def _note_gradients(self) -> None:
        """Note the gradients that parameters should have; frozen ones have None."""
        homes = [(p, home) for p in self._parameters if (home := home_of(p)) is not None]
        self._flattened = [p for p, _ in homes]
        self._gradients = [None if is_frozen(p) else home.grads for p, home in homes]

    def follow(self) -> bool:
        """Return whether the network has changed since the last call.

        Parameters that it no longer uses get a gradient of zero.

        Raises:
            GraphError: a parameter lies outside the flat tensors, and these are in use.
        """
        if not self.changed() and self._fits:
            if not all(map(is_, map(get_grad, self._flattened), self._gradients)):
                self._check_gradients()
                self._note_gradients()
            return False
        self._fits = False  # if this raises, the next call does, too
        flat = None if self._flat is None else self._flat.current
        parameters = set(self.network.parameters())
        if not all(isinstance(parameter, torch.nn.Parameter) for parameter in parameters):
            return True  # tensors that torch.func.functional_call has put there for one run
        if flat is not None and flat.is_used:
            self._check_inside()
            for parameter in self._parameters - parameters:
                if (home := home_of(parameter)) is not None:
                    home.grads.zero_()
        self._parameters = parameters
        self._fits = True
        self._note_gradients()
        return True

    def _check_gradients(self) -> None:
        """Raise `GraphError` for a gradient that autograd put beside the flat one, which is used.

        Autograd adds in place where it can, but not in ``backward(create_graph=True)``, and not
        where another tool has set ``.grad`` below Python.
        """
        for name, parameter in self.network.named_parameters():
            home = home_of(parameter)
            if home is None or not home.tensors.is_used or is_frozen(parameter):
                continue
            grad = own_gradient(parameter, otherwise=None)
            if grad is not None and grad is not home.grads:
                raise GraphError(
                    f"the gradient of {name} lies outside the flat gradient, by which the network "
                    "is trained: backward(create_graph=True) puts it there, and "
                    "DistributedDataParallel(gradient_as_bucket_view=True). Before each step, "
                    "copy it back: for p in net.parameters(): p.grad = p.grad.detach()"
                )

    def _check_inside(self) -> None:
        for name, parameter in self.network.named_parameters():
            home = home_of(parameter)
            if home is None or not home.tensors.is_used:
                raise GraphError(
                    f"{name} is a new Parameter, {tuple(parameter.shape)}, outside the flat "
                    "tensors by which the network is trained. Copy its values into the Parameter "
                    "that was there (old.data.copy_(new)), or call getParameters() again and make "
                    "a new FlatSGD or model, if one trains the network"
                )


def watch(module: torch.nn.Module, abstract: Callable[..., object]) -> None:
    """Let `module` check its parameters whenever it runs, or its members if it cannot run.

    A module cannot run if its `updateOutput` is `abstract`, that of the base class.
    """
    if getattr(type(module), "updateOutput", None) is abstract:
        for member in module.children():
            watch(member, abstract)
    elif hasattr(module, "updateOutput"):
        module._guard = FlatGuard(module)  # type: ignore[assignment]
