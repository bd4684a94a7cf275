"""The original Lua program beside this package, function by function.

`compare` reads a folder of Lua files and matches it with the source of this package; `html_page`
shows the result. `run_both` runs the Lua program in a process of its own and this package here, and
pairs the numbers that they compute; nothing else in the room runs the code that it reads.
"""

from .comparison import compare
from .fetch import fetch_lua
from .page import html_page
from .running import Number, Run, run_both

__all__ = [
    "Number",
    "Run",
    "compare",
    "fetch_lua",
    "html_page",
    "run_both",
]
