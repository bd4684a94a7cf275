"""The fast engine, the choice between it and the graph engine, and the device they run on.

An engine is a `LanguageModel`: it computes a training step and reads texts, and knows nothing of
epochs, files or reports. The graph engine is `unrolled.Model`, beside the Lua program.
"""

from .choice import check_engine, check_precision, make_model
from .column_check import check_columns
from .device import pick_device, start_generators
from .fast import FastModel
from .memory import check_memory, total_memory

__all__ = [
    "FastModel",
    "check_columns",
    "check_engine",
    "check_memory",
    "check_precision",
    "make_model",
    "pick_device",
    "start_generators",
    "total_memory",
]
