"""Answers as one HTML page that needs nothing else: pictures, styles and code are inside."""

from __future__ import annotations

import html
import io
import keyword
import re
import tokenize
from collections.abc import Iterator, Mapping

from pygraph_nn import GraphError

from .answer import Answer, Picture, Section
from .report import INLINE, INTRODUCTION, TITLE, blocks


def html_page(answers: Mapping[str, Answer]) -> str:
    """The answers as an HTML document, for light and for dark screens."""
    links = "".join(
        f'<li><a href="#{name}">{_escaped(answer.title)}</a></li>'
        for name, answer in answers.items()
    )
    articles = "\n".join(_article(name, answer) for name, answer in answers.items())
    contents = f"<nav><ul>{links}</ul></nav>" if len(answers) > 1 else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{_escaped(TITLE)}</title>
<style>{STYLE}</style>
</head>
<body>
<header><h1>{_escaped(TITLE)}</h1><p>{_inline(INTRODUCTION)}</p>{contents}</header>
<main>
{articles}
</main>
</body>
</html>
"""


def _article(name: str, answer: Answer) -> str:
    parts = [
        f'<article id="{name}">',
        f"<h2>{_escaped(answer.title)}</h2>",
        f'<p class="question">{_inline(answer.question)}</p>',
        f'<div class="statement">{_prose(answer.statement)}</div>',
    ]
    number = 0
    for section in answer.sections:
        parts += _section(section)
        for picture in section.pictures:
            number += 1
            parts.append(_figure(picture, f"{name}-{number}-"))
    return "\n".join([*parts, "</article>"])


def _section(section: Section) -> Iterator[str]:
    yield f"<h3>{_escaped(section.heading)}</h3>"
    yield _prose(section.text)
    if section.code:
        yield f'<pre class="code"><code>{highlighted(section.code)}</code></pre>'
    if section.output:
        output = HOLDS.sub(r'<span class="holds">\g<0></span>', _escaped(section.output))
        yield f'<pre class="output"><samp>{output}</samp></pre>'


HOLDS = re.compile(r"^✓.*$", re.MULTILINE)


def _figure(picture: Picture, prefix: str) -> str:
    try:
        drawing = _inline_svg(picture.svg(), prefix, picture.caption)
    except GraphError as error:
        drawing = f'<p class="missing">No picture: {_escaped(str(error))}</p>'
    caption = f"<figcaption>{_inline(picture.caption)}</figcaption>"
    return f'<figure><div class="picture">{drawing}</div>{caption}</figure>'


def _inline_svg(svg: str, prefix: str, label: str) -> str:
    """The svg element of a document, its ids made different from those of other pictures."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{_escaped(label)}"', 1)


# Prose

SUPERSCRIPTS = dict(zip("⁰¹²³⁻⁺ˡᵀ", "0123−+lT", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₋₊ₜ", "0123−+t", strict=True))
# hₜ₋₁ˡ: both at once, to be set one above the other.
INDICES = re.compile(f"([{''.join(SUBSCRIPTS)}]+)([{''.join(SUPERSCRIPTS)}]+)")


def _prose(text: str) -> str:
    parts = []
    for kind, lines in blocks(text):
        if kind == "formula":
            parts.append(f'<p class="formula">{_indices(_escaped(chr(10).join(lines)))}</p>')
        elif kind == "list":
            items = "".join(f"<li>{_inline(item)}</li>" for item in lines)
            parts.append(f"<ul>{items}</ul>")
        else:
            parts.append(f"<p>{_inline(lines[0])}</p>")
    return "\n".join(parts)


def _inline(text: str) -> str:
    """`text` with its `code` and **bold** parts marked."""

    def marked(found: re.Match[str]) -> str:
        code, bold = found.groups()
        return f"<code>{code}</code>" if code else f"<strong>{bold}</strong>"

    return _indices(INLINE.sub(marked, _escaped(text)))


def _indices(text: str) -> str:
    def stacked(found: re.Match[str]) -> str:
        below = "".join(SUBSCRIPTS[c] for c in found[1])
        above = "".join(SUPERSCRIPTS[c] for c in found[2])
        return f'<span class="indices"><sup>{above}</sup><sub>{below}</sub></span>'

    return INDICES.sub(stacked, text)


def _escaped(text: str) -> str:
    return html.escape(text)


# Code


def highlighted(code: str) -> str:
    """Python source as HTML, its keywords, names that are defined, texts and comments in spans.

    >>> highlighted("def f(): return 'a'")
    '<span class="k">def</span> <span class="d">f</span>(): <span class="k">return</span> ...
    """
    lines = code.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    made, end, before = [], 0, ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        kind = _kind(token, before)
        if token.type in (tokenize.NAME, tokenize.OP):
            before = token.string
        if not kind:
            continue
        start = max(end, starts[token.start[0] - 1] + token.start[1])
        made.append(_escaped(code[end:start]))
        end = starts[token.end[0] - 1] + token.end[1]
        made.append(f'<span class="{kind}">{_escaped(code[start:end])}</span>')
    return "".join([*made, _escaped(code[end:])])


def _kind(token: tokenize.TokenInfo, before: str) -> str:
    if token.type == tokenize.COMMENT:
        return "c"
    if token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
        return "s"
    if token.type == tokenize.NUMBER:
        return "n"
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "k"
    return "d" if token.type == tokenize.NAME and before in ("def", "class") else ""


STYLE = """
:root {
  --paper: #fdfdfc; --ink: #1f2933; --pale: #5f6b76; --line: #d9dee3; --code: #f4f6f8;
  --accent: #1d5c96; --holds: #22702f; --statement: #eef4fa;
  --k: #8a2a6d; --d: #1d5c96; --s: #2f6f3e; --n: #9a5a00; --c: #6b7782;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15191e; --ink: #dde3e9; --pale: #98a4b0; --line: #333c46; --code: #1d232a;
    --accent: #7fb5ea; --holds: #7fcf8f; --statement: #1a2733;
    --k: #e39acb; --d: #8fc0f0; --s: #93cf9f; --n: #e0b070; --c: #8b97a3;
  }
  .picture svg { filter: invert(0.9) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.2rem 5rem; max-width: 54rem;
  background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 0.8rem; }
h2 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 0.6rem; }
h3 { font-size: 1.12rem; margin: 2rem 0 0.4rem; }
p { margin: 0.6rem 0; }
a { color: var(--accent); }
nav ul { list-style: none; padding: 0; margin: 1.2rem 0 0; columns: 22rem; }
article { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 2.2rem; }
.question { color: var(--pale); font-style: italic; }
.statement {
  background: var(--statement); border-left: 4px solid var(--accent);
  border-radius: 0 6px 6px 0; padding: 0.4rem 1.1rem; margin: 1rem 0;
}
.formula {
  font-family: "Cambria Math", "STIX Two Text", Georgia, "DejaVu Serif", serif;
  white-space: pre; overflow-x: auto; margin: 0.8rem 0 0.8rem 1.5rem; padding-top: 0.2rem;
}
.indices { display: inline-flex; flex-direction: column; vertical-align: middle; line-height: 1; }
.indices sup, .indices sub { font-size: 0.68em; vertical-align: baseline; }
code, pre, samp { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
p code, li code, figcaption code {
  background: var(--code); border-radius: 3px; padding: 0.08em 0.3em; font-size: 0.88em;
}
.statement code { background: none; padding: 0; }
pre {
  overflow-x: auto; margin: 0.8rem 0 0; padding: 0.8rem 1rem; font-size: 0.8rem; line-height: 1.5;
  border: 1px solid var(--line); border-radius: 6px;
}
pre.code { background: var(--code); }
pre.code + pre.output { margin-top: 0; border-top: 0; border-radius: 0 0 6px 6px; }
pre.code:has(+ pre.output) { border-radius: 6px 6px 0 0; }
.holds { color: var(--holds); font-weight: 600; }
.k { color: var(--k); } .d { color: var(--d); font-weight: 600; } .s { color: var(--s); }
.n { color: var(--n); } .c { color: var(--c); font-style: italic; }
figure {
  margin: 1.4rem 0; width: max-content; max-width: min(96vw, 92rem);
  position: relative; left: 50%; transform: translateX(-50%);
}
.picture { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; background: white; }
@media (prefers-color-scheme: dark) { .picture { background: #1a1a1a; } }
.picture svg {
  display: block; max-width: 100%; min-width: min(100%, 40rem); height: auto; margin: auto;
}
.missing { padding: 0.4rem 1rem; color: var(--pale); max-width: 50rem; white-space: normal; }
figcaption { color: var(--pale); font-size: 0.92rem; text-align: center; margin-top: 0.4rem; }
@media print {
  body { max-width: none; } article { break-before: page; } pre { white-space: pre-wrap; }
}
"""
