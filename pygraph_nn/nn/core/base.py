"""Base of layers and criteria: overridden methods, parameters, copies."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from ...errors import GraphError, type_name
from . import assignment, fields, flat_parameters, flat_tensors, overrides, sharing
from .change_guard import FlatGuard, watch
from .counting import NOTHING
from .flat_classes import home_of, set_grad
from .torch7_form import PLAIN


class Base(torch.nn.Module):
    """What layers and criteria have in common.

    The methods in `overrides.OVERRIDABLE` may be overridden by a class or an object. Which ones are
    is noted when the class is defined or the object is assigned to, so that a plain layer does not
    have to look when it runs.
    """

    torch7_parameters: frozenset[str] = frozenset()  # the fields that Torch7 trains
    counts_from_one = NOTHING  # in Torch7, and from 0 here
    torch7_form = PLAIN  # how the fields of its Torch7 object are called
    is_of_a_user = False  # whether the class is defined outside of this library

    _root: type[Any]  # Module or Criterion
    _overrides: frozenset[str] = frozenset()  # the names of overridden methods
    _plain = True  # whether none of these changes what a call does
    _guard: FlatGuard | None = None  # after getParameters

    def __init__(self) -> None:
        super().__init__()
        cls = type(self)
        if cls._overrides != overrides.of_class(cls, cls._root):
            cls._note_methods()  # a method was assigned to the class after its definition

    def __init_subclass__(cls, root: bool = False, **more: Any) -> None:
        super().__init_subclass__(**more)
        if root:
            cls._root = cls
        if hasattr(cls, "_root"):
            cls._note_methods()
        cls.is_of_a_user = assignment.of_a_user(cls)
        if cls.is_of_a_user:
            for name in assignment.CHECKED.keys() & cls.__dict__.keys():
                setattr(cls, name, assignment.CHECKED[name](cls.__dict__[name]))

    @classmethod
    def _note_methods(cls) -> None:
        cls._overrides = overrides.of_class(cls, cls._root)
        cls._plain = cls._overrides.isdisjoint(overrides.OF_A_CALL)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in overrides.OVERRIDABLE:
            super().__setattr__(name, value)
            self._note_own_methods()
        else:
            meant = assignment.registered(self, name, value, self.torch7_parameters)
            super().__setattr__(name, meant)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in overrides.OVERRIDABLE:
            self._note_own_methods()

    def _note_own_methods(self) -> None:
        own = overrides.of_object(self, type(self)._overrides)
        self.__dict__.update(_overrides=own, _plain=own.isdisjoint(overrides.OF_A_CALL))

    @property
    def is_hooked(self) -> bool:
        """True if torch.nn.Module.__call__ must run this module: it has hooks or is compiled."""
        return bool(
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or self._compiled_call_impl is not None
        )

    @property
    def runs_directly(self) -> bool:
        """True if a call may go straight to `updateOutput`: no hooks, no methods of its own.

        torch.nn.Module.__call__, with all its checks, costs as much as a small layer. So would a
        call of `is_hooked` in each run, in part.
        """
        return not (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or not self._plain
            or self._compiled_call_impl is not None
        )

    def place(self) -> str:
        """Return the name of the module for error messages."""
        return type_name(self)

    def _warn_of(self, ignored: Iterable[str]) -> None:
        """Warn, once for each module, of overridden methods that a container does not call."""
        warned: set[str] = self.__dict__.setdefault("_warned", set())
        if not warned.issuperset(ignored):
            warned.update(ignored)
            message = f"{self.place()}: {overrides.way_out(ignored)}"
            warnings.warn(message, RuntimeWarning, stacklevel=4)

    @property
    def train(self) -> assignment.Training:
        """PyTorch's method ``train(mode)``, and Torch7's field ``if self.train``."""
        return assignment.Training(self)

    @train.setter
    def train(self, value: bool) -> None:
        self.training = bool(value)

    # Parameters

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Yield the parameters with their names, as any PyTorch module.

        Raises:
            GraphError: a list of modules was changed after its assignment, so that the parameters
                in it are unknown.
        """
        for module in self.modules():
            assignment.check_registered(module)
        return super().named_parameters(*args, **kwargs)

    def zeroGradParameters(self) -> None:
        """Set all gradients to zero, in place; call members that override this method."""
        for parameter in overrides.call_members(self, "zeroGradParameters"):
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad.zero_()

    def updateParameters(self, learningRate: float) -> None:
        """Subtract `learningRate` times its gradient from every parameter.

        Members that override this method are called instead.
        """
        with torch.no_grad():
            for parameter in overrides.call_members(self, "updateParameters", learningRate):
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=learningRate)

    def getParameters(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Move all parameters and gradients into two flat tensors, (n,), and return these.

        The modules view them, whatever is done to modules and parameters later, or the next run of
        the module says why they cannot. `flat_parameters.flatten` documents the order, further
        calls, and the errors.
        """
        flat = flat_parameters.flatten(self)
        watch(self, self._root.updateOutput)
        return flat

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Implement to(), float(), double(), cuda(); flat parameters stay flat, as in Torch7."""
        with flat_tensors.converting(self):
            super()._apply(fn, recurse)
        if self.is_of_a_user:
            for name in ("_output", "_gradInput"):
                self._torch7_field(name)  # a layer without parameters has a type, too
            fields.convert(self, fn)
        return self

    def _torch7_field(self, name: str) -> torch.Tensor | None:
        """Return the first value of output or gradInput: None, or an empty tensor to compute in.

        As in Torch7 it has the type of the parameters. Layers of the library do not compute in it.
        """
        if not self.is_of_a_user:
            return None
        field: torch.Tensor = self.__dict__.setdefault(name, torch.empty(0).type(Base.type(self)))
        return field

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
    def _type(self) -> str:
        """Torch7's field for `type`."""
        name: str = self.type()
        return name

    @_type.setter
    def _type(self, value: str) -> None:
        if value != self._type:
            raise GraphError(
                f"{self.place()}._type = {value!r}: the parameters are {self._type}. To convert "
                f"them, call type({value!r})"
            )

    @property
    def gradWeight(self) -> torch.Tensor | None:
        """The gradient of `weight`, Torch7's name for ``weight.grad``."""
        return self.weight.grad  # type: ignore[return-value]

    @gradWeight.setter
    def gradWeight(self, value: torch.Tensor | None) -> None:
        self._set_gradient("weight", value)

    @property
    def gradBias(self) -> torch.Tensor | None:
        """The gradient of `bias`, Torch7's name for ``bias.grad``."""
        return self.bias.grad  # type: ignore[return-value]

    @gradBias.setter
    def gradBias(self, value: torch.Tensor | None) -> None:
        self._set_gradient("bias", value)

    def _set_gradient(self, name: str, value: torch.Tensor | None) -> None:
        parameter = self._parameters.get(name)
        field = f"{self.place()}.grad{name.capitalize()}"
        if parameter is None:
            if value is None or not value.numel():
                return
            raise GraphError(f"{field}: there is no {name} yet. Assign self.{name} first")
        if value is not None and value.shape != parameter.shape:
            raise GraphError(
                f"{field}: got shape {tuple(value.shape)} for a {name} of shape "
                f"{tuple(parameter.shape)}"
            )
        if home_of(parameter) is None or parameter.grad is None:
            set_grad(parameter, value)
        elif value is None:
            parameter.grad.zero_()
        else:
            parameter.grad.copy_(value)  # stays a part of the flat tensor

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

    def __getstate__(self) -> dict[str, Any]:
        # The guard watches this object, not its copies.
        return {name: value for name, value in self.__dict__.items() if name != "_guard"}

    def evaluate(self) -> Any:
        """Set the evaluation mode: Torch7's name for `eval`."""
        return self.eval()
