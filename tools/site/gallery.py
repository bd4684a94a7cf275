"""Write the pages of the gallery: each program of examples/gallery, its picture and its page."""

from __future__ import annotations

import runpy
from pathlib import Path

import pygraph_nn as nngraph

from .sources import ROOT

PROGRAMS = ROOT / "examples" / "gallery"


def write_gallery(stage: Path) -> None:
    """Write a page for each program, and the index with all pictures, into ``stage/gallery``."""
    folder, extra = stage / "gallery", stage / "extra" / "graphs"
    folder.mkdir()
    extra.mkdir(parents=True)
    entries = []
    for path in sorted(PROGRAMS.glob("*.py")):
        program = runpy.run_path(str(path))
        title, _, description = program["__doc__"].partition("\n")
        graph, inputs = program["graph"], program["inputs"]
        values = nngraph.trace(graph, inputs)
        graph.dot(fname=folder / f"{path.stem}.svg", values=values)
        nngraph.html_page(graph, extra / f"{path.stem}.html", title=title, values=values)
        (folder / path.name).write_bytes(path.read_bytes())
        page = [
            f"# {title.rstrip('.')}",
            "",
            description.strip(),
            "",
            f"[The interactive page of this graph](../graphs/{path.stem}.html){{.external}}: zoom,"
            " find, fold, walk forward and backward.",
            "",
            f"![the graph of {title.partition(':')[0]}]({path.stem}.svg)",
            "",
            f"```{{literalinclude}} {path.name}",
            ":language: python",
            ":start-at: import torch",
            "```",
            "",
        ]
        (folder / f"{path.stem}.md").write_text("\n".join(page), "utf-8")
        entries.append((path.stem, title.partition(":")[0]))
    (folder / "index.md").write_text(index(entries), "utf-8")


def index(entries: list[tuple[str, str]]) -> str:
    """Return the page with all pictures, for (name, title) of each program."""
    lines = ["# Gallery of graphs", ""]
    lines += ["Each graph with its code, its picture and its interactive page.", ""]
    for name, title in entries:
        lines += [f"## [{title}]({name}.md)", "", f"[![{title}]({name}.svg)]({name}.md)", ""]
    lines += ["```{toctree}", ":hidden:", "", *(name for name, _ in entries), "```", ""]
    return "\n".join(lines)
