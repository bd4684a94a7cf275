"""When a computation is captured, replayed or called; capturing itself needs a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph


@pytest.fixture(autouse=True)
def _no_device_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())


def on(device: str) -> Any:
    return SimpleNamespace(device=torch.device(device))


def test_without_a_device_it_is_called() -> None:
    calls: list[None] = []
    captured = nngraph.Captured(lambda: calls.append(None), [on("cpu")])
    captured()
    captured()
    assert len(calls) == 2


def test_on_a_device_it_is_captured_once_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    def capture(self: Any, device: torch.device) -> Any:
        events.append(f"captured on {device}")
        return SimpleNamespace(replay=lambda: events.append("replayed"))

    monkeypatch.setattr(nngraph.Captured, "_capture", capture)
    captured = nngraph.Captured(lambda: events.append("called"), [on("cuda:1")])
    captured()
    captured()
    assert events == ["captured on cuda:1", "replayed", "replayed"]


def test_what_cannot_be_captured_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[None] = []

    def capture(self: Any, device: torch.device) -> Any:
        tried.append(None)
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(nngraph.Captured, "_capture", capture)
    calls: list[None] = []
    captured = nngraph.Captured(lambda: calls.append(None), [on("cuda")])
    with pytest.warns(UserWarning, match="no CUDA graph, which would be faster: operation not"):
        captured()
    captured()
    assert (len(tried), len(calls)) == (1, 2)


class FakeCuda:
    """Stands for `torch.cuda`: it notes on which stream a call ran, and how a capture ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = "default"
        self.captured_on: list[str] = []
        self.restored = 0
        generator = SimpleNamespace(clone_state=lambda: None, graphsafe_set_state=self._restore)
        fakes = {
            "Stream": lambda device: SimpleNamespace(name="side", wait_stream=lambda other: None),
            "current_stream": lambda device: SimpleNamespace(wait_stream=lambda other: None),
            "stream": self.on_stream,
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
            "graph": self.capture,
            "default_generators": [generator],
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)
        monkeypatch.setattr(torch.random, "fork_rng", lambda devices: contextlib.nullcontext())

    def _restore(self, state: None) -> None:
        self.restored += 1

    @contextlib.contextmanager
    def on_stream(self, stream: Any) -> Iterator[None]:
        self.now = stream.name
        try:
            yield
        finally:
            self.now = "default"

    @contextlib.contextmanager
    def capture(self, graph: Any, stream: Any) -> Iterator[None]:
        self.captured_on.append(stream.name)
        with self.on_stream(stream):
            try:
                yield
            except RuntimeError:
                raise RuntimeError("failed due to a previous error during capture")  # noqa: B904


class FakeTensor(SimpleNamespace):
    device = torch.device("cuda", 0)

    def clone(self) -> FakeTensor:
        return self

    def copy_(self, other: FakeTensor) -> None: ...


def test_a_capture_uses_the_stream_of_its_trial_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    streams: list[str] = []
    nngraph.Captured(lambda: streams.append(cuda.now), [FakeTensor()])()
    assert set(streams) == {"side"}
    assert cuda.captured_on == ["side"]
    assert cuda.restored == 0


@pytest.mark.parametrize("error", [RuntimeError("it waits"), torch.OutOfMemoryError("no memory")])
def test_a_failed_capture_names_its_first_cause(
    monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    cuda = FakeCuda(monkeypatch)

    def call() -> None:
        if cuda.captured_on and cuda.now == "side":
            raise error

    captured = nngraph.Captured(call, [FakeTensor()])
    if isinstance(error, torch.OutOfMemoryError):
        with pytest.raises(torch.OutOfMemoryError, match="no memory"):
            captured()
    else:
        with pytest.warns(UserWarning, match="no CUDA graph, which would be faster: it waits"):
            captured()
    assert cuda.restored == 1  # the generator can draw again
