"""A computation on fixed tensors, captured as one CUDA graph on a CUDA device."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch

_WARM_UP_CALLS = 3


class Captured:
    """Runs `call` as one CUDA graph.

    On a CUDA device the first use captures the call, and every use replays it: the host starts one
    graph instead of some hundred kernels. On other devices, every use calls `call`. So it does if
    `call` cannot be captured, because it waits for the device somewhere; a warning says so.

    Args:
        call: reads and writes the same tensors every time, and nothing on the host.
        changed: the tensors that a call changes and the next one depends on. Their values, and the
            state of the random number generator, are restored after the capture.
    """

    def __init__(self, call: Callable[[], None], changed: Sequence[torch.Tensor]) -> None:
        self._call = call
        self._changed = changed
        self._graph: torch.cuda.CUDAGraph | None = None
        self._refused = False

    def __call__(self) -> None:
        device = self._changed[0].device
        if self._graph is None and device.type == "cuda" and not self._refused:
            try:
                with torch.cuda.device(device):
                    self._graph = self._capture(device)
            except RuntimeError as error:
                self._refused = True
                warnings.warn(f"no CUDA graph, which would be faster: {error}", stacklevel=2)
        if self._graph is None:
            self._call()
        else:
            self._graph.replay()

    def _capture(self, device: torch.device) -> torch.cuda.CUDAGraph:
        values = [tensor.clone() for tensor in self._changed]
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.random.fork_rng([device]), torch.cuda.stream(stream):
                for _ in range(_WARM_UP_CALLS):  # libraries choose algorithms and allocate
                    self._call()
            torch.cuda.current_stream(device).wait_stream(stream)
            with torch.cuda.graph(graph):
                self._call()
        finally:
            with torch.no_grad():
                for tensor, value in zip(self._changed, values, strict=True):
                    tensor.copy_(value)
        return graph
