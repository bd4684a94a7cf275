"""Templates of HTML pages, by jinja2 with autoescape."""

from __future__ import annotations

from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .prose import inline_html, prose_html
from .text import printable


def environment(package: str) -> Environment:
    """Load the templates in the folder ``assets`` of a package, given by its full name.

    In a template ``asset("page.css")`` inserts a file unchanged, from that folder or from this
    package's own. The filters ``prose`` and ``inline`` convert prose to HTML. An undefined name
    raises an error. Characters that HTML cannot contain become U+FFFD.
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
