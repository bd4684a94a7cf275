"""Guards: they notice, at the next step, that a network was changed after it was built."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from itertools import chain
from operator import is_
from typing import Any

import torch

from ...errors import GraphError
from .flat_classes import get_grad, home_of, is_frozen
from .gradient_buffers import own_gradient
from .overrides import NO_FIELDS

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")

# The user's attributes are the others, and "training".
_NO_ATTRIBUTES = NO_FIELDS - {"training"} | {"_output", "_gradInput"}

_chain, _values = chain.from_iterable, dict.values


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
        for module in self.network.modules():
            self._contents += [module._parameters, module._modules]
        self._members = list(_chain(map(_values, self._contents)))  # alive, so ids stay theirs
        self._ids = list(map(id, self._members))
        self._sizes = list(map(len, self._contents))

    def __reduce__(self) -> Any:
        return type(self), (self.network,)

    def changed(self) -> bool:
        """Return whether the network has changed since the last call."""
        if self._is_same():
            return False
        self._note()
        return True

    def _is_same(self) -> bool:
        # In C: for a small network, this takes a part of the time of one layer.
        return (
            list(map(id, _chain(map(_values, self._contents)))) == self._ids
            and list(map(len, self._contents)) == self._sizes
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


class AttributeGuard:
    """Notices when an attribute, a method or a hook of a module of `network` is set.

    Copies made by `clone_many_times` have their own attributes, so they miss such a change. What a
    run leaves behind in a module does not count, and a change inside an object is not noticed.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.note()

    def note(self) -> None:
        """Compare with the present attributes from now on."""
        self._hooks: list[tuple[dict[int, Any], tuple[int, ...]]] = []
        self._noted: list[tuple[dict[str, Any], int, list[str], list[Any]]] = []
        for module in self.network.modules():
            contents = vars(module)
            names = _attributes(contents)
            self._noted.append((contents, len(contents), names, [contents[n] for n in names]))
            self._hooks += [(contents[name], tuple(contents[name])) for name in _HOOKS]

    def changed(self) -> bool:
        """Return whether an attribute or a hook was set, added or removed since the last `note`."""
        for contents, size, names, values in self._noted:
            if len(contents) != size and _attributes(contents) != names:
                return True
            if not all(map(is_, map(contents.get, names), values)):
                return True
        return any(tuple(hooks) != keys for hooks, keys in self._hooks)


def _attributes(contents: dict[str, Any]) -> list[str]:
    return [name for name in contents if name not in _NO_ATTRIBUTES]


def watch(module: torch.nn.Module, abstract: Callable[..., object]) -> None:
    """Let `module` check its parameters whenever it runs, or its members if it cannot run.

    A module cannot run if its `updateOutput` is `abstract`, that of the base class.
    """
    if getattr(type(module), "updateOutput", None) is abstract:
        for member in module.children():
            watch(member, abstract)
    elif hasattr(module, "updateOutput"):
        module._guard = FlatGuard(module)  # type: ignore[assignment]
