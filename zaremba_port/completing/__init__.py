"""Next-word predictions, completed sentences, and queries answered one line at a time.

This room reads run folders and evaluates their networks. It trains nothing and writes no file.
"""

from .completion import complete
from .ensemble import EnsemblePredictor, check_same_words, load_predictor, member_folders
from .predict import Predictor, likeliest
from .query import Queries, QueryRefused
from .samples import draw_samples, prompts_from
from .sampling import Sampling
from .search import beam_search

__all__ = [
    "EnsemblePredictor",
    "check_same_words",
    "load_predictor",
    "member_folders",
    "Predictor",
    "likeliest",
    "Sampling",
    "beam_search",
    "complete",
    "draw_samples",
    "prompts_from",
    "Queries",
    "QueryRefused",
]
