"""The command line `zaremba`, one file a command.

A command's file declares its options without importing anything heavy; its `run` imports the rooms
that it needs. So `zaremba --help` and a mistyped option answer before torch is loaded.
"""

from .main import main

__all__ = ["main"]
