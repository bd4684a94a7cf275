"""A training on disk: its folder, its reports and curves, and how it is saved, resumed, stopped.

`train.py` holds the loop, which calls these functions. The room may use the language model, but
knows no engine.
"""

from .cell_description import describe_cell
from .cell_record import checked_cell, record_cell
from .checkpoint import Progress, Saved, copy_tensors, tensors_of
from .curves import draw_curves
from .folder import RunFolder, check_free
from .following import FollowedRun
from .report import report, report_evaluation, write_step
from .schedule import SaveEvery, Schedule
from .session import describe_session
from .stopping import (
    Stop,
    StopRequested,
    after_divergence,
    interruptible,
    stop_interrupted,
    undone_if_stopped,
)
from .tensorboard import writing_events
from .training import Training, restore, save

__all__ = [
    "FollowedRun",
    "Progress",
    "RunFolder",
    "SaveEvery",
    "Saved",
    "Schedule",
    "Stop",
    "StopRequested",
    "Training",
    "after_divergence",
    "check_free",
    "checked_cell",
    "copy_tensors",
    "describe_cell",
    "describe_session",
    "draw_curves",
    "interruptible",
    "record_cell",
    "report",
    "report_evaluation",
    "restore",
    "save",
    "stop_interrupted",
    "tensors_of",
    "undone_if_stopped",
    "write_step",
    "writing_events",
]
