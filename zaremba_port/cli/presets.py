"""The command `zaremba presets`."""

from __future__ import annotations

import argparse
from dataclasses import fields

from ..config import PRESET_DESCRIPTIONS, PRESETS, Settings
from .parser import Commands

NOT_SHOWN = ("reference", "dtype", "seed", "on_nan", "record_norms")
"""Settings that all presets leave at their defaults."""


def add(commands: Commands) -> None:
    """Add the command."""
    commands.add("presets", run, "list the presets and their settings")


def run(options: argparse.Namespace) -> None:
    """Print the presets: a table for words, a table for characters, and a line about each."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    characters = [name for name in PRESETS if name.startswith("char-")]
    words = [name for name in PRESETS if name not in characters]
    for title, names in (("presets", words), ("presets for characters", characters)):
        table = Table(title=title, caption="every setting is an option of zaremba train")
        table.add_column("setting")
        for name in names:
            table.add_column(name, justify="right", no_wrap=True)
        for setting in fields(Settings):
            values = [getattr(PRESETS[name], setting.name) for name in names]
            if setting.name not in NOT_SHOWN:
                table.add_row(setting.name, *("" if v is None else f"{v}" for v in values))
        console.print(table)
    for name, text in PRESET_DESCRIPTIONS.items():
        console.print(f"{name}: {text}", highlight=False)
