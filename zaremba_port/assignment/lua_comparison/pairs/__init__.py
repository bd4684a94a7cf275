"""The pairs: which Lua functions and lines correspond to which Python code, and what differs."""

from .base import BASE
from .data import DATA
from .names import CONSTRUCTS, NAMES, Construct, Name
from .network import HEAD, NETWORK
from .pair import OUTSIDE, Pair
from .training import TRAINING

PAIRS: tuple[Pair, ...] = (*NETWORK, *TRAINING, *HEAD, *DATA, *BASE)
"""All pairs in the order of the page: from `lstm` on, the helpers and each file's head last."""

__all__ = ["CONSTRUCTS", "NAMES", "OUTSIDE", "PAIRS", "Construct", "Name", "Pair"]
