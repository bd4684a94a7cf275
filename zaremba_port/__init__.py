"""Zaremba's LSTM language model: train it, measure it, and complete sentences with it."""

from .completing import (
    Predictor,
    Sampling,
    complete,
)
from .config import PRESETS, Settings, preset
from .errors import RunFailed, UserError
from .model import create_network, gru, lstm
from .runs import RunFolder
from .text import (
    Corpus,
    Vocabulary,
    load_corpus,
)
from .train import train
from .unrolled import Model, TextState

__all__ = [
    "PRESETS",
    "Corpus",
    "Model",
    "Predictor",
    "RunFailed",
    "RunFolder",
    "Sampling",
    "Settings",
    "TextState",
    "UserError",
    "Vocabulary",
    "complete",
    "create_network",
    "gru",
    "load_corpus",
    "lstm",
    "preset",
    "train",
]
