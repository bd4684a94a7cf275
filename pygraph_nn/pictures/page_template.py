"""The template of HTML pages, and the script and the style that fill it."""

from __future__ import annotations

import functools
import graphlib
import posixpath
import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2  # imported where it is used, so that importing this library does not load it

_IMPORT = re.compile(r'^import \{[^}]*\} from "([^"]+)";\n+', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:const|let|function) )", re.MULTILINE)
_DOC_COMMENT = re.compile(r"^ */\*\*(?:[^*]|\*(?!/))*\*/\n+", re.MULTILINE)


def fill_template(title: str, data: dict[str, object]) -> str:
    """Return the page that shows `data`, from `page_data`."""
    style = _asset("page.css")
    return _template().render(title=title, data=data, style=style, script=joined_script())


@functools.cache
def joined_script() -> str:
    """Return ``main.js`` and all modules that it imports as one script.

    A page that is opened as a file cannot import other files, so its script is one module, in
    which each file follows the files that it imports. Imports, ``export`` and doc comments are
    left out. All files share one scope: their top-level names differ.

    Raises:
        graphlib.CycleError: files import one another.
    """
    sources: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    waiting = ["main.js"]
    while waiting:
        name = waiting.pop()
        if name in sources:
            continue
        sources[name] = _asset(name)
        paths = _IMPORT.findall(sources[name])
        folder = posixpath.dirname(name)
        imports[name] = [posixpath.normpath(posixpath.join(folder, path)) for path in paths]
        waiting += imports[name]
    order = graphlib.TopologicalSorter(imports).static_order()
    return "\n".join(_bare(sources[name]) for name in order)


def _bare(source: str) -> str:
    """Return a module's code without imports, ``export`` and doc comments."""
    return _EXPORT.sub("", _IMPORT.sub("", _DOC_COMMENT.sub("", source)))


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pygraph_nn.pictures", "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment.get_template("page.html")


def _asset(name: str) -> str:
    return (resources.files("pygraph_nn.pictures") / "assets" / name).read_text(encoding="utf-8")
