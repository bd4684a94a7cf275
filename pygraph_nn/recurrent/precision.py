"""The precision of matrix products of float32, and the library that computes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ..errors import GraphError
from .native import bfloat16_unavailable

PRECISIONS = ("float32", "tf32", "bfloat16")


def check_precision(precision: str) -> None:
    """Raise `GraphError` if `precision` is not one of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise GraphError(
            f"precision {precision!r} is unknown: it is one of {', '.join(PRECISIONS)}"
        )


def library_precision(precision: str, parameters: torch.Tensor) -> str:
    """Return the argument of `torch.set_float32_matmul_precision` for products in `precision`."""
    if precision == "tf32":
        return "high"
    on_cpu = parameters.is_cpu and parameters.dtype == torch.float32
    if precision == "float32" and on_cpu and medium_is_float32():
        return "medium"
    return "highest"


def medium_is_float32() -> bool:
    """Return whether products under precision "medium" have float32 errors on this CPU.

    PyTorch's "medium" allows products in bfloat16. On many CPUs it only selects another library
    for the same precision, oneDNN instead of MKL, which is faster; this tries one product.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(shape, generator=generator) for shape in ((64, 300), (300, 256)))
    expected = a.double() @ b.double()
    with matmul_precision("medium"):
        product = a @ b
    # bfloat16 keeps 8 bits, tf32 11: their errors are above 1e-4 of the product's size.
    return bool((product - expected).norm() < 2e-6 * expected.norm())


@contextlib.contextmanager
def matmul_precision(setting: str) -> Iterator[None]:
    """Set `torch.set_float32_matmul_precision` for the time of a ``with`` block.

    "highest" leaves the current setting alone.
    """
    if setting == "highest":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(setting)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def slow_bfloat16(parameters: torch.Tensor) -> str | None:
    """Return why products in bfloat16 may be slower than in float32; None if they are not.

    On the CPU only the compiled kernels are faster. On other devices the device decides.
    """
    if not parameters.is_cpu:
        return None
    if parameters.dtype is not torch.float32:
        return f"the parameters are {parameters.dtype}, the compiled kernels take float32"
    return bfloat16_unavailable()
