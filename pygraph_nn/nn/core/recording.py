"""Forward passes that Torch7's `forward` records, so that `backward` can follow.

A record belongs to the module whose `forward` was called and to the calling thread, and lives until
that thread's next `forward` of the module.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import torch

from ... import nested
from ...nested import Nested


class Request:
    """The gradients that the running backward pass of a recorded pass asks for."""

    to_input = True
    to_parameters = True


_numbers = itertools.count()


class RecordedPass:
    """One recorded forward pass: an input, and the output that autograd connects with it.

    Attributes:
        input: the nested input, from `cut_off`.
        output: the nested output, part of autograd.
        linked: whether autograd connects them. It does not for a layer that computes all its
            gradients itself.
        gradients: whether backward can go through it, because it did not run under no_grad.
        inside: whether the pass is a part of another one, so that `input` is no leaf of autograd.
        call: a weak reference to the call of a layer with gradient methods of its own; else None.
        request: what the running backward pass asks for, for the layers inside.
        values: what each container that ran has kept of its members, by the container's id; see
            `Module.member_outputs`.
        outputs: the outputs of the modules whose `forward` ran inside, by their id.
        number: passes count up, so the larger one is the later.
        grad_output: the gradOutput of the last backward pass, not a copy; None before one.
        grad_input: its result; None before one.
    """

    # Attributes of the class until they change: each forward of a small layer makes a record.
    linked = True
    gradients = True
    inside = False
    call: Callable[[], Any] | None = None
    grad_output: Nested = None
    grad_input: Nested = None

    def __init__(self, input: Nested, output: Nested) -> None:
        self.input = input
        self.output = output
        self.request = Request()
        self.values: dict[int, Sequence[Nested]] = {}
        self.outputs: dict[int, Nested] = {}
        self.number = next(_numbers)

    def detached_output(self) -> Nested:
        """Return the output outside autograd."""
        return nested.map_leaves(detached, self.output)


class _Recording(threading.local):
    recorded: RecordedPass | None = None
    module: torch.nn.Module | None = None  # whose pass it is


_recording = _Recording()


def keep_values(container: torch.nn.Module, values: Sequence[Nested]) -> None:
    """Keep `values` of the members of `container` in the pass being recorded, if there is one."""
    if _recording.recorded is not None:
        _recording.recorded.values[id(container)] = values


def current_pass() -> RecordedPass | None:
    """Return the pass that this thread is recording."""
    return _recording.recorded


def current_module() -> torch.nn.Module | None:
    """Return the module whose pass this thread is recording."""
    return _recording.module


def is_recording() -> bool:
    """Return whether this thread is recording a forward pass.

    The backward pass then only adds parameter gradients to ``.grad``, so they may be sparse.
    """
    return _recording.recorded is not None


class Records:
    """The last recorded pass of each thread, for one module."""

    def __init__(self) -> None:
        self._by_thread: dict[int, RecordedPass] = {}
        self.listed = False  # whether `Results` has listed the module among those with passes

    def keep(self, recorded: RecordedPass) -> None:
        """Make `recorded` this thread's last pass, and drop the passes of threads that ended."""
        records = self._by_thread
        records[threading.get_ident()] = recorded
        if len(records) > 1:
            alive = {thread.ident for thread in threading.enumerate()}
            for ident in list(records):
                if ident not in alive:
                    records.pop(ident, None)

    def forget(self) -> None:
        """Drop this thread's last pass."""
        self._by_thread.pop(threading.get_ident(), None)

    def clear(self) -> None:
        """Drop the passes of all threads."""
        self._by_thread.clear()

    def all(self) -> list[RecordedPass]:
        """Return the last pass of each thread."""
        return list(self._by_thread.values())

    def last(self) -> RecordedPass | None:
        """Return this thread's last pass, or, if only one other thread has one, that pass."""
        recorded = self._by_thread.get(threading.get_ident())
        if recorded is None and len(self._by_thread) == 1:
            recorded = next(iter(self._by_thread.values()), None)
        return recorded


def record(
    module: torch.nn.Module, compute: Callable[[Nested], Nested], input: Nested
) -> RecordedPass:
    """Run ``compute(input)`` of `module` as part of autograd; return the record of the pass."""
    before = _recording.recorded, _recording.module
    try:
        with torch.enable_grad():
            recorded = RecordedPass(nested.map_leaves(cut_off, input), None)
            _recording.recorded, _recording.module = recorded, module
            recorded.output = compute(recorded.input)
    finally:
        _recording.recorded, _recording.module = before
    return recorded


def record_alone(compute: Callable[[Nested], Nested], input: Nested) -> RecordedPass:
    """Run ``compute(input)`` of a layer that computes all its gradients itself.

    Input and output are plain. A `forward` of a layer inside records a pass of its own.
    """
    before = _recording.recorded
    _recording.recorded = None
    try:
        with torch.enable_grad():
            recorded = RecordedPass(nested.map_leaves(detached, input), None)
            recorded.output = nested.map_leaves(detached, compute(recorded.input))
    finally:
        _recording.recorded = before
    recorded.linked = False
    return recorded


# By id, as the hash of a code object takes long. The functions keep their code alive.
_calling_code: set[int] = {id(torch.nn.Module._call_impl.__code__)}


def marks_a_call(function: Any) -> Any:
    """Mark a function that runs modules as part of autograd, for `inside_a_call`."""
    _calling_code.add(id(function.__code__))
    return function


def inside_a_call() -> bool:
    """Return whether this thread is inside a module's call, ``module(input)``.

    The stack says so, because a counter in each call would cost a small layer more.
    """
    calling, apart = _calling_code, record_alone.__code__
    frame = sys._getframe(1).f_back
    while frame is not None:
        code = frame.f_code
        if id(code) in calling:
            return True
        if code is apart:
            return False
        frame = frame.f_back
    return False


def cut_off(x: Nested) -> Nested:
    """Return `x` as a leaf of autograd that requires gradients, if it is a tensor of floats."""
    return x.detach().requires_grad_() if has_gradient(x) else x


def has_gradient(x: Nested) -> TypeGuard[torch.Tensor]:
    """Return whether autograd computes gradients of values like `x`: of numbers with fractions."""
    return isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex())


def detached(x: Nested) -> Nested:
    """Return `x` outside autograd, if it is a tensor."""
    return x.detach() if isinstance(x, torch.Tensor) else x
