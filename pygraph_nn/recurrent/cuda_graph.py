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
                reason = _first_cause(error)
                if isinstance(reason, torch.OutOfMemoryError):
                    raise reason from None  # a call without a graph needs as much
                self._refused = True
                warnings.warn(f"no CUDA graph, which would be faster: {reason}", stacklevel=2)
        if self._graph is None:
            self._call()
        else:
            self._graph.replay()

    def _capture(self, device: torch.device) -> torch.cuda.CUDAGraph:
        """Return the graph of a call; leave the values of `changed` as they were."""
        values = [tensor.clone() for tensor in self._changed]
        # One stream for the trial calls and the capture: autograd waits for the stream on which it
        # first met a parameter, and a capture may wait for its own stream only.
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.random.fork_rng([device]), torch.cuda.stream(stream):
                for _ in range(_WARM_UP_CALLS):  # libraries choose algorithms and allocate
                    self._call()
            with torch.cuda.graph(graph, stream=stream):
                self._call()
        except BaseException:
            _end_capture_of_random_numbers(device)
            raise
        finally:
            torch.cuda.current_stream(device).wait_stream(stream)
            with torch.no_grad():
                for tensor, value in zip(self._changed, values, strict=True):
                    tensor.copy_(value)
        return graph


def _end_capture_of_random_numbers(device: torch.device) -> None:
    """Let the generator of `device` draw again after a capture that failed.

    PyTorch leaves it in the state of a capture, in which it refuses to draw.
    """
    generator = torch.cuda.default_generators[device.index or 0]
    generator.graphsafe_set_state(generator.clone_state())


def _first_cause(error: BaseException) -> BaseException:
    """Return the error that `error` followed; an invalid capture raises one more at its end."""
    while error.__context__ is not None:
        error = error.__context__
    return error
