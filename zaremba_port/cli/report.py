"""The command `zaremba report`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..errors import UserError
from .options import add_cell, check_folder_of, find_cells_here
from .parser import Commands

ENDINGS = (".html", ".md")


def add(commands: Commands) -> None:
    """Add the command and its options."""
    parser = commands.add("report", run, "write a page about one or several runs")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write: one page that needs no other file (.html), or Markdown with pictures "
        "in a folder beside it (.md); default report.html in the folder of a single run, or here",
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file of another kind")
    add_cell(parser)


def run(options: argparse.Namespace) -> None:
    """Write the report.

    Raises:
        UserError: a folder holds no run, or the file cannot be written.
    """
    default = Path(options.runs[0]) if len(options.runs) == 1 else Path()
    path = Path(options.output) if options.output else default / "report.html"
    if path.suffix not in ENDINGS or os.path.isdir(path):
        raise UserError(f"{path}: name a file that ends in .html or .md")
    folders = {Path(name).resolve(): Path(name) for name in options.runs}
    if len(folders) < len(options.runs):
        raise UserError("a run is named twice")
    find_cells_here(options)

    from ..reports import is_report, report_markdown, report_page, summarize

    summaries = [summarize(folder) for folder in folders.values()]
    check_folder_of(path)
    if not options.force and os.path.exists(path) and not is_report(path):
        raise UserError(f"{path} exists and is no report: overwrite it with --force")
    try:
        if path.suffix == ".html":
            path.write_text(report_page(summaries, options.cell), encoding="utf-8")
        else:
            text, pictures = report_markdown(summaries, path.stem, options.cell)
            for name, svg in pictures.items():
                picture = path.parent / name
                picture.parent.mkdir(exist_ok=True)
                picture.write_text(svg, encoding="utf-8")
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    print(f"the report is {path}")
