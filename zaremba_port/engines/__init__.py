"""The fast engine, and the choice between it and the unrolled graph."""

from .device import pick_device
from .fast import FastModel, check_engine, check_precision, make_model

__all__ = [
    "FastModel",
    "check_engine",
    "check_precision",
    "make_model",
    "pick_device",
]
