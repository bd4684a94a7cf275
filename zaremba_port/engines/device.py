"""The device of all tensors, and the generators of random numbers."""

from __future__ import annotations

import torch

import pygraph_nn as nngraph
from pygraph_nn import torch7_random

from ..errors import UserError


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; "auto" is CUDA if there is any, else the CPU.

    Raises:
        UserError: this computer has no such device, or PyTorch cannot use it.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # a "meta" device has no values
    except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"device {name!r} cannot be used: {reason}") from None
    return device


def start_generators(seed: int) -> None:
    """Seed PyTorch's and Torch7's generators, and draw one number, as g_make_deterministic does."""
    torch.manual_seed(seed)
    nngraph.manualSeed(seed)
    torch7_random.uniform()
