"""The reference mode, in which dropout masks and noise come from Torch7's generator."""

from __future__ import annotations

_reference = False


class reference_mode:
    """Draw dropout masks and noise from Torch7's generator, to repeat a Lua run exactly.

    Like `torch.set_grad_enabled`, a call sets the mode and a ``with`` block sets it for a while::

        with nngraph.reference_mode():
            net.forward(x)
    """

    def __init__(self, enabled: bool = True) -> None:
        global _reference
        self._before = _reference
        _reference = enabled

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        global _reference
        _reference = self._before


def in_reference_mode() -> bool:
    """Return whether dropout masks and noise come from Torch7's generator."""
    return _reference
