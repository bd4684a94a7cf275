"""Write the slides of the lecture: examples/lecture.ipynb as a page of reveal.js."""

from __future__ import annotations

from pathlib import Path


def write_slides(stage: Path) -> None:
    """Write ``slides/lecture.html``."""
