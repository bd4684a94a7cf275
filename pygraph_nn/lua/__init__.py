"""The original Lua programs, unmodified, on PyTorch: Torch7's packages over this library.

A Lua inside this process (the package lupa, ``pip install 'zaremba-port[lua]'``) runs the program.
Tensors are PyTorch's, layers and graphs are this library's. `prelude/` holds the part in Lua; the
room uses the exports of the rooms below it, and nothing imports it unasked.
"""

from .errors import LuaError, ProgramEnd
from .functions import LuaFunction
from .program import Program, run

__all__ = ["LuaError", "LuaFunction", "Program", "ProgramEnd", "run"]
