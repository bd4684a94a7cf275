"""Write the slides of the lecture: examples/lecture.ipynb, run, as a page of reveal.js.

A cell's `slideshow` metadata says where it goes, as JupyterLab sets it: a new slide, a fragment
that appears later, the slide before, or none. All scripts are files of the site; reveal.js comes
from the package sphinx-revealjs.
"""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbclient import NotebookClient
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .sources import ROOT

NOTEBOOK = ROOT / "examples" / "lecture.ipynb"
REVEAL = "sphinx_revealjs/_static/revealjs/"
NEEDED = (
    "dist/reveal.js",
    "dist/reveal.css",
    "dist/reset.css",
    "dist/theme/white.css",
    "plugin/notes/",
)
NEW_SLIDE = ("slide", "subslide")
LEFT_OUT = ("skip", "notes")


class Part(NamedTuple):
    """What a cell shows on its slide; a fragment appears at a further key press."""

    html: str
    is_fragment: bool


def write_slides(stage: Path) -> None:
    """Write ``slides/lecture.html`` and the scripts that it needs."""
    folder = stage / "extra" / "slides"
    folder.mkdir(parents=True)
    copy_reveal(folder / "reveal.js")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if os.environ.get("ZAREMBA_NOTEBOOKS") != "off":
        with tempfile.TemporaryDirectory() as scratch:
            NotebookClient(
                notebook, timeout=300, resources={"metadata": {"path": scratch}}
            ).execute()
    template = jinja2.Template((Path(__file__).parent / "slides.html").read_text("utf-8"))
    page = template.render(
        title=notebook.cells[0].source.splitlines()[0].lstrip("# "),
        colours=HtmlFormatter(nobackground=True).get_style_defs(".code"),
        slides=slides_of(notebook),
    )
    (folder / "lecture.html").write_text(page, "utf-8")


def copy_reveal(target: Path) -> None:
    """Copy what the slides need of reveal.js from the package that brings it."""
    for file in files("sphinx-revealjs") or []:
        inside = str(file).removeprefix(REVEAL)
        if inside != str(file) and inside.startswith(NEEDED):
            copy = target / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(str(file.locate())), copy)


def slides_of(notebook: Any) -> list[list[Part]]:
    """Return the parts of each slide of a notebook."""
    slides: list[list[Part]] = []
    for cell in notebook.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type", "-")
        if kind in LEFT_OUT:
            continue
        if kind in NEW_SLIDE or not slides:
            slides.append([])
        slides[-1].append(Part(html_of(cell), kind == "fragment"))
    return slides


def html_of(cell: Any) -> str:
    """Return a cell as HTML: prose, or code and its outputs."""
    if cell.cell_type != "code":
        return prose().render(cell.source)
    is_hidden = "hide-input" in cell.metadata.get("tags", [])
    code = (
        "" if is_hidden else highlight(cell.source, PythonLexer(), HtmlFormatter(cssclass="code"))
    )
    return "\n".join([code, *map(html_of_output, cell.outputs)])


def prose() -> MarkdownIt:
    """Return what renders Markdown, with formulas as MathJax reads them."""

    def formula(content: str, options: dict[str, bool]) -> str:
        start, end = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
        return f"{start}{html.escape(content)}{end}"

    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=formula)


def html_of_output(output: Any) -> str:
    """Return the picture of an output, or else its text."""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        picture = f"image/svg+xml,{quote(data['image/svg+xml'])}"
    elif "image/png" in data:
        picture = f"image/png;base64,{data['image/png'].strip()}"
    else:
        text = output.get("text") or data.get("text/plain", "")
        return f'<pre class="output">{html.escape(text)}</pre>' if text.strip() else ""
    title = html.escape(data.get("text/plain", "picture"), quote=True)
    return f'<img class="output" alt="{title}" src="data:{picture}">'
