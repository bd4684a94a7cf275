"""The original Lua program beside this package, function by function."""

from .comparison import compare
from .fetch import fetch_lua
from .page import html_page

__all__ = [
    "compare",
    "fetch_lua",
    "html_page",
]
