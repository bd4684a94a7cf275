"""Explains the errors that layers and criteria raise for values that are no tensors, or wrong ones.

Nothing is checked before a layer has failed, so layers that run cost nothing more.
"""

from __future__ import annotations

import re
from typing import NoReturn

import torch

from ... import nested
from ...errors import GraphError, is_plain, place_of, type_name
from ...nested import Nested
from .calling import ArrayError

_OWN = ("pygraph_nn.nn.layers.", "pygraph_nn.nn.criteria.", "pygraph_nn.nn.core.criterion")
_ABOUT_TYPES = re.compile(
    r"dtype|scalar type|not implemented for|same type|complex|bool|floating|"
    r"Float|Double|Half|Long|Int\b|Byte|Bool|Char|Short",
)


def explained(error: Exception, module: torch.nn.Module, **values: Nested) -> Exception:
    """Return a `GraphError` that says what was wrong in `values`, or else `error` itself.

    `module` is the layer or criterion that raised `error`, and `values` are its arguments. Errors
    of types that are not raised for a wrong input stay. So do those of a user's own layer, unless
    it got no tensors at all.
    """
    # torch raises NotImplementedError where an operation has no version for a dtype.
    by_torch = type(error) is NotImplementedError and _ABOUT_TYPES.search(str(error))
    is_array = isinstance(error, ArrayError)
    if type(error) is GraphError or not (is_plain(error) or by_torch or is_array):
        return error
    if torch.compiler.is_compiling():
        return error
    name = place_of(module)
    known = all(map(_is_known, module.modules()))
    reasons = []
    if isinstance(error, (AttributeError, TypeError)) or "NoneType" in str(error):
        reasons = [nested.not_tensors(value, what, deep=known) for what, value in values.items()]
        if known and not any(reasons):
            reasons = [_table(value, what) for what, value in values.items()]
    elif known and _ABOUT_TYPES.search(str(error)):
        reasons = [_wrong_dtype(module, value, what) for what, value in values.items()]
    reason = next(filter(None, reasons), None)
    if reason:
        detail = "" if is_array else f"\n  ({type(error).__name__}: {error})"
        return GraphError(f"{name}: {reason}{detail}")
    if not known:
        return error
    got = ", ".join(f"{what} {nested.describe(value)}" for what, value in values.items())
    return GraphError(f"{name}: {error}\n  It got {got}")


def is_own(module: torch.nn.Module) -> bool:
    """Return whether `module` computes as a layer or criterion of `nn`, not as a user's."""
    if "updateOutput" in module.__dict__:
        return False
    mro = type(module).__mro__
    computes = next((cls for cls in mro if "updateOutput" in cls.__dict__), mro[0])
    return computes.__module__.startswith(_OWN)


def _is_known(module: torch.nn.Module) -> bool:
    return is_own(module) or type(module).__module__.startswith("torch.nn.")


def raise_explained(error: Exception, module: torch.nn.Module, **values: Nested) -> NoReturn:
    """Raise what `explained` returns, from within the handler of `error`."""
    reason = explained(error, module, **values)
    if reason is error:
        raise
    raise reason from error


def _table(value: Nested, what: str) -> str | None:
    """Return what to write for a table where a layer takes one tensor."""
    if not isinstance(value, (list, tuple, dict)):
        return None
    hint = f": pass the tensor itself, {what}[0]" * (isinstance(value, list) and len(value) == 1)
    return f"{what} is a table, {nested.describe(value)}, and the layer takes a tensor{hint}"


def _wrong_dtype(module: torch.nn.Module, value: Nested, what: str) -> str | None:
    """Return what to write for a tensor that is not of the dtype of the parameters."""
    own = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
    tensors = [x for x in nested.leaves(value) if isinstance(x, torch.Tensor)]
    wanted = own or next(
        (x.dtype for x in tensors if x.is_floating_point()), torch.get_default_dtype()
    )
    wrong = next((x for x in tensors if x.dtype != wanted), None)
    if wrong is None:
        return None
    whose = f"the parameters are {own}" if own else f"the layer computes in {wanted}"
    return f"{what} holds a {type_name(wrong)}, and {whose}: write x.to({wanted})"
