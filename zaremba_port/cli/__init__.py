"""The command line `zaremba`."""

from .main import main

__all__ = ["main"]
