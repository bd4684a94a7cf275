"""The fast engine, and the choice between it and the unrolled graph."""

from .device import pick_device
from .fast import ENGINES, PRECISIONS, FastModel, check_engine, check_precision, make_model

__all__ = [
    "ENGINES",
    "FastModel",
    "PRECISIONS",
    "check_engine",
    "check_precision",
    "make_model",
    "pick_device",
]
