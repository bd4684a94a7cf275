"""Zaremba's LSTM language model: train it, measure it, and complete sentences with it."""

from .checkpoint import RunFolder
from .config import PRESETS, Settings, preset
from .data import Corpus, Vocabulary, load_corpus
from .errors import RunFailed, UserError
from .model import create_network, gru, lstm
from .predict import Predictor, Sampling, complete
from .state import Model, TextState
from .train import train

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
