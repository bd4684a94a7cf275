"""The original Lua program beside this package, function by function.

`compare` reads a folder of Lua files and matches it with the source of this package; `html_page`
shows the result. The room reads source code and runs none of it.
"""

from .comparison import compare
from .fetch import fetch_lua
from .page import html_page

__all__ = [
    "compare",
    "fetch_lua",
    "html_page",
]
