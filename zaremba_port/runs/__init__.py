"""The run folder: what a training keeps on disk, and the curves drawn from it."""

from .curves import draw_curves
from .folder import Progress, RunFolder, Saved, check_free

__all__ = [
    "Progress",
    "RunFolder",
    "Saved",
    "check_free",
    "draw_curves",
]
