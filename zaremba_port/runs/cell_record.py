"""The record of a run's cell: written when a training starts, checked when the run is loaded.

A run folder holds no code. The record tells whether a cell that the user passes is the one that the
run was trained with; nothing is imported because a run folder names it.
"""

from __future__ import annotations

from ..cells import Cell, is_reference
from ..errors import UserError
from ..model import CELLS, cell_name, cell_of
from .cell_description import describe_cell, difference
from .folder import RunFolder


def checked_cell(run: RunFolder, cell: Cell | str | None) -> Cell | None:
    """Return the cell to load `run` with, to be passed to `create_network`.

    It is None for a built-in cell, and else the cell that `cell` is or names, if it is the one that
    the run was trained with. What a run folder names is never imported.

    Raises:
        UserError: the run has a cell of its own and `cell` is None, or `cell` is another one.
    """
    name = run.settings.cell
    if cell is None:
        if run.settings.has_own_cell:
            raise UserError(
                f"{run.path} was trained with a cell of its own, {name}, and holds no code: pass "
                "the cell, cell=... or --cell package.module:function"
            )
        return None
    cell = cell_of(run.settings, cell)
    if run.settings.has_own_cell:
        if differs := difference(run.load_cell(), describe_cell(run.settings, cell)):
            given = "it has changed" if cell_name(cell) == name else f"{cell_name(cell)} is another"
            raise UserError(f"{run.path} was trained with the cell {name}; {given}: {differs}")
        return cell
    if cell is CELLS[name]:
        return None
    names = run.saved_names()
    if names and not any(saved.startswith(f"{name}_1_") for saved in names):
        return cell  # version 0.1.0 recorded the settings' cell, whatever cell it trained
    raise UserError(f"{run.path} was trained with {name}, not with {cell_name(cell)}")


def record_cell(run: RunFolder, cell: Cell | str | None) -> None:
    """Record in `run` that it is trained with `cell`, by default the cell of its settings.

    Raises:
        UserError: the cell cannot be called as a cell is; or the settings name one that is not
            built in, and `cell` is None.
    """
    function = cell_of(run.settings, cell)
    name = cell_name(function)
    if is_reference(name):
        # The name that the user wrote can be imported, which not every function's own can.
        name = cell if isinstance(cell, str) else name
        run.save_cell({"name": name, **describe_cell(run.settings, function)})
    elif name != run.settings.cell:
        run.save_cell({"name": name})
