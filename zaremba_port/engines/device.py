"""The device that tensors are on."""

from __future__ import annotations

import torch

from ..errors import UserError


def pick_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA when present, else the CPU.

    Raises:
        UserError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}") from None
    return device
