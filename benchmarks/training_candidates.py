"""The candidates of training_speed: a training step in several ways, or the products of a step.

Each candidate is a function that runs one step, on an input of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from zaremba_port import Settings, create_network
from zaremba_port.config import ENGINES, PRECISIONS
from zaremba_port.engines import make_model
from zaremba_port.engines.device_queue import DeviceQueue
from zaremba_port.language_model import TextState

Step = Callable[[], object]


def make_step(name: str, settings: Settings, device: torch.device) -> Step:
    """Return the step of the candidate `name`; see `training_report.CANDIDATES`."""
    if name == "products":
        return products_step(settings, device)
    if name in (*ENGINES, *PRECISIONS):
        return engine_step(settings, name, device)
    return peer_step(settings, name, device)


def random_words(settings: Settings, rows: int) -> torch.Tensor:
    """Draw word ids, (rows, batch), as frequent as in a language: word k with weight 1 / k."""
    weights = 1 / torch.arange(1, settings.vocab_size + 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    shape = rows, settings.batch_size
    return torch.multinomial(weights, rows * shape[1], True, generator=generator).view(shape)


class Peer(torch.nn.Module):
    """The language model on torch.nn.LSTM, or with `by_steps` on torch.nn.LSTMCell."""

    def __init__(self, settings: Settings, by_steps: bool) -> None:
        super().__init__()
        size = settings.rnn_size
        self.embedding = torch.nn.Embedding(settings.vocab_size, settings.input_size)
        self.dropout = torch.nn.Dropout(settings.dropout)
        if by_steps:
            sizes = [settings.input_size, *[size] * (settings.layers - 1)]
            self.cells = torch.nn.ModuleList(torch.nn.LSTMCell(n, size) for n in sizes)
        else:
            self.lstm = torch.nn.LSTM(
                settings.input_size, size, settings.layers, dropout=settings.dropout
            )
        self.linear = torch.nn.Linear(size, settings.vocab_size)
        self.by_steps = by_steps
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -settings.init_weight, settings.init_weight)

    def forward(self, x: torch.Tensor, y: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Return the mean loss of the words `y` after `x`, (steps, batch) each, and the state.

        The state is a tuple (h, c), (layers, batch, size) each; with `by_steps` it is a list of
        (h, c), (batch, size) each, one a layer, which is changed in place.
        """
        if not self.by_steps:
            h, state = self.lstm(self.dropout(self.embedding(x)), state)
            scores = self.linear(self.dropout(h))
            return F.cross_entropy(scores.flatten(0, 1), y.flatten()), state
        loss = torch.zeros((), device=x.device)
        for word, following in zip(x, y, strict=True):
            value = self.embedding(word)
            for i, cell in enumerate(self.cells):
                state[i] = cell(self.dropout(value), state[i])
                value = state[i][0]
            scores = self.linear(self.dropout(value))
            loss = loss + F.cross_entropy(scores, following) / len(x)
        return loss, state


def peer_step(settings: Settings, name: str, device: torch.device) -> Step:
    """Return a training step on torch.nn, written as in PyTorch's tutorials."""
    by_steps = name == "steps"
    model: Any = Peer(settings, by_steps).to(device)
    run = torch.compile(model) if name == "compiled" else model
    if name == "remedies":
        torch.set_float32_matmul_precision("medium")
    elif name == "lstm-tf32":
        torch.set_float32_matmul_precision("high")
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    steps, batch = settings.seq_length, settings.batch_size
    data = random_words(settings, 50 * steps + 1).to(device)
    shape = (settings.layers, batch, settings.rnn_size)
    state: Any = (torch.zeros(shape, device=device), torch.zeros(shape, device=device))
    if by_steps:
        state = [(h, c) for h, c in zip(*state, strict=True)]
    position = 0

    def step() -> object:
        nonlocal state, position
        position = 0 if position + steps + 1 > len(data) else position
        x, y = data[position : position + steps], data[position + 1 : position + steps + 1]
        position += steps
        sgd.zero_grad()
        loss, state = run(x, y, state)
        # The original sums the losses over time: its gradient is seq_length times the mean's.
        (loss * steps).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        sgd.step()
        state = [tuple(s.detach() for s in pair) for pair in state] if by_steps else tuple(
            s.detach() for s in state
        )  # fmt: skip
        # Our engines do not wait for a device either.
        return loss.item() if device.type == "cpu" else loss

    return step


def engine_step(settings: Settings, name: str, device: torch.device) -> Step:
    """Return a training step of the engine `name`, or of the fast engine in precision `name`."""
    torch.manual_seed(1)
    engine = name if name in ENGINES else "fast"
    precision = name if name in PRECISIONS else "float32"
    network = create_network(settings).to(device)
    model = make_model(engine, network, settings, precision=precision)
    words = TextState(random_words(settings, 50 * settings.seq_length + 1).to(device))
    if model.queue is not None:
        assert isinstance(model.queue, DeviceQueue)
        return queued_step(model.queue, words)

    def step() -> object:
        model.fp(words)
        model.bp(words, 0.1)
        return model.norm_dw

    return step


def queued_step(queue: DeviceQueue, words: TextState) -> Step:
    """Return a function that queues a step, and waits for all of them when the queue is full."""
    queued = 0

    def step() -> object:
        nonlocal queued
        queue.start(words, 0.1)
        queued += 1
        return queue.collect() if queued % queue.capacity == 0 else None

    return step


def products_step(settings: Settings, device: torch.device) -> Step:
    """Return a function that computes the products of a step, each in its fastest layout."""
    if device.type == "cpu":
        torch.set_float32_matmul_precision("medium")
    torch.set_default_device(device)
    steps, batch, size = settings.seq_length, settings.batch_size, settings.rnn_size
    rows, gates = steps * batch, 4 * size
    calls: list[Step] = []
    for layer in range(settings.layers):
        inputs = size if layer else settings.input_size
        calls += fastest(rows, inputs, gates)
        # The recurrent products come one after the other, forward and backward.
        forward, backward, _ = fastest(batch, size, gates)
        calls += [forward] * steps + [backward] * steps
        calls.append(fastest(rows, size, gates)[2])
    calls += fastest(rows, size, settings.vocab_size)

    def step() -> None:
        for call in calls:
            call()

    # On a device they are one CUDA graph, so that the time to start each does not count.
    return nngraph.Captured(step, [torch.zeros(1)])


def fastest(rows: int, inputs: int, outputs: int) -> list[Step]:
    """Return the three products of a linear layer, each in the fastest of some layouts.

    They are its output, the gradient of its input, and the gradient of its weight.
    """
    x, d = torch.randn(rows, inputs), torch.randn(rows, outputs)
    weight, block = torch.randn(outputs, inputs), torch.randn(inputs, outputs)
    output, dx = torch.empty(rows, outputs), torch.empty(rows, inputs)
    columns = x.t().contiguous()
    grad, grad_block = torch.empty(outputs, inputs), torch.empty(inputs, outputs)
    layouts: list[list[Step]] = [
        [lambda: torch.mm(x, weight.t(), out=output), lambda: torch.mm(x, block, out=output)],
        [lambda: torch.mm(d, weight, out=dx), lambda: torch.mm(d, block.t(), out=dx)],
        [
            lambda: torch.mm(d.t(), x, out=grad),
            lambda: torch.mm(x.t(), d, out=grad_block),
            lambda: torch.mm(columns, d, out=grad_block),
        ],
    ]

    def seconds(call: Step) -> float:
        """Return the shortest of five times of a call."""
        call()
        times = []
        for _ in range(5):
            wait()
            start = time.perf_counter()
            call()
            wait()
            times.append(time.perf_counter() - start)
        return min(times)

    return [min(calls, key=seconds) for calls in layouts]


def wait() -> None:
    """Wait until the device, if there is one, has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
