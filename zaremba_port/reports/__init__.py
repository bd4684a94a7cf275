"""Seeing runs: what state each is in, and pages that compare them.

Everything is read from the run folders; the room trains nothing and writes only the pages asked
for.
"""

from .listing import find_runs
from .markdown import report_markdown
from .numbers import machines_table, number, results_table, settings_table
from .page import is_report, report_page
from .samples import samples_of
from .summary import Damaged, RunSummary, summarize

__all__ = [
    "Damaged",
    "RunSummary",
    "find_runs",
    "is_report",
    "machines_table",
    "number",
    "report_markdown",
    "report_page",
    "results_table",
    "samples_of",
    "settings_table",
    "summarize",
]
