"""Tables of measurements in documents, each between two marks."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Write `text` between the lines `begin` and `end` of `page`, in place of what is there.

    Raises:
        ValueError: the page lacks one of the marks.
    """
    before, first, rest = page.read_text(encoding="utf-8").partition(f"{begin}\n")
    _, last, after = rest.partition(f"{end}\n")
    if not first or not last:
        raise ValueError(f"{page} lacks {begin} or {end}")
    page.write_text(f"{before}{begin}\n{text}\n{end}\n{after}", encoding="utf-8")
