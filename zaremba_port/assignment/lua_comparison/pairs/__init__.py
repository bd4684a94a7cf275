"""What corresponds to what in the Lua program and here, part by part."""

from .base import BASE
from .data import DATA
from .names import CONSTRUCTS, NAMES, Construct, Name
from .network import NETWORK
from .pair import OUTSIDE, Pair
from .training import TRAINING

PAIRS: tuple[Pair, ...] = (*NETWORK, *TRAINING, *BASE, *DATA)

__all__ = ["CONSTRUCTS", "NAMES", "OUTSIDE", "PAIRS", "Construct", "Name", "Pair"]
