"""Measure what each optimisation gains: words per second of training with it and without it.

Run it from the repository on an idle machine: ``python -m benchmarks.ablations``. For each row, one
model trains with and without the optimisation in turn, half a second each, so that whatever slows
the machine slows both. The gain is the ratio of the medians, less one.

A switch replaces one function, class or attribute of the library for the time of a ``with`` block;
everything else runs as usual. Two rows need another baseline, which both of their measurements
share: batching is measured on layers that run by their modules, since the hand-written functions
cannot run step by step; the hand-written backward pass of the LSTM is measured without compiled
code, which would take its place. Gains of different rows overlap and do not add up.

``--docs`` writes the table into docs/architecture.md, between its two marks.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest.mock import patch

import torch

from benchmarks.documents import DOCS, replace_between
from benchmarks.training_candidates import random_words
from pygraph_nn import FlatSGD, nn
from pygraph_nn.nn.core.base import Base
from pygraph_nn.recurrent import batched_stages, dispatch, functions, loop_stages
from pygraph_nn.recurrent.buffers import BufferedWorkspace
from pygraph_nn.recurrent.lstm import LstmSteps
from pygraph_nn.recurrent.workspace import BufferKey, Slot, Workspace
from zaremba_port import TextState, create_network, preset
from zaremba_port.engines import FastModel, make_model, start_generators
from zaremba_port.language_model import LanguageModel

Switch = Callable[[LanguageModel], contextlib.AbstractContextManager[object]]
"""Return a context in which an optimisation of the model is off."""


def leave_as_it_is(model: LanguageModel) -> contextlib.AbstractContextManager[object]:
    """Switch nothing off."""
    return contextlib.nullcontext()


def replaced(owner: object, name: str, value: object) -> Switch:
    """Return the switch that replaces one attribute of `owner`."""
    return lambda model: patch.object(owner, name, value)


def no_function(*arguments: object) -> None:
    """Replace a choice of `dispatch`: no hand-written function fits."""


def by_module(kind: type) -> Switch:
    """Return the switch that runs layers of one class by their modules, all time steps at once."""
    others = {k: function for k, function in dispatch._FUSED_LAYERS.items() if k is not kind}
    return replaced(dispatch, "_FUSED_LAYERS", others)


def is_table(module: torch.nn.Module, input: object) -> bool:
    """Replace `row_wise`: only the embedding takes all time steps as one batch.

    Step by step, autograd would make a gradient of the whole table in every step.
    """
    return isinstance(module, nn.LookupTable)


@contextlib.contextmanager
def step_by_step(model: LanguageModel) -> Iterator[None]:
    """Call the layers outside loops, but for the embedding, once for each time step."""
    with (
        patch.object(batched_stages, "row_wise", is_table),
        patch.object(batched_stages, "_losses_of_steps", no_function),
    ):
        yield


@contextlib.contextmanager
def dense_embedding(model: LanguageModel) -> Iterator[None]:
    """Clear, measure and apply the gradient of the whole embedding, not only of the rows read."""
    layout = sgd_of(model)._layout
    tables = [slot for slot in layout.slots.values() if slot.rows is not None]
    dense_from, rows = layout.dense_from, [slot.rows for slot in tables]
    layout.dense_from = 0
    for slot in tables:
        slot.rows = None
    try:
        yield
    finally:
        layout.dense_from = dense_from
        for slot, indices in zip(tables, rows, strict=True):
            slot.zero_rows()  # the whole gradient, as `rows` is still None
            slot.rows = indices


def default_library(model: LanguageModel) -> contextlib.AbstractContextManager[object]:
    """Compute products by the library that PyTorch uses by default."""
    return patch.object(sgd_of(model), "_library_precision", "highest")


def sgd_of(model: LanguageModel) -> FlatSGD:
    """Return the optimiser of a model of the fast engine."""
    assert isinstance(model, FastModel)
    return model._sgd


def new_buffer(
    self: BufferedWorkspace, key: BufferKey, shape: Sequence[int], like: torch.Tensor
) -> tuple[torch.Tensor, bool]:
    """Replace `BufferedWorkspace._buffer`: allocate a buffer in every call."""
    return like.new_empty(tuple(shape)), True


def gradient_without_copy(
    self: Workspace,
    slot: Slot,
    inputs: torch.Tensor,
    grad: torch.Tensor,
    scale: torch.Tensor | None = None,
) -> None:
    """Replace `Workspace.block_gradient`: multiply by a transposed view, whatever the width."""
    assert slot.grads is not None
    transposed = inputs.t() if scale is None else inputs.t() * scale.t()
    self.product(transposed, grad, slot.grads, beta=int(slot.written))
    slot.written = True


LSTM_BY_TORCH = replaced(dispatch, "NativeLstmSteps", LstmSteps)
LAYERS_BY_MODULES = replaced(BufferedWorkspace, "fuses_layers", False)


@dataclass(frozen=True)
class Optimisation:
    """One row of the table.

    Attributes:
        name: what is done.
        where: the files that do it.
        off: switches it off.
        baseline: switches off what would hide it, in both measurements.
        preset: the preset it is measured with.
        engine: "fast" or "graph".
        changes: settings that differ from the preset's.
    """

    name: str
    where: str
    off: Switch
    baseline: Switch = leave_as_it_is
    preset: str = "small"
    engine: str = "fast"
    changes: Mapping[str, object] = field(default_factory=dict)


OPTIMISATIONS = [
    Optimisation(
        "outside loops, one product for all time steps",
        "`recurrent/plan.py`, `recurrent/batched_stages.py`",
        step_by_step,
        baseline=LAYERS_BY_MODULES,
    ),
    Optimisation(
        "hand-written function of linear layers outside loops (preset medium)",
        "`recurrent/functions.py`, `recurrent/dispatch.py`",
        by_module(nn.Linear),
        preset="medium",
    ),
    Optimisation(
        "softmax, loss and their gradient in one buffer",
        "`recurrent/loss_chains.py`, `recurrent/functions.py`",
        replaced(batched_stages, "fused_loss", no_function),
    ),
    Optimisation(
        "softmax and loss by compiled code",
        "`recurrent/native/softmax_loss.c`",
        replaced(functions, "kernels", SimpleNamespace(kernels_accept=lambda *tensors: False)),
    ),
    Optimisation(
        "LSTM loop by compiled code",
        "`recurrent/lstm/native.py`, `recurrent/native/lstm_steps.c`",
        LSTM_BY_TORCH,
    ),
    Optimisation(
        "LSTM loop with a hand-written backward pass",
        "`recurrent/lstm/torch_ops.py`",
        replaced(loop_stages, "lstm_loop", no_function),
        baseline=LSTM_BY_TORCH,
    ),
    Optimisation(
        "GRU loop with a hand-written backward pass (`--cell gru`)",
        "`recurrent/gru.py`",
        replaced(loop_stages, "gru_loop", no_function),
        changes={"cell": "gru"},
    ),
    Optimisation(
        "buffers kept from step to step (preset demo)",
        "`recurrent/buffers.py`",
        replaced(BufferedWorkspace, "_buffer", new_buffer),
        preset="demo",
    ),
    Optimisation(
        "sparse gradient of the embedding",
        "`recurrent/workspace.py`, `recurrent/sgd.py`",
        dense_embedding,
    ),
    Optimisation(
        "products by oneDNN",
        "`recurrent/precision.py`",
        default_library,
    ),
    Optimisation(
        "gradient of wide weights from a transposed copy (preset medium)",
        "`recurrent/workspace.py`",
        replaced(Workspace, "block_gradient", gradient_without_copy),
        preset="medium",
    ),
    Optimisation(
        "dropout from uniform numbers (preset medium)",
        "`recurrent/functions.py`",
        by_module(nn.Dropout),
        preset="medium",
    ),
    Optimisation(
        "direct calls of `updateOutput` (`--engine graph`, 50 units, 1,000 words)",
        "`graph/gmodule.py`, `nn/core/module.py`",
        replaced(Base, "runs_directly", False),
        engine="graph",
        changes={"rnn_size": 50, "vocab_size": 1000},
    ),
]


def measure(optimisation: Optimisation, rounds: int, seconds: float) -> tuple[float, float]:
    """Return the medians of words per second with and without `optimisation`."""
    settings = preset(optimisation.preset).with_changes(optimisation.changes)
    start_generators(settings.seed)
    model = make_model(optimisation.engine, create_network(settings), settings)
    text = TextState(random_words(settings, 2000))
    words = settings.seq_length * settings.batch_size

    def step() -> None:
        model.fp(text)
        model.bp(text, 0.1)

    def rate() -> float:
        step()  # not counted: the first step after a switch also pays for the switch
        steps, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            step()
            steps += 1
        return steps * words / passed

    with_it, without_it = [], []
    with optimisation.baseline(model):
        for _ in range(rounds + 1):
            with_it.append(rate())
            with optimisation.off(model):
                without_it.append(rate())
    return statistics.median(with_it[1:]), statistics.median(without_it[1:])  # the first warms up


def row(optimisation: Optimisation, with_it: float, without_it: float) -> str:
    """Return the row of the table."""
    gain = with_it / without_it - 1
    shown = f"{gain:.0%}" if gain >= 0.1 else f"{gain:.1%}"
    cells = [optimisation.name, f"{with_it:,.0f}", f"{without_it:,.0f}", shown, optimisation.where]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", metavar="WORDS", help="rows whose name contains this")
    parser.add_argument("--docs", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    if options.docs and options.only:
        parser.error("--docs writes the whole table: leave --only out")
    torch.set_num_threads(options.threads)
    table = ["| optimisation | with | without | gain | where |", "|---|---:|---:|---:|---|"]
    for optimisation in OPTIMISATIONS:
        if options.only and options.only not in optimisation.name:
            continue
        table.append(row(optimisation, *measure(optimisation, options.rounds, options.seconds)))
        print(table[-1], flush=True)
    if options.docs:
        marks = "<!-- ablations: begin -->", "<!-- ablations: end -->"
        replace_between(DOCS / "architecture.md", *marks, "\n".join(table))


if __name__ == "__main__":
    main()
