"""Templates of HTML pages: jinja2, escaping everything that is not markup already."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .prose import inline_html, prose_html
from .text import printable


def environment(package: str) -> Environment:
    """Load the templates in the folder ``assets`` of `package`, given by its full name.

    In a template ``asset("page.css")`` is the text of a file as it is, from that folder or from
    this package's own; the filters ``prose`` and ``inline`` write prose as HTML. A name that the
    template is not given raises an error, and characters that HTML cannot contain are replaced.
    """
    loader = ChoiceLoader([PackageLoader(name, "assets") for name in (package, __package__)])
    templates = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals["asset"] = lambda name: Markup(loader.get_source(templates, name)[0])
    templates.filters |= {"prose": prose_html, "inline": inline_html}
    return templates


def _printable(value: Any) -> Any:
    return type(value)(printable(value)) if isinstance(value, str) else value
