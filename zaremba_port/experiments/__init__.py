"""Experiments: several trainings in one folder, and tables and pictures of what came out.

A member of an experiment is an ordinary run folder, trained by an ordinary process; pages and
pictures are made from the run folders alone. The room may use everything below it, and starts
`zaremba train` as a program.
"""

from .ensembles import (
    PAPER_ENSEMBLE,
    EnsembleRow,
    draw_ensemble,
    ensemble_table,
    evaluate_ensemble,
)
from .experiment import Experiment
from .members import AXES, Member, grid, repetitions
from .pages import write_grid_pages, write_reproduction_pages
from .published import PAPER, PTB_SIZES, PUBLISHED, Published
from .results import Result, Spread, read_result
from .texts import prepare_text

__all__ = [
    "AXES",
    "PAPER",
    "PAPER_ENSEMBLE",
    "EnsembleRow",
    "draw_ensemble",
    "ensemble_table",
    "evaluate_ensemble",
    "PTB_SIZES",
    "PUBLISHED",
    "Experiment",
    "Member",
    "Published",
    "Result",
    "Spread",
    "grid",
    "prepare_text",
    "read_result",
    "repetitions",
    "write_grid_pages",
    "write_reproduction_pages",
]
