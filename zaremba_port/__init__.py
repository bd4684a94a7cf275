"""Zaremba's LSTM language model: train it, evaluate it, and complete sentences with it.

The public names are loaded on first use, so that importing this package does not import torch.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

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
    "load_model",
    "lstm",
    "preset",
    "train",
]

_ROOMS = {
    "PRESETS": "config",
    "Corpus": "text",
    "Model": "unrolled",
    "Predictor": "completing",
    "RunFailed": "errors",
    "RunFolder": "runs",
    "Sampling": "completing",
    "Settings": "config",
    "TextState": "language_model",
    "UserError": "errors",
    "Vocabulary": "text",
    "complete": "completing",
    "create_network": "model",
    "gru": "model",
    "load_corpus": "text",
    "load_model": "evaluate",
    "lstm": "model",
    "preset": "config",
    "train": "train",
}

if TYPE_CHECKING:
    from .completing import Predictor, Sampling, complete
    from .config import PRESETS, Settings, preset
    from .errors import RunFailed, UserError
    from .evaluate import load_model
    from .language_model import TextState
    from .model import create_network, gru, lstm
    from .runs import RunFolder
    from .text import Corpus, Vocabulary, load_corpus
    from .train import train
    from .unrolled import Model
else:

    def __getattr__(name: str) -> object:
        if name not in _ROOMS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value  # Python calls __getattr__ for missing names only
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keep `train` the function, which importing the module `train` would replace."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _ROOMS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
