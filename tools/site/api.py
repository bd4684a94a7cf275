"""Write the pages of the API reference from what the packages export, and of the commands.

A name is documented once, on the first page that has it. A page of a later package that exports
the same object links to it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import itertools
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARY, LAYERS, APPLICATION = "pygraph_nn", "pygraph_nn.nn", "zaremba_port"
# What users of the command line never import.
NOT_LISTED = {"zaremba_port.cli"}


def exporting_packages() -> list[ModuleType]:
    """Return the two packages, and the rooms directly in them, that list names in `__all__`."""
    names = [LIBRARY, LAYERS, APPLICATION]
    for package in (LIBRARY, APPLICATION):
        folder = importlib.import_module(package).__path__
        names += [f"{package}.{m.name}" for m in pkgutil.iter_modules(folder) if m.ispkg]
    packages = [importlib.import_module(n) for n in dict.fromkeys(names) if n not in NOT_LISTED]
    return [package for package in packages if getattr(package, "__all__", None)]


class Reference:
    """Writes pages in reStructuredText, and knows what they documented."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.documented: dict[int, str] = {}  # by the id of an object: its full name
        self.pages: list[str] = []

    def write(self) -> None:
        """Write all pages, and the index."""
        self.folder.mkdir()
        for package in exporting_packages():
            if package.__name__ == LAYERS:
                self._write_layers(package)
            else:
                self._write_page(package.__name__, package, list(package.__all__))
        contents = ["API reference", "=============", "", ".. toctree::", "   :maxdepth: 1", ""]
        text = "\n".join([*contents, *(f"   {page}" for page in self.pages), ""])
        (self.folder / "index.rst").write_text(text)

    def _write_layers(self, package: ModuleType) -> None:
        """Write a page for each family of layers: each module that defines some."""
        families: dict[str, list[str]] = {}
        for name in package.__all__:
            module = getattr(package, name).__module__
            families.setdefault(module, []).append(name)
        for module, names in sorted(
            families.items(), key=lambda item: (".core." not in item[0], item)
        ):
            self._write_page(
                module.replace(".layers.", ".").replace(".criteria.", "."), package, names, module
            )

    def _write_page(
        self, page: str, package: ModuleType, names: list[str], source: str = ""
    ) -> None:
        module = importlib.import_module(source or package.__name__)
        lines = [page, "=" * len(page), "", inspect.getdoc(module) or "", ""]
        if source:
            lines += [f"Import these from ``{package.__name__}``.", ""]
        for name in names:
            lines += [*self._entry(package, name), ""]
        self.pages.append(page)
        (self.folder / f"{page}.rst").write_text("\n".join(lines), "utf-8")

    def _entry(self, package: ModuleType, name: str) -> list[str]:
        value: Any = getattr(package, name)
        full = f"{package.__name__}.{name}"
        identifiable = callable(value) or inspect.ismodule(value)
        if identifiable and id(value) in self.documented:
            known = self.documented[id(value)]
            return [f"``{name}``", f"    The same as :py:obj:`{known}`."]
        if identifiable:
            self.documented[id(value)] = full
        if inspect.ismodule(value):
            return self._module_entry(full, value)
        if inspect.isclass(value):
            # What a layer overrides is described once, at its base class.
            is_layer = package.__name__ == LAYERS and ".core." not in value.__module__
            members = [] if is_layer else ["   :members:"]
            return [f".. autoclass:: {full}", *members, "   :show-inheritance:"]
        if inspect.isfunction(value) or inspect.isbuiltin(value):
            return [f".. autofunction:: {full}"]
        text = documentation_of(package, name).splitlines()
        return [f".. py:data:: {full}", "", *(f"   {line}" for line in text)]

    def _module_entry(self, full: str, value: ModuleType) -> list[str]:
        if getattr(value, "__all__", None):
            return (
                [f"``{full}``", f"    A package with a page of its own: :doc:`{value.__name__}`."]
                if (value.__name__ != LAYERS)
                else [f"``{full}``", "    The layers and criteria, on the pages ``pygraph_nn.nn``."]
            )
        return [f".. automodule:: {value.__name__}", "   :members:"]


def documentation_of(package: ModuleType, name: str) -> str:
    """Return the string below the assignment of a constant, which Python itself does not keep."""
    tree = ast.parse(inspect.getsource(package))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            source = "." * node.level + (node.module or "")
            return documentation_of(importlib.import_module(source, package.__name__), name)
    for node, below in itertools.pairwise(tree.body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_text = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
        if is_text and name in [getattr(target, "id", None) for target in targets]:
            return inspect.cleandoc(below.value.value)
    return ""


def commands_page() -> str:
    """Return the page of the command line, the help of every command, in Markdown."""
    from zaremba_port.cli.main import make_parser
    from zaremba_port.cli.parser import with_commands

    lines = ["# The command line", "", "What `--help` prints, command by command.", ""]
    for parser in with_commands(make_parser()):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            parser.print_help()
        lines += [f"## {parser.prog}", "", "```text", out.getvalue().rstrip(), "```", ""]
    return "\n".join(lines)
