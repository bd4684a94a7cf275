"""Parameters that are parts of one flat tensor, and stay so; their gradients likewise.

`FlatTensors` holds two tensors, of values and of gradients, and knows which part of them belongs
to which parameter. What a user does to a parameter or to a flat tensor cannot take the two apart
without notice: it reaches both, or the flat tensor refuses to be used any more.
"""

from __future__ import annotations

import contextlib
import copy
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal

import torch
from torch.multiprocessing.reductions import reduce_tensor

from ...errors import GraphError, caller_location

Tensor = torch.Tensor

_set_data, _set_grad = torch.Tensor.data.__set__, torch.Tensor.grad.__set__  # type: ignore[attr-defined]


@dataclass(eq=False)
class Home:
    """The part of two flat tensors that belongs to a parameter, or to a flat tensor in use.

    Attributes:
        tensors: the two.
        shape, stride, offset: of the part, in values.
        grads: the part of the gradients.
    """

    tensors: FlatTensors
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int
    grads: Tensor

    def __reduce__(self) -> Any:
        return _no_home, ()  # copies and files of a parameter are not parts of the flat tensors

    @property
    def is_contiguous(self) -> bool:
        """Whether the part is a range of the flat tensor, in the order of the parameter."""
        return torch.empty(0, device="meta").as_strided(self.shape, self.stride).is_contiguous()


def _write_data(tensor: Any, values: Tensor) -> None:
    """Copy what is assigned to ``.data`` into the flat tensor; other sizes and types leave it."""
    home: Home = tensor._home
    if (
        values.shape != tensor.shape
        or values.dtype != tensor.dtype
        or values.device != tensor.device
        or values.layout != tensor.layout
    ):
        home.tensors.leave(tensor, values)
    elif _place(values) != _place(tensor):
        if _place(values)[0] == _place(tensor)[0]:
            raise GraphError(
                f"at {caller_location()}: .data of another part of the same flat tensor was "
                "assigned. Tie the parameters themselves, a.weight = b.weight, or copy the "
                "values, a.weight.data.copy_(b.weight)"
            )
        with torch.no_grad():
            tensor.copy_(values)


def _write_grad(tensor: Any, grad: Tensor | None) -> None:
    """Copy what is assigned to ``.grad`` into the flat gradient; None means zeros there."""
    grads = tensor._home.grads
    if grad is None:
        grads.zero_()
    elif grad is not grads:
        if grad.shape != grads.shape:
            raise GraphError(
                f"at {caller_location()}: a gradient of shape {tuple(grad.shape)} was assigned "
                f"to a parameter of shape {tuple(grads.shape)}"
            )
        with torch.no_grad():
            grads.copy_(grad)
    _set_grad(tensor, grads)


_data = property(torch.Tensor.data.__get__, _write_data)  # type: ignore[attr-defined]
_grad = property(torch.Tensor.grad.__get__, _write_grad)  # type: ignore[attr-defined]


class FlatParameter(torch.nn.Parameter):
    """A Parameter whose values and gradient are parts of flat tensors.

    Assignments to ``.data`` are copied. ``.grad = None``, by which PyTorch's `zero_grad` drops
    gradients, sets the gradient to zero. Copies and files hold its own values only, in a plain
    Parameter.
    """

    _home: Home
    data = _data  # type: ignore[assignment]
    grad = _grad  # type: ignore[assignment]

    def _plain(self) -> torch.nn.Parameter:
        plain = torch.nn.Parameter(self.detach().clone(), self.requires_grad)
        plain.__dict__.update({k: v for k, v in self.__dict__.items() if k != "_home"})
        return plain

    def __deepcopy__(self, memo: dict[int, Any]) -> torch.nn.Parameter:
        if id(self) not in memo:
            memo[id(self)] = self._plain()
        return memo[id(self)]  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._plain().__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(torch.nn.Parameter(self.detach(), self.requires_grad))


class FlatTensor(torch.Tensor):
    """A flat tensor in use, all of the values or gradients or a range of them."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    _home: Home
    data = _data  # type: ignore[assignment]
    grad = _grad  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            start, copies = self._home.offset, self._home.tensors.deepcopy(memo)
            kind: Literal["grads", "values"] = "grads" if self._home.grads is self else "values"
            memo[id(self)] = copies.in_use(kind, start, start + self.numel())
        return memo[id(self)]  # type: ignore[no-any-return]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.detach().clone().__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(self.detach())


class StaleTensor(torch.Tensor):
    """A flat tensor that no longer holds the parameters; it refuses to be used."""

    _reason: str

    @classmethod
    def __torch_function__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Raise `GraphError`; torch calls this for every use of the tensor."""
        stale = next((x for x in _flattened([args, kwargs]) if type(x) is StaleTensor), None)
        raise GraphError(
            "a flat tensor no longer holds the parameters of the network"
            + ("" if stale is None else f": {stale.__dict__['_reason']}")
            + ". Use what the last getParameters() returned, or call it again"
        )


def _reduce_for_process(tensor: Tensor) -> Any:
    """Pass a tensor to another process, which then sees the same memory."""
    plain = tensor.detach()
    is_parameter = isinstance(tensor, torch.nn.Parameter)
    return reduce_tensor(torch.nn.Parameter(plain, tensor.requires_grad) if is_parameter else plain)


ForkingPickler.register(FlatParameter, _reduce_for_process)
ForkingPickler.register(FlatTensor, _reduce_for_process)


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
        home = Home(
            self,
            values.shape,
            values.stride(),
            values.storage_offset(),
            _part(self.grads, values),
        )
        with torch.no_grad():
            values.copy_(parameter)
            if parameter.grad is not None:
                home.grads.copy_(parameter.grad.to_dense())
        _set_data(parameter, values)
        _set_grad(parameter, home.grads)
        self._parameters.append((weakref.ref(parameter), home))
        parameter._home = home  # type: ignore[attr-defined]
        if type(parameter) is torch.nn.Parameter:  # a subclass of the user's keeps its class
            parameter.__class__ = FlatParameter

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

    def in_use(self, kind: Literal["values", "grads"], start: int, stop: int) -> Tensor:
        """Return values or gradients from `start` to `stop`, always the same object.

        The values know their gradient, so that an optimizer works on them.
        """
        for ref, own_kind, *part in self._in_use:
            tensor = ref()
            if tensor is not None and own_kind == kind and part == [start, stop]:
                return tensor  # type: ignore[no-any-return]
        tensor = torch.Tensor._make_subclass(FlatTensor, getattr(self, kind)[start:stop])
        grads = tensor if kind == "grads" else self.in_use("grads", start, stop)
        tensor._home = Home(self, tensor.shape, tensor.stride(), start, grads)
        if kind == "values":
            _set_grad(tensor, grads)
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
        _set_data(parameter, values)
        if not _converting.networks:
            self.give_up(f"the data of a parameter was replaced at {caller_location()}")

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
                _set_data(tensor, getattr(self, kind)[start:stop])

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
                _make_stale(tensor, f"they were moved at {caller_location()}")
                continue
            _set_data(tensor, getattr(new, kind)[first : first + stop - start])
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
            del parameter._home  # type: ignore[attr-defined]
            if type(parameter) is FlatParameter:
                parameter.__class__ = torch.nn.Parameter
        for ref, *_ in self._in_use:
            if (tensor := ref()) is not None:
                _make_stale(tensor, reason)
        self._in_use = []

    def deepcopy(self, memo: dict[int, Any]) -> FlatTensors:
        """Return a copy that holds the copies of the parameters; itself if `memo` shares them."""
        if id(self) in memo:
            return memo[id(self)]  # type: ignore[no-any-return]
        copies = FlatTensors(self.values, self.values.numel())
        with torch.no_grad():
            copies.values.copy_(self.values)
        for parameter in self.parameters:
            copied = copy.deepcopy(parameter, memo)
            if copied is parameter:
                return self
            home = parameter._home  # type: ignore[attr-defined]
            copied.grad = home.grads.clone()
            copies.place(copied, copies.values.as_strided(home.shape, home.stride, home.offset))
        memo[id(self)] = copies
        return copies


def _no_home() -> None:
    """Stand for the home of a parameter that was copied or read from a file."""


def home_of(parameter: Tensor) -> Home | None:
    """Return the part of flat tensors that belongs to `parameter`, if there is one."""
    home: Home | None = parameter.__dict__.get("_home")
    return home


def is_flat(parameter: Tensor) -> bool:
    """Return whether `parameter` is part of a flat tensor."""
    return home_of(parameter) is not None


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


def _part(flat: Tensor, like: Tensor) -> Tensor:
    return flat.as_strided(like.shape, like.stride(), like.storage_offset())


def _place(tensor: Tensor) -> tuple[int, int]:
    """Return the storage and the offset at which `tensor` lies; a meta tensor has no address."""
    return tensor.untyped_storage()._cdata, tensor.storage_offset()


def _is_at_home(parameter: torch.nn.Parameter) -> bool:
    home = home_of(parameter)
    return home is not None and _place(parameter) == (
        home.tensors.values.untyped_storage()._cdata,
        home.offset,
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


def _make_stale(tensor: Any, reason: str) -> None:
    if type(tensor) is FlatTensor:
        tensor.__dict__.clear()
        tensor.__dict__["_reason"] = reason
        tensor.__class__ = StaleTensor


def _flattened(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for element in value for leaf in _flattened(element)]
    return _flattened(list(value.values())) if isinstance(value, dict) else [value]
