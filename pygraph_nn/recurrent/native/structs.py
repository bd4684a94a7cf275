"""Declare the C structs and functions to ctypes, and check that a library has them as declared."""

from __future__ import annotations

import ctypes
from typing import Any, TypeAlias

from .build import Unavailable


class Lstm(ctypes.Structure):
    """``struct lstm`` of lstm_steps.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "block packed gates h c tanh_c".split()),
        *((name, ctypes.c_void_p) for name in "grad_h grad_c d dc h_rounded d_rounded".split()),
        ("slice", ctypes.c_int * 4),
        *((name, ctypes.c_int) for name in "steps batch size threads".split()),
    ]


class SoftmaxLoss(ctypes.Structure):
    """``struct softmax_loss`` of softmax_loss.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "scores target losses factor".split()),
        *((name, ctypes.c_int) for name in "rows classes threads gradient".split()),
    ]


class SoftmaxBfloat16(ctypes.Structure):
    """``struct softmax_bfloat16`` of softmax_bfloat16.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "scores target losses factor gradient".split()),
        *((name, ctypes.c_int) for name in "rows classes threads".split()),
    ]


class Bfloat16Pack(ctypes.Structure):
    """``struct bfloat16_pack`` of bfloat16_product.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "matrix scale to".split()),
        ("stride", ctypes.c_long),
        *((name, ctypes.c_int) for name in "rows columns layout panels threads".split()),
    ]


class Bfloat16Product(ctypes.Structure):
    """``struct bfloat16_product`` of bfloat16_product.c."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in "a b bias out".split()),
        *((name, ctypes.c_long) for name in "b_stride out_stride".split()),
        *((name, ctypes.c_int) for name in "rows columns k layout threads add".split()),
    ]


class _Member(ctypes.Structure):
    """``struct member`` of layout.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("offset", ctypes.c_size_t),
        ("size", ctypes.c_size_t),
    ]


Structs: TypeAlias = dict[str, type[ctypes.Structure]]
# For each function, the types of its result and of its arguments.
Functions: TypeAlias = dict[str, tuple[Any, list[Any]]]

STRUCTS: Structs = {"lstm": Lstm, "softmax_loss": SoftmaxLoss}
FUNCTIONS: Functions = {
    "lstm_packed_size": (ctypes.c_long, [ctypes.c_int]),
    "lstm_forward": (None, [ctypes.POINTER(Lstm)]),
    "lstm_backward": (None, [ctypes.POINTER(Lstm)]),
    "softmax_loss": (ctypes.c_long, [ctypes.POINTER(SoftmaxLoss)]),
}
# These are compiled for processors with AVX512-BF16 only.
BFLOAT16_STRUCTS: Structs = {
    "bfloat16_pack": Bfloat16Pack,
    "bfloat16_product": Bfloat16Product,
    "softmax_bfloat16": SoftmaxBfloat16,
}
BFLOAT16_FUNCTIONS: Functions = {
    "bfloat16_panels_size": (ctypes.c_long, [ctypes.c_int, ctypes.c_int]),
    "bfloat16_pack": (None, [ctypes.POINTER(Bfloat16Pack)]),
    "bfloat16_product": (None, [ctypes.POINTER(Bfloat16Product)]),
    "lstm_bfloat16_packed_size": (ctypes.c_long, [ctypes.c_int]),
    "lstm_forward_bfloat16": (None, [ctypes.POINTER(Lstm)]),
    "lstm_backward_bfloat16": (None, [ctypes.POINTER(Lstm)]),
    "softmax_loss_bfloat16": (ctypes.c_long, [ctypes.POINTER(SoftmaxBfloat16)]),
}


def has_bfloat16(library: ctypes.CDLL) -> bool:
    """Return whether `library` was compiled with the functions of `BFLOAT16_FUNCTIONS`."""
    return hasattr(library, "bfloat16_product")


def declare(library: ctypes.CDLL) -> None:
    """Set the types of the functions of `library`, and compare its structs with those above.

    Raises:
        Unavailable: a function is missing, or a struct differs.
    """
    functions, structs = FUNCTIONS, STRUCTS
    if has_bfloat16(library):
        functions, structs = functions | BFLOAT16_FUNCTIONS, structs | BFLOAT16_STRUCTS
    try:
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        for name, struct in structs.items():
            _compare(name, struct, library)
    except (AttributeError, ValueError) as error:  # a missing function, a missing table
        raise Unavailable(f"the compiled library is incomplete: {error}") from error


def _compare(name: str, struct: type[ctypes.Structure], library: ctypes.CDLL) -> None:
    declared, compiled = _declared_layout(struct), _compiled_layout(name, struct, library)
    for member in sorted(declared | compiled, key=lambda member: member == ""):  # the size last
        here, there = declared.get(member), compiled.get(member)
        if here != there:
            place = f"struct {name}, member {member}" if member else f"struct {name}"
            raise Unavailable(f"{place}: (offset, size) is {there} in C, but {here} in Python")


def _declared_layout(struct: type[ctypes.Structure]) -> dict[str, tuple[int, int]]:
    """Return the offset and size of each member by name; "" names the struct itself."""
    fields = {field[0]: getattr(struct, field[0]) for field in struct._fields_}
    members = {name: (field.offset, field.size) for name, field in fields.items()}
    return {**members, "": (0, ctypes.sizeof(struct))}


def _compiled_layout(
    name: str, struct: type[ctypes.Structure], library: ctypes.CDLL
) -> dict[str, tuple[int, int]]:
    """Return the layout that the library states in its table ``{name}_members``.

    At most one row more than `struct` has members is read: a longer table differs anyway.
    """
    layout: dict[str, tuple[int, int]] = {}
    for member in (_Member * (len(struct._fields_) + 1)).in_dll(library, f"{name}_members"):
        layout[(member.name or b"").decode()] = member.offset, member.size
        if member.name is None:
            break
    return layout
