"""Compare a gModule with its layers called by hand, and measure the time to build a graph.

Run it from the repository: ``OMP_NUM_THREADS=1 python -m benchmarks.graph_overhead``. Each round
times every candidate once, in turn, so that a busy machine slows all alike. The table holds the
medians.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn

LAYERS, BATCH, SIZE = 50, 20, 64
ALLOWED, SECONDS_TO_BUILD = 1.15, 2.0


def chain() -> nngraph.gModule:
    """Build a graph of 50 small layers, Linear and Tanh in turn."""
    h = x = nn.Identity()()
    for _ in range(LAYERS // 2):
        h = nn.Tanh()(nn.Linear(SIZE, SIZE)(h))
    return nngraph.gModule([x], [h])


def by_hand(g: nngraph.gModule) -> list[torch.nn.Module]:
    """Return the layers of `g` as layers of torch.nn, with copies of its parameters."""
    layers: list[torch.nn.Module] = []
    for module in g.children():
        if isinstance(module, nn.Linear):
            linear = torch.nn.Linear(SIZE, SIZE)
            linear.load_state_dict(module.state_dict())
            layers.append(linear)
        elif isinstance(module, nn.Tanh):
            layers.append(torch.nn.Tanh())
    assert len(layers) == LAYERS
    return layers


def candidates() -> dict[str, Callable[[], torch.Tensor]]:
    """Return functions that run forward and backward once and return the input's gradient."""
    g, protocol = chain(), chain()
    layers = by_hand(g)
    protocol.load_state_dict(g.state_dict())
    x, ones = torch.randn(BATCH, SIZE), torch.ones(BATCH, SIZE)

    def torch_by_hand() -> torch.Tensor:
        h = input = x.detach().requires_grad_()
        for layer in layers:
            h = layer(h)
        h.backward(ones)
        assert input.grad is not None
        return input.grad

    def called() -> torch.Tensor:
        input = x.detach().requires_grad_()
        g(input).backward(ones)
        assert input.grad is not None
        return input.grad

    def forward_and_backward() -> torch.Tensor:
        protocol.forward(x)
        return protocol.backward(x, ones)

    return {
        "torch.nn by hand": torch_by_hand,
        "g(x), y.backward()": called,
        "g.forward, g.backward": forward_and_backward,
    }


def measure(rounds: int) -> dict[str, float]:
    """Return the median time of each candidate, in seconds."""
    runs = candidates()
    first, *others = [run() for run in runs.values()]
    for other in others:
        torch.testing.assert_close(other, first)
    times: dict[str, list[float]] = {name: [] for name in runs}
    gc.disable()
    for i in range(rounds):
        names = list(runs)[i % len(runs) :] + list(runs)[: i % len(runs)]
        for name in names:
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
    gc.enable()
    return {name: statistics.median(values) for name, values in times.items()}


def build(nodes: int) -> float:
    """Return the time to declare `nodes` nodes and build the gModule, in seconds."""
    start = time.perf_counter()
    h = x = nn.Identity()()
    for _ in range(nodes - 1):
        h = nn.Tanh()(h)
    nngraph.gModule([x], [h])
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=600)
    rounds = parser.parse_args().rounds
    medians = measure(rounds)
    hand = next(iter(medians.values()))
    print(f"{LAYERS} layers, ({BATCH}, {SIZE}), forward and backward, median of {rounds} rounds\n")
    print(f"{'':24}{'ms':>8}{'ratio':>8}   allowed {ALLOWED}")
    for name, seconds in medians.items():
        print(f"{name:24}{seconds * 1e3:8.3f}{seconds / hand:8.3f}")
    seconds = min(build(10_000) for _ in range(3))
    print(f"\nbuilding 10,000 nodes: {seconds:.2f} s, allowed {SECONDS_TO_BUILD:.0f} s")


if __name__ == "__main__":
    main()
