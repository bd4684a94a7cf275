"""Seeing runs: what state each is in, and pages that compare them.

Everything is read from the run folders; the room trains nothing and writes only the pages asked
for.
"""

from .listing import find_runs
from .markdown import report_markdown
from .page import report_page
from .summary import Damaged, RunSummary, summarize

__all__ = [
    "Damaged",
    "RunSummary",
    "find_runs",
    "report_markdown",
    "report_page",
    "summarize",
]
