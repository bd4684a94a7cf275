"""Configuration of Sphinx for the site; `build.py` copies it into the collected sources."""

import os
import re
from typing import Any

project = "zaremba-port"
author = "the zaremba-port developers"
copyright = author
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]
exclude_patterns = ["extra", "files", "gallery/*.py", "jupyter_execute"]
html_extra_path = ["extra"]
html_static_path = ["static"]
# One file, which needs no other; `build.py` copies it from the package that brings it.
mathjax_path = "mathjax/tex-svg.js"
nitpicky = False
suppress_warnings = ["config.cache"]

# Markdown and notebooks.
myst_enable_extensions = ["dollarmath", "amsmath", "html_image", "attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = os.environ.get("ZAREMBA_NOTEBOOKS", "force")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

# Docstrings: `name` is code, and a link if there is such an object.
default_role = "py:obj"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
add_module_names = False
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "zaremba-port"
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}

if os.environ.get("ZAREMBA_QUICK"):
    html_theme_options["announcement"] = "The notebooks of this build ran on small settings."

CODE = re.compile(r"(``.*?``|`[^`]*`)")
# Emphasis is one or several words; any other star, and a bar, is meant as it stands: |x|, *args.
STAR = re.compile(r"(\*\*?)(\w(?:[^*\n]*\w)?)\1(?!\w)|[*|]")


def escape_line(line: str) -> str:
    """Escape what reStructuredText would read as markup in a line of plain text."""

    def escaped(match: "re.Match[str]") -> str:
        return match[0] if match[1] else f"\\{match[0]}"

    indent = re.match(r"\s*(?:[*-] )?", line)
    start = indent.end() if indent else 0
    parts = CODE.split(line[start:])
    return line[:start] + "".join(p if p[:1] == "`" else STAR.sub(escaped, p) for p in parts)


def escape_docstring(
    app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Escape the lines of a docstring outside examples and literal blocks."""
    literal: int | None = None  # the indent of the line that ends with ::
    in_example = False
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        if literal is None and not in_example:
            lines[i] = escape_line(line)
            if line.rstrip().endswith("::"):
                literal = indent


def setup(app: Any) -> None:
    """Let docstrings be plain text; this comes before napoleon, which adds markup."""
    app.connect("autodoc-process-docstring", escape_docstring, priority=100)
