"""The original Lua program beside this package, function by function."""

from .fetch import fetch_lua
from .matches import compare
from .page import html_page

__all__ = [
    "compare",
    "fetch_lua",
    "html_page",
]
