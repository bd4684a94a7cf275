"""Next-word predictions, completed sentences, and the query loop."""

from .predict import Predictor, Sampling, complete
from .query import Queries

__all__ = [
    "Predictor",
    "Queries",
    "Sampling",
    "complete",
]
