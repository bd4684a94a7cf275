"""Declare the C structs and functions to ctypes, and check that a library has them as declared."""

from __future__ import annotations

import ctypes
from typing import Any

from .build import Unavailable


class Lstm(ctypes.Structure):
    """``struct lstm`` of lstm_steps.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "block packed gates h c tanh_c".split()),
        *((name, ctypes.c_void_p) for name in "grad_h grad_c d dc".split()),
        ("slot", ctypes.c_int * 4),
        *((name, ctypes.c_int) for name in "steps batch size threads".split()),
    ]


class SoftmaxLoss(ctypes.Structure):
    """``struct softmax_loss`` of softmax_loss.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "scores target losses factor".split()),
        *((name, ctypes.c_int) for name in "rows classes threads gradient".split()),
    ]


class _Member(ctypes.Structure):
    """``struct member`` of layout.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("offset", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
    ]


STRUCTS: dict[str, type[ctypes.Structure]] = {"lstm": Lstm, "softmax_loss": SoftmaxLoss}
# Of each function the types of its result and of its arguments.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "lstm_packed_size": (ctypes.c_long, [ctypes.c_int]),
    "lstm_forward": (None, [ctypes.POINTER(Lstm)]),
    "lstm_backward": (None, [ctypes.POINTER(Lstm)]),
    "softmax_loss": (ctypes.c_long, [ctypes.POINTER(SoftmaxLoss)]),
}


def declare(library: ctypes.CDLL) -> None:
    """Set the types of the functions of `library`, and compare its structs with those above.

    Raises:
        Unavailable: a function is missing, or a struct differs.
    """
    try:
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        for name, struct in STRUCTS.items():
            _compare(name, struct, library)
    except (AttributeError, ValueError) as error:  # a missing function, a missing table
        raise Unavailable(f"the compiled library is incomplete: {error}") from error


def _compare(name: str, struct: type[ctypes.Structure], library: ctypes.CDLL) -> None:
    # The table's last row has no name, offset 0, and the size of the struct.
    table = (_Member * (len(struct._fields_) + 1)).in_dll(library, f"{name}_members")
    compiled, declared = {}, _layout(struct)
    for member in table:
        compiled[None if member.name is None else member.name.decode()] = member.offset, member.size
        if member.name is None:
            break
    for member_name in [*declared, *compiled]:
        here, there = declared.get(member_name), compiled.get(member_name)
        if here != there:
            place = f"struct {name}" + ("" if member_name is None else f", member {member_name}")
            raise Unavailable(f"{place}: (offset, size) is {there} in C, but {here} in Python")


def _layout(struct: type[ctypes.Structure]) -> dict[str | None, tuple[int, int]]:
    fields = {field[0]: getattr(struct, field[0]) for field in struct._fields_}
    sizes: dict[str | None, tuple[int, int]] = {
        name: (field.offset, field.size) for name, field in fields.items()
    }
    return sizes | {None: (0, ctypes.sizeof(struct))}
