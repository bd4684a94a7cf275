"""The data of the tests that the repository does not hold."""

from __future__ import annotations

import os
from pathlib import Path


def treebank_folder() -> str:
    """Return the folder of the Penn Treebank in $ZAREMBA_TEST_DATA; "" if it is not there."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ZAREMBA_TEST_DATA") or default) / "data" / "ptb"
    return str(folder) if folder.is_dir() else ""
