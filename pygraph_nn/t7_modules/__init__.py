"""Torch7's networks in ``.t7`` files: read as modules, and written as Torch7 loads them.

`loading` and `saving` are the two functions. `reading` and `writing` translate layers by what they
declare, `graph_reading` and `graph_writing` gModules; `special` has the layers that are made of
other parts in Torch7.
"""

from .loading import load_t7
from .placeholder import Placeholder
from .reading import ModuleReader
from .saving import save_t7
from .writing import ModuleWriter

__all__ = ["ModuleReader", "ModuleWriter", "Placeholder", "load_t7", "save_t7"]
