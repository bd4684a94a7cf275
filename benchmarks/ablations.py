"""What each optimisation gains: words per second of training with it and without it.

Run it from the repository on an idle machine: ``python -m benchmarks.ablations``. Each optimisation
is switched off by replacing one function; the model trains with and without it in turn, half a
second each, so that whatever slows the machine slows both. The gain is the ratio of the medians.
``--docs`` writes the table into docs/architecture.md, between its two marks.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

from pygraph_nn import nn
from pygraph_nn.recurrent import batched_stages, dispatch, functions, loop_stages
from pygraph_nn.recurrent.buffers import BufferedWorkspace
from pygraph_nn.recurrent.lstm import LstmSteps
from pygraph_nn.recurrent.workspace import Slot, Workspace
from zaremba_port import TextState, create_network, preset
from zaremba_port.engines import make_model
from zaremba_port.language_model import LanguageModel

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
BEGIN, END = "<!-- ablations: begin -->", "<!-- ablations: end -->"

Switch = Callable[[LanguageModel], contextlib.AbstractContextManager[Any]]
"""Given the model, a context in which the optimisation is off."""


@dataclass(frozen=True)
class Optimisation:
    """One row of the table.

    Attributes:
        name: what is done.
        where: the files that do it.
        off: switches it off.
        preset: the preset it is measured with.
        engine: "fast" or "graph".
        changes: settings that differ from the preset's.
        compiled: whether the compiled kernels run meanwhile.
    """

    name: str
    where: str
    off: Switch
    preset: str = "small"
    engine: str = "fast"
    changes: dict[str, Any] = field(default_factory=dict)
    compiled: bool = True


def replaced(owner: Any, name: str, value: Any) -> Switch:
    """Return the switch that replaces one attribute."""
    return lambda model: patch.object(owner, name, value)


@contextlib.contextmanager
def step_by_step(model: LanguageModel) -> Iterator[None]:
    """Run what is outside loops by its modules, one time step after the other."""
    with (
        patch.object(BufferedWorkspace, "fuses_layers", False),
        patch.object(batched_stages, "row_wise", lambda module, input: False),
        patch.object(batched_stages, "_losses_of_steps", lambda criterion, input: None),
    ):
        yield


@contextlib.contextmanager
def dense_embedding(model: LanguageModel) -> Iterator[None]:
    """Treat the gradient of the embedding like that of any other parameter."""
    layout = model._sgd._layout  # type: ignore[attr-defined]
    tables = [slot for slot in layout.slots.values() if slot.rows is not None]
    first, rows = layout.dense_from, [slot.rows for slot in tables]
    layout.dense_from = 0
    for slot in tables:
        slot.rows = None
    try:
        yield
    finally:
        layout.dense_from = first
        for slot, index in zip(tables, rows, strict=True):
            assert slot.grads is not None
            slot.grads.zero_()
            slot.rows = index
            slot.written = False


def default_library(model: LanguageModel) -> contextlib.AbstractContextManager[Any]:
    """Multiply by the library that PyTorch uses by default."""
    return patch.object(model._sgd, "_library_precision", "highest")  # type: ignore[attr-defined]


def new_buffer(
    self: BufferedWorkspace, key: object, shape: Any, like: torch.Tensor
) -> tuple[torch.Tensor, bool]:
    """Allocate a buffer in every call."""
    return like.new_empty(tuple(shape)), True


def gradient_without_copy(
    self: Workspace,
    slot: Slot,
    inputs: torch.Tensor,
    grad: torch.Tensor,
    scale: torch.Tensor | None = None,
) -> None:
    """Compute a block's gradient from a transposed view, whatever its width."""
    transposed = inputs.t() if scale is None else inputs.t() * scale.t()
    self.product(transposed, grad, slot.grads, beta=int(slot.written))  # type: ignore[arg-type]
    slot.written = True


NO_LAYERS: dict[type, Any] = {}

OPTIMISATIONS = [
    Optimisation(
        "outside loops, one product for all time steps",
        "`recurrent/plan.py`, `recurrent/batched_stages.py`",
        step_by_step,
    ),
    Optimisation(
        "hand-written functions for layers outside loops",
        "`recurrent/functions.py`, `recurrent/dispatch.py`",
        replaced(dispatch, "_FUSED_LAYERS", NO_LAYERS),
    ),
    Optimisation(
        "softmax, loss and their gradient in one buffer",
        "`recurrent/loss_chains.py`, `recurrent/functions.py`",
        replaced(batched_stages, "fused_loss", lambda *arguments: None),
    ),
    Optimisation(
        "softmax and loss by compiled code",
        "`recurrent/native/softmax_loss.c`",
        replaced(functions, "kernels", SimpleNamespace(kernels_accept=lambda *tensors: False)),
    ),
    Optimisation(
        "LSTM loop by compiled code",
        "`recurrent/lstm/native.py`, `recurrent/native/lstm_steps.c`",
        replaced(dispatch, "NativeLstmSteps", LstmSteps),
    ),
    Optimisation(
        "LSTM loop with a hand-written backward pass",
        "`recurrent/lstm/torch_ops.py`",
        replaced(loop_stages, "lstm_loop", lambda *arguments: None),
        compiled=False,
    ),
    Optimisation(
        "GRU loop with a hand-written backward pass (`--cell gru`)",
        "`recurrent/gru.py`",
        replaced(loop_stages, "gru_loop", lambda *arguments: None),
        changes={"cell": "gru"},
    ),
    Optimisation(
        "slices of buffers kept (`--cell gru`)",
        "`recurrent/buffers.py`",
        replaced(BufferedWorkspace, "by_step", Workspace.by_step),
        changes={"cell": "gru"},
    ),
    Optimisation(
        "buffers kept from step to step",
        "`recurrent/buffers.py`",
        replaced(BufferedWorkspace, "_buffer", new_buffer),
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
        "gradient of wide weights from a transposed copy",
        "`recurrent/workspace.py`",
        replaced(Workspace, "block_gradient", gradient_without_copy),
    ),
    Optimisation(
        "dropout from uniform numbers (preset medium)",
        "`recurrent/functions.py`",
        replaced(
            dispatch,
            "_FUSED_LAYERS",
            {kind: f for kind, f in dispatch._FUSED_LAYERS.items() if kind is not nn.Dropout},
        ),
        preset="medium",
    ),
    Optimisation(
        "direct calls of `updateOutput` (`--engine graph`)",
        "`graph/gmodule.py`, `nn/core/module.py`",
        replaced(nn.Module, "runs_directly", False),
        engine="graph",
    ),
]


def measure(optimisation: Optimisation, rounds: int, seconds: float) -> tuple[float, float]:
    """Return the medians of words per second with and without `optimisation`."""
    settings = preset(optimisation.preset).with_changes(optimisation.changes)
    torch.manual_seed(0)
    model = make_model(optimisation.engine, create_network(settings), settings)
    words = torch.randint(settings.vocab_size, (2000, settings.batch_size))
    text = TextState(words)

    def train_for(seconds: float) -> float:
        steps, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            model.fp(text)
            model.bp(text, 0.1)
            steps += 1
        read = steps * settings.seq_length * settings.batch_size
        return read / (time.perf_counter() - start)

    rates: tuple[list[float], list[float]] = ([], [])
    loop = contextlib.nullcontext() if optimisation.compiled else native_loop_off()
    with loop:
        for switch in (contextlib.nullcontext(), optimisation.off(model)):
            with switch:
                train_for(seconds)
        for _ in range(rounds):
            rates[0].append(train_for(seconds))
            with optimisation.off(model):
                rates[1].append(train_for(seconds))
    return statistics.median(rates[0]), statistics.median(rates[1])


def native_loop_off() -> contextlib.AbstractContextManager[Any]:
    """Run the loop of an LSTM by PyTorch's operations."""
    return patch.object(dispatch, "NativeLstmSteps", LstmSteps)


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
    torch.set_num_threads(options.threads)
    table = ["| optimisation | with | without | gain | where |", "|---|---:|---:|---:|---|"]
    for optimisation in OPTIMISATIONS:
        if options.only and options.only not in optimisation.name:
            continue
        table.append(row(optimisation, *measure(optimisation, options.rounds, options.seconds)))
        print(table[-1], flush=True)
    if options.docs:
        before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        text = "\n".join([f"{before}{BEGIN}", *table, f"{END}{after}"])
        DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
