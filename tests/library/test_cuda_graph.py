"""When a computation is captured, replayed or called; capturing itself needs a device."""

from __future__ import annotations

import contextlib
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
