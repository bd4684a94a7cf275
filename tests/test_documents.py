"""What documents say about files: every path and every link in them leads somewhere.

A paragraph with ``<!-- CHECK ... -->`` waits for somebody to look at it and is left out. At the end
of a paragraph, the mark holds for the next one, too: for a list or table below it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pygraph_nn
import pygraph_nn.nn
import zaremba_port
from tools.imports import APPLICATION, LIBRARY, ROOT
from tools.site.api import Reference
from tools.site.checks import problems
from tools.site.sources import document_pages, relinked

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
FOLDERS = [LIBRARY, APPLICATION, "tests", "tools", "examples", "benchmarks"]
SOURCES = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}
SOURCES |= {path.name for path in ROOT.glob("*.*")}
# What a path in a document may be relative to: recurrent/plan.py stands for pygraph_nn/recurrent.
BASES = [ROOT, ROOT / LIBRARY, ROOT / APPLICATION, ROOT / LIBRARY / "recurrent"]
FIRST_PARTS = {path.name for base in BASES for path in base.iterdir() if path.is_dir()}

SUFFIXES = {".py", ".c", ".h", ".js"}
FENCED = re.compile(r"^( *)(`{3,}).*?^ *\2", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a document outside code blocks that nothing marks for a check."""
    parts = re.split(r"\n\s*\n", FENCED.sub("", text))
    marked = [re.search(r"<!-- CHECK.*?-->(\s*\Z)?", part, re.DOTALL) for part in parts]
    return [
        part
        for part, mark, mark_before in zip(parts, marked, [None, *marked], strict=False)
        if mark is None and (mark_before is None or mark_before[1] is None)
    ]


def missing_paths(text: str) -> list[str]:
    """Return the quoted paths in `text` that lead nowhere."""
    missing = []
    for quoted in QUOTED.findall(text):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", quoted) is None:
            continue
        first, slash, rest = quoted.partition("/")
        if not slash:
            exists = Path(quoted).suffix not in SUFFIXES or quoted in SOURCES
        else:  # runs/small, without an ending, is a user's folder
            is_ours = first in FIRST_PARTS and rest and (Path(rest).suffix or rest.endswith("/"))
            exists = not is_ours or any((base / quoted).exists() for base in BASES)
        if not exists:
            missing.append(quoted)
    return missing


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(document: Path, text: str) -> list[str]:
    """Return the links of `text`, within the repository, that lead nowhere."""
    broken = []
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists():
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            if anchor not in map(slug, headings):
                broken.append(target)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_and_links_lead_somewhere(document):
    text = "\n\n".join(paragraphs(document.read_text("utf-8")))
    assert missing_paths(text) == []
    assert broken_links(document, text) == []


def test_what_leads_nowhere_is_found():
    assert missing_paths("`graph/order.py`, `tests/`, `nn/core/missing.py`, `missing.py`") == [
        "nn/core/missing.py",
        "missing.py",
    ]
    text = "[a](README.md) [b](missing.md) [c](https://example.org) [d](README.md#missing)"
    assert broken_links(ROOT / "x.md", text) == ["missing.md", "README.md#missing"]
    assert broken_links(ROOT / "x.md", "[results](README.md#results)") == []


def test_marked_paragraphs_and_code_are_left_out():
    text = """a

```bash
`missing.py`
```

b <!-- CHECK: b --> goes on

c

<!-- CHECK: the next -->

d

e <!-- CHECK: and
the next -->

f

g"""
    assert [part.strip() for part in paragraphs(text) if part.strip()] == ["a", "c", "g"]


def test_links_of_the_site_are_checked(tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="b.html#here">b</a> <a href="c.html">c</a>'
        '<a href="b.html#there">b</a> <a href="https://example.org">elsewhere</a>'
        '<script src="https://example.org/x.js"></script><img src="data:image/png;base64,AA==">'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="a.html#top">a</a>')
    (tmp_path / "s.css").write_text("@import url(//example.org/font.css);")
    assert problems(tmp_path) == [
        "a.html: c.html: there is no such file",
        "a.html: b.html#there: there is no #there",
        "a.html: fetches https://example.org/x.js",
        "s.css: fetches //example.org/font.css",
    ]


def test_links_are_rewritten_for_the_site(tmp_path):
    pages = document_pages()
    text = "[a](../CHANGELOG.md#added) [b](speed.md) `[c](x.md)` [d](../examples/lstm_cell.ipynb)"
    expected = "[a](changelog.md#added) [b](speed.md) `[c](x.md)` [d](lstm_cell.ipynb)"
    assert relinked(text, "docs", pages, tmp_path) == expected
    moved = relinked("[`model.py`](../zaremba_port/model.py)", "docs", pages, tmp_path)
    assert moved == "[`model.py`](files/zaremba_port/model.py)"
    assert (tmp_path / "files/zaremba_port/model.py").is_file()
    with pytest.raises(SystemExit, match="leads nowhere"):
        relinked("[x](missing.md)", "docs", pages, tmp_path)


def test_the_reference_has_every_public_name(tmp_path):
    Reference(tmp_path / "api").write()
    text = "\n".join(path.read_text("utf-8") for path in (tmp_path / "api").glob("*.rst"))
    for package in (pygraph_nn, pygraph_nn.nn, zaremba_port):
        for name in package.__all__:
            full = re.escape(f"{package.__name__}.{name}")
            assert re.search(
                rf"(:: |``){full}$|^``{name}``$|automodule:: {full}|^``{full}``$", text, re.M
            ), full
