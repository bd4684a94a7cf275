"""The text "pydoc" as the package ships it: `pydoc_texts` of one version of Python.

The standard library differs from version to version, so a text of the running Python gives every
student other numbers. This one is the same everywhere. It is under Python's licence
(assets/PYTHON_LICENSE.txt); what was changed says `pydoc`.
"""

from __future__ import annotations

import gzip
from pathlib import Path

FROZEN_PYTHON = "3.11.7"
"""The version of Python whose documentation the text consists of."""

FROZEN_FILE = Path(__file__).parent / "assets" / "pydoc.txt.gz"


def frozen_texts() -> list[str]:
    """Return the training, validation and test text, a sentence a line."""
    return gzip.decompress(FROZEN_FILE.read_bytes()).decode().split("\f")
