"""NoiseLayer: the base of layers that draw random numbers."""

from __future__ import annotations

import torch

from ...errors import GraphError
from .module import Module


class NoiseLayer(Module):
    """Base of layers that draw random numbers; a subclass sets `noise` or calls `drop_noise`."""

    _noise: torch.Tensor | None = None
    _dropped = False

    @property
    def noise(self) -> torch.Tensor | None:
        """The noise of the last run that drew some; None before it.

        Raises:
            GraphError: the last run drew it inside a PyTorch operation, which does not return it.
        """
        if self._dropped:
            raise GraphError(
                f"{self.place()}.noise: the last run did not keep its noise. Run the module inside "
                "pygraph_nn.reference_mode(), which does"
            )
        return self._noise

    @noise.setter
    def noise(self, value: torch.Tensor | None) -> None:
        self._noise = value
        self._dropped = False

    def drop_noise(self) -> None:
        """Note that a run drew noise and did not keep it."""
        if not self._dropped:
            self._noise = None
            self._dropped = True
