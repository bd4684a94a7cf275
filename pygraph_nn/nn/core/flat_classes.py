"""The classes of what lies in flat tensors: parameters, and the flat tensors that users hold.

What a user assigns to their ``.data`` or ``.grad`` is copied to where they lie, so that it reaches
whoever holds the same memory by another name.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal

import torch
from torch.multiprocessing.reductions import reduce_tensor

from ...errors import GraphError, caller_location

Tensor = torch.Tensor
Kind = Literal["values", "grads"]

_attributes: Any = torch.Tensor
set_data, set_grad = _attributes.data.__set__, _attributes.grad.__set__
get_grad = _attributes.grad.__get__


@dataclass(eq=False)
class Home:
    """The part of two flat tensors that belongs to a parameter, or to a flat tensor in use.

    Attributes:
        tensors: the two.
        shape, stride, offset: of the part, in values.
        grads: the part of the gradients; None for gradients, which would hold themselves.
    """

    tensors: Any  # FlatTensors, which are made of the classes here
    shape: torch.Size
    stride: tuple[int, ...]
    offset: int
    grads: Any

    def __reduce__(self) -> Any:
        return _no_home, ()  # copies and files of a parameter are not parts of the flat tensors

    @property
    def is_contiguous(self) -> bool:
        """Whether the part is a range of the flat tensor, in the order of the parameter."""
        return torch.empty(0, device="meta").as_strided(self.shape, self.stride).is_contiguous()


def _write_data(tensor: Any, values: Tensor) -> None:
    """Copy what is assigned to ``.data`` into the flat tensor; other sizes and types leave it."""
    home = home_of(tensor)
    if home is None:
        set_data(tensor, values)
    elif _kind(values) != _kind(tensor):
        home.tensors.leave(tensor, values)
    elif values.untyped_storage()._cdata != tensor.untyped_storage()._cdata:
        with torch.no_grad():
            tensor.copy_(values)
    elif (values.storage_offset(), values.stride()) != (tensor.storage_offset(), tensor.stride()):
        if not home.offset <= values.storage_offset() < home.offset + tensor.numel():
            raise GraphError(
                f"at {caller_location()}: .data of another part of the same flat tensor was "
                "assigned. Tie the parameters themselves, a.weight = b.weight, or copy the "
                "values, a.weight.data.copy_(b.weight)"
            )
        with torch.no_grad():
            tensor.copy_(values.clone())


def _write_grad(tensor: Any, grad: Tensor | None) -> None:
    """Copy what is assigned to ``.grad`` into the flat gradient; None means zeros there."""
    home = home_of(tensor)
    if home is None or home.grads is None:
        set_grad(tensor, grad)
        return
    grads = home.grads
    if grad is None:
        grads.zero_()
        if is_frozen(tensor):
            set_grad(tensor, None)  # so that optimizers pass it by
            return
    elif grad is not grads:
        if grad.shape != grads.shape:
            raise GraphError(
                f"at {caller_location()}: a gradient of shape {tuple(grad.shape)} was assigned "
                f"to a parameter of shape {tuple(grads.shape)}"
            )
        with torch.no_grad():
            grads.copy_(grad)
    set_grad(tensor, grads)


def _write_requires_grad(tensor: Any, requires_grad: bool) -> None:
    """Freeze or unfreeze a parameter; a frozen one has no gradient, and zeros in the flat one."""
    _attributes.requires_grad.__set__(tensor, requires_grad)
    home = home_of(tensor)
    if home is not None and isinstance(tensor, torch.nn.Parameter):
        if not requires_grad:
            home.grads.zero_()
        set_grad(tensor, home.grads if requires_grad else None)


_data: Any = property(_attributes.data.__get__, _write_data)
_grad: Any = property(get_grad, _write_grad)
_requires_grad: Any = property(_attributes.requires_grad.__get__, _write_requires_grad)


class FlatTensor(torch.Tensor):
    """A view of flat tensors: a parameter, or values or gradients, all of them or a part.

    Parameters, and the tensors that `getParameters` returns, have a home. What is assigned to
    their ``.data`` is copied there. ``.grad = None``, by which PyTorch's `zero_grad` drops
    gradients, sets the gradient to zero; only a frozen parameter has none. Copies and files hold
    the view's own values only, in a plain tensor or Parameter; a copy of what `getParameters`
    returned belongs to the copied network.

    A parameter is marked by ``_is_param``, as PyTorch marks Parameters of other tensor classes. A
    subclass of Parameter would not do: torch.nn.Parameter(parameter) refuses it.
    """

    __torch_function__: Any = torch._C._disabled_torch_function_impl
    data = _data
    grad = _grad
    requires_grad = _requires_grad

    @classmethod
    def of(cls, tensor: Tensor) -> FlatTensor:
        """Return `tensor`, outside autograd, as a flat tensor without a home.

        A tensor of another class, such as PyTorch's FakeTensor, keeps its class: an assignment to
        its ``.data`` or ``.grad`` is then not intercepted.
        """
        if not issubclass(type(tensor), FlatTensor) and type(tensor) not in (
            torch.Tensor,
            torch.nn.Parameter,
        ):
            return tensor.detach()  # type: ignore[return-value]
        flat: FlatTensor = torch.Tensor._make_subclass(cls, tensor)
        return flat

    def detach(self) -> FlatTensor:
        return FlatTensor.of(self)  # so does `state_dict` take the values of parameters

    def requires_grad_(self, requires_grad: bool = True) -> FlatTensor:
        """Freeze or unfreeze a parameter, as an assignment to ``.requires_grad`` does."""
        self.requires_grad = requires_grad
        return self

    def set_(self, *source: Any) -> FlatTensor:
        """Copy the values of `source`, as an assignment to ``.data`` does."""
        self.data = torch.empty(0, dtype=self.dtype, device=self.device).set_(*source)
        return self

    def plain(self) -> Tensor:
        """Return an ordinary tensor, or Parameter, with the same memory."""
        return self._like_this(torch.Tensor.detach(self))

    def _copied(self) -> Tensor:
        return self._like_this(torch.Tensor.detach(self).clone())

    def _like_this(self, values: Tensor) -> Tensor:
        """Return `values`, a plain tensor, as a Parameter if this is one."""
        if not isinstance(self, torch.nn.Parameter):
            return values
        parameter = torch.nn.Parameter(values, self.requires_grad)
        own = {"_home", "_is_param"}
        parameter.__dict__.update({k: v for k, v in self.__dict__.items() if k not in own})
        return parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        home = home_of(self)
        if id(self) not in memo:
            if home is None or isinstance(self, torch.nn.Parameter):
                memo[id(self)] = self._copied()
            else:
                copies = home.tensors.deepcopy(memo)
                kind: Kind = "grads" if home.grads is None else "values"
                memo[id(self)] = copies.in_use(kind, home.offset, home.offset + self.numel())
        copied: Tensor = memo[id(self)]
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._copied().__reduce_ex__(protocol)

    def __repr__(self) -> str:  # type: ignore[override]
        return repr(self.plain())


class FlatGradient(FlatTensor):
    """The part of the flat gradient that belongs to one parameter: its ``.grad``."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return memo.setdefault(id(self), self._copied())


class StaleTensor(torch.Tensor):
    """A flat tensor that no longer holds the parameters; it refuses to be used."""

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


# Another process gets the same memory, not a copy, as of ordinary tensors.
for _class in (FlatTensor, FlatGradient):
    ForkingPickler.register(_class, lambda tensor: reduce_tensor(tensor.plain()))


def adopt(parameter: torch.nn.Parameter, home: Home) -> None:
    """Let `parameter`, a view of flat tensors, keep to `home`.

    A subclass of Parameter keeps its class: assignments to ``.data`` and ``.grad`` then move it.
    """
    parameter.__dict__["_home"] = home
    if type(parameter) is torch.nn.Parameter:
        parameter.__class__ = FlatTensor  # type: ignore[assignment]
        parameter.__dict__["_is_param"] = True


def release(parameter: Any) -> None:
    """Make an ordinary Parameter of `parameter` again, with the same memory."""
    del parameter.__dict__["_home"]
    if type(parameter) is FlatTensor:
        del parameter.__dict__["_is_param"]
        parameter.__class__ = torch.nn.Parameter  # type: ignore[assignment]


def home_of(parameter: Tensor) -> Home | None:
    """Return the part of flat tensors that belongs to `parameter`, if there is one."""
    home: Home | None = parameter.__dict__.get("_home")
    return home


def is_flat(parameter: Tensor) -> bool:
    """Return whether `parameter` is part of a flat tensor."""
    return home_of(parameter) is not None


def is_frozen(parameter: Tensor) -> bool:
    """Return whether `parameter` is a Parameter that is not trained."""
    return isinstance(parameter, torch.nn.Parameter) and not parameter.requires_grad


def make_stale(tensor: Any, reason: str) -> None:
    """Let `tensor`, a flat tensor in use, refuse to be used from now on."""
    if type(tensor) is FlatTensor:
        tensor.__dict__.clear()
        tensor.__dict__["_reason"] = reason
        tensor.__class__ = StaleTensor  # type: ignore[assignment]


def _kind(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.device, tensor.layout


def _no_home() -> None:
    """Stand for the home of a parameter that was copied or read from a file."""


def _flattened(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for element in value for leaf in _flattened(element)]
    return _flattened(list(value.values())) if isinstance(value, dict) else [value]
