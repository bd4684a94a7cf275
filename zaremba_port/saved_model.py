"""Loading the language model of a run, to evaluate it."""

from __future__ import annotations

from pathlib import Path

from .cells import Cell
from .engines import make_model, pick_device
from .language_model import LanguageModel
from .model import create_network
from .runs import RunFolder, checked_cell


def load_model(
    run: RunFolder | str | Path,
    which: str = "best",
    *,
    device: str = "auto",
    cell: Cell | str | None = None,
    engine: str | None = None,
) -> LanguageModel:
    """Return the language model of a run, for `run_test` and `run_valid` of `evaluate.py`.

    Args:
        run: the run folder or its path.
        which: the parameters, "best" or "last".
        device, engine: the values that `zaremba evaluate` takes.
        cell: the cell of a run that was trained with one of its own: the function of nodes, or its
            name, "package.module:function".

    Raises:
        UserError: there is no such run, it has no parameters, `cell` is not its cell, or there is
            no such device or engine.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    torch_device = pick_device(device)
    cell = checked_cell(run, cell)
    # Evaluation drops nothing, so the order in which a run draws its masks does not matter.
    settings = run.settings.with_changes({"reference": False})
    network = create_network(settings, cell=cell)
    run.load_parameters(network, which)
    return make_model(engine, network.to(torch_device), settings, cell)
