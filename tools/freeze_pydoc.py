"""Make the text "pydoc" that the package ships, from the standard library of this Python.

    python tools/freeze_pydoc.py

The text belongs to one version of Python, so that everyone trains on the same words: making it
anew changes the numbers of every run on it.
"""

from __future__ import annotations

import gzip
import platform
import sysconfig
import tempfile
from pathlib import Path

from zaremba_port.text import pydoc_texts
from zaremba_port.text.frozen import FROZEN_FILE, FROZEN_PYTHON


def main() -> None:
    if platform.python_version() != FROZEN_PYTHON:
        raise SystemExit(f"The text is that of Python {FROZEN_PYTHON}: run this by that version.")
    with tempfile.TemporaryDirectory() as cache:
        texts = pydoc_texts(Path(sysconfig.get_paths()["stdlib"]), Path(cache))
    FROZEN_FILE.parent.mkdir(exist_ok=True)
    FROZEN_FILE.write_bytes(gzip.compress("\f".join(texts).encode(), mtime=0))
    print(f"{FROZEN_FILE}: {FROZEN_FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
