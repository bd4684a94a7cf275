"""Two flat tensors, of values and of gradients, and the parameters that are parts of them.

What a user does to a parameter, a network or a flat tensor cannot take these apart without notice:
it reaches all, or the flat tensor refuses to be used any more.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ...errors import caller_location
from .flat_classes import (
    FlatGradient,
    FlatTensor,
    Home,
    Kind,
    adopt,
    home_of,
    make_stale,
    release,
    set_data,
    set_grad,
)

Tensor = torch.Tensor


class FlatTensors:
    """A tensor of values and one of gradients, (n,), and the parameters that are parts of them.

    Attributes:
        values, grads: the two tensors.
    """

    def __init__(self, like: Tensor, size: int) -> None:
        self.values = like.detach().new_empty(size)
        self.grads = like.detach().new_zeros(size)
        self._parameters: list[tuple[weakref.ref[Any], Home]] = []
        self._in_use: list[tuple[weakref.ref[Any], str, int, int]] = []
        self._successor: FlatTensors | None = None

    def place(self, parameter: torch.nn.Parameter, values: Tensor) -> None:
        """Move `parameter` to `values`, a view of ``self.values`` in its shape."""
        place = (values.shape, values.stride(), int(values.storage_offset()))
        grads = FlatGradient.of(self.grads.as_strided(*place))
        grads.__dict__["_home"] = Home(self, *place, None)
        home = Home(self, *place, grads)
        with torch.no_grad():
            values.copy_(parameter)
            if parameter.grad is not None and parameter.requires_grad:
                home.grads.copy_(parameter.grad.to_dense())
        set_data(parameter, values)
        set_grad(parameter, home.grads if parameter.requires_grad else None)
        self._parameters.append((weakref.ref(parameter), home))
        adopt(parameter, home)

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The parameters that are parts of the tensors, in the order of `place`."""
        return [parameter for parameter, _ in self._placed()]

    def _placed(self) -> list[tuple[torch.nn.Parameter, Home]]:
        living = [(ref(), home) for ref, home in self._parameters]
        return [(p, home) for p, home in living if p is not None and home_of(p) is home]

    @property
    def current(self) -> FlatTensors:
        """The tensors that the parameters have moved to; these tensors if they have not moved."""
        return self if self._successor is None else self._successor.current

    @property
    def is_used(self) -> bool:
        """Whether one of the tensors that `in_use` returned is still referred to."""
        return any(ref() is not None for ref, *_ in self._in_use)

    def in_use(self, kind: Kind, start: int, stop: int) -> Tensor:
        """Return values or gradients from `start` to `stop`, always the same object.

        The values know their gradient, so that an optimizer works on them.
        """
        for ref, own_kind, *part in self._in_use:
            tensor = ref()
            if tensor is not None and own_kind == kind and part == [start, stop]:
                found: Tensor = tensor
                return found
        tensor = FlatTensor.of(getattr(self, kind)[start:stop])
        grads = None if kind == "grads" else self.in_use("grads", start, stop)
        tensor.__dict__["_home"] = Home(self, tensor.shape, tensor.stride(), start, grads)
        if kind == "values":
            set_grad(tensor, grads)
        self._in_use = [entry for entry in self._in_use if entry[0]() is not None]
        self._in_use.append((weakref.ref(tensor), kind, start, stop))
        return tensor

    def range_of(self, parameters: Iterable[torch.nn.Parameter]) -> tuple[int, int] | None:
        """Return the range that holds exactly `parameters`, in order; None if there is none."""
        start = stop = None
        for parameter in parameters:
            home = home_of(parameter)
            if home is None or home.tensors is not self or not home.is_contiguous:
                return None
            if stop not in (None, home.offset):
                return None
            start = home.offset if start is None else start
            stop = home.offset + home.shape.numel()
        return None if start is None or stop is None else (start, stop)

    def leave(self, parameter: torch.nn.Parameter, values: Tensor) -> None:
        """Set the data of `parameter`, which no longer fits, to `values`."""
        set_data(parameter, values)
        if not _converting.networks:
            self.give_up(f"the data of a parameter was replaced at {caller_location()}")
            parameter.grad = None

    def gather(self) -> None:
        """Move all parameters back, after each was converted to another type or device."""
        placed, size = self._placed(), self.values.numel()
        if all(_is_at_home(p) for p, _ in placed):
            return
        if len({(p.dtype, p.device) for p, _ in placed}) != 1:
            self.give_up("some of its parameters were converted to another type or device")
            return
        self.values = placed[0][0].detach().new_empty(size)
        self.grads = placed[0][0].detach().new_zeros(size)
        self._parameters = []
        for parameter, home in placed:
            self.place(parameter, self.values.as_strided(home.shape, home.stride, home.offset))
        for ref, kind, start, stop in self._in_use:
            tensor = ref()
            if tensor is not None:
                set_data(tensor, getattr(self, kind)[start:stop])

    def moved_to(self, new: FlatTensors) -> None:
        """Let the tensors in use follow parameters that were moved to `new`, or give them up."""
        if not self._placed():
            self._successor = new
        staying = []
        for entry in self._in_use:
            ref, kind, start, stop = entry
            tensor, parts = ref(), self._parts(start, stop)
            if tensor is None:
                continue
            if all(now is before for now, before in parts):
                staying.append(entry)
                continue
            first = _start_in(new, parts, stop - start)
            if first is None:
                make_stale(tensor, f"they were moved at {caller_location()}")
                continue
            set_data(tensor, getattr(new, kind)[first : first + stop - start])
            tensor._home.tensors, tensor._home.offset = new, first
            new._in_use.append((ref, kind, first, first + stop - start))
        self._in_use = staying

    def _parts(self, start: int, stop: int) -> list[tuple[Home | None, Home]]:
        """Return the homes, now and in these tensors, of the parameters from `start` to `stop`."""
        inside = [(ref(), home) for ref, home in self._parameters if start <= home.offset < stop]
        return [(None if p is None else home_of(p), home) for p, home in inside]

    def give_up(self, reason: str) -> None:
        """Make plain Parameters of the parameters; the tensors in use refuse to be used."""
        for parameter in self.parameters:
            release(parameter)
        for ref, *_ in self._in_use:
            if (tensor := ref()) is not None:
                make_stale(tensor, reason)
        self._in_use = []

    def deepcopy(self, memo: dict[int, Any]) -> FlatTensors:
        """Return a copy that holds the copies of the parameters; itself if `memo` shares them."""
        if id(self) in memo:
            copied: FlatTensors = memo[id(self)]
            return copied
        copies = FlatTensors(self.values, self.values.numel())
        with torch.no_grad():
            copies.values.copy_(self.values)
        for parameter in self.parameters:
            own = copy.deepcopy(parameter, memo)
            if own is parameter:
                return self
            home = parameter._home  # type: ignore[attr-defined]
            own.grad = home.grads.clone()
            copies.place(own, copies.values.as_strided(home.shape, home.stride, home.offset))
        memo[id(self)] = copies
        return copies


class _Converting(threading.local):
    networks = 0


_converting = _Converting()  # the number of networks that this thread is converting


@contextlib.contextmanager
def converting(module: torch.nn.Module) -> Iterator[None]:
    """Keep the flat tensors of `module` while all its parameters change type or device inside."""
    homes = [home_of(parameter) for parameter in module.parameters()]
    _converting.networks += 1
    try:
        yield
    finally:
        _converting.networks -= 1
        if not _converting.networks:  # else an outer network is still being converted
            for flat in {home.tensors: None for home in homes if home is not None}:
                flat.gather()


def _is_at_home(parameter: torch.nn.Parameter) -> bool:
    home = home_of(parameter)
    return home is not None and (
        parameter.untyped_storage()._cdata == home.tensors.values.untyped_storage()._cdata
        and parameter.storage_offset() == home.offset
    )


def _start_in(new: FlatTensors, parts: list[tuple[Home | None, Home]], size: int) -> int | None:
    """Return where `parts`, of `size` values, start in `new`; None if they lie there otherwise."""
    starts = {
        now.offset - before.offset if now is not None and now.tensors is new else None
        for now, before in parts
    }
    same_order = all(now is not None and now.stride == before.stride for now, before in parts)
    complete = sum(before.shape.numel() for _, before in parts) == size
    if len(starts) != 1 or None in starts or not same_order or not complete:
        return None
    return min(before.offset for _, before in parts) + (starts.pop() or 0)
