"""The one exception that a user's mistake raises, and the place in their code it points at."""

from __future__ import annotations

import contextlib
import os
import sys

import torch

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TORCH = os.sep + os.path.join("site-packages", "torch") + os.sep

# Modules raise these types for a wrong input. A subclass, such as torch.OutOfMemoryError or a
# user's own exception, is a different matter and keeps its type.
_WRONG_INPUT = (ValueError, RuntimeError, IndexError, TypeError, KeyError, AttributeError)


class GraphError(ValueError):
    """A module, a graph or their input was used in a way that cannot work.

    The message says what was passed, where (``inputs[1]``), and what to do. If it concerns a node,
    it names the node and the file and line that declared it.

    Attributes:
        node: the `Node` at which a run failed; None for other errors.
    """

    node: object | None = None
    _has_place = False


def is_plain(error: BaseException) -> bool:
    """Return whether `error` is of a type that modules raise for a wrong input, not a subclass."""
    return type(error) is GraphError or type(error) in _WRONG_INPUT


def with_place(error: Exception, place: str, node: object) -> Exception:
    """Add `place`, which says where in the graph `error` was raised, and return the error to raise.

    A `GraphError`, or a plain ValueError, RuntimeError, IndexError, TypeError, KeyError or
    AttributeError, becomes a `GraphError` whose message ends with `place` and whose attribute
    `node` is `node`. An exception of any other type, subclasses of these included, is returned
    itself, with `place` as a note (`add_note`); before Python 3.11, its message ends with `place`.
    An error that has a place already is returned unchanged: the innermost graph has named it.
    """
    if has_place(error):
        return error
    if is_plain(error):
        located = GraphError(f"{error}\n{place}")
        located.node = node
        located._has_place = True
        return located
    with contextlib.suppress(AttributeError):  # a frozen exception takes no attributes, nor notes
        if hasattr(error, "add_note"):
            error.add_note(place)
        else:
            _append_to_message(error, place)
        error._has_place = True  # type: ignore[attr-defined]
    return error


def has_place(error: BaseException) -> bool:
    """Return whether `with_place` has added a place to `error`."""
    return getattr(error, "_has_place", False)


def _append_to_message(error: Exception, text: str) -> None:
    """Append `text` to the message of `error`, if its first argument is that message."""
    if error.args and isinstance(error.args[0], str) and str(error) == error.args[0]:
        error.args = (f"{error.args[0]}\n{text}", *error.args[1:])


def caller_location() -> str:
    """Return ``file:line`` of the innermost frame outside this package and torch: the user's."""
    frame = sys._getframe(1)
    while frame is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_PACKAGE) and _TORCH not in filename:
            return f"{filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "unknown"


def place_of(module: torch.nn.Module) -> str:
    """Return the name of `module` for an error message: its `place()` if it is a layer."""
    place = getattr(module, "place", None)
    return str(place()) if callable(place) else type_name(module)


def checked_name(name: object, what: object) -> str:
    """Return `name`, the name of `what`: a Node, or text for something else.

    Raises:
        GraphError: it is no string.
    """
    if isinstance(name, str):
        return name
    raise GraphError(
        f"{what}: a name should be a string but is of type {type_name(name)}: {name!r}, at "
        f"{caller_location()}"
    )


def type_name(value: object) -> str:
    """Return the type of `value` for an error message; this package's layers are ``nn.Linear``, ...

    >>> type_name(5), type_name(torch.zeros(2, 3)), type_name(torch.nn.Linear(2, 3))
    ('int', 'torch.float32 tensor (2, 3)', 'torch.nn.modules.linear.Linear')
    """
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} tensor {tuple(value.shape)}"
    kind = type(value)
    if isinstance(value, torch.nn.Module):
        package = "nn" if kind.__module__.startswith("pygraph_nn.") else kind.__module__
        return f"{package}.{kind.__qualname__}"
    return kind.__qualname__
