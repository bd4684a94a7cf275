"""Export: write a run as a Torch7 file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pygraph_nn as nngraph

from ..cells import Cell
from ..errors import UserError
from ..model import create_network, zero_state
from ..runs import RunFolder, checked_cell


def export_run(
    run: RunFolder | str | Path,
    path: str | Path,
    *,
    which: str = "best",
    format: str = "binary",
    network_only: bool = False,
    predictions: bool = False,
    cell: Cell | str | None = None,
) -> None:
    """Write the network of a run to the Torch7 file `path`.

    The file contains a table as main.lua keeps it: `core_network`; `vocab_map`, the ids of the
    words, which count from 1; `params`, the settings; and `start_s`, zeros. In Torch7,
    ``torch.load(path).core_network`` runs after ``require 'nngraph'``.

    Args:
        run: a run folder or its path.
        path: the file.
        which: the parameters, "best" or "last".
        format: "binary" or "ascii".
        network_only: write the network alone.
        predictions: give the network a third output, the log-probabilities of all words.
        cell: the cell of a run that was trained with one of its own.

    Raises:
        UserError: there is no such run, or the file cannot be written.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    own_cell = checked_cell(run, cell)
    network = create_network(run.settings, predictions=predictions, cell=own_cell)
    run.load_parameters(network, which)
    value: Any = network
    if not network_only:
        like = next(network.parameters()).detach()
        state = zero_state(run.settings, run.settings.batch_size, like, own_cell)
        settings = {k: v for k, v in asdict(run.settings).items() if v is not None}
        value = {
            "core_network": network,
            "vocab_map": {word: i for i, word in enumerate(run.vocabulary.words, 1)},
            "params": settings,
            "start_s": state,
        }
    try:
        nngraph.save_t7(path, value, format)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    except nngraph.t7.T7Error as error:
        raise UserError(f"{run.path} cannot be written for Torch7: {error}") from None
