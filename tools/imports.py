"""The rooms of both packages, their floors, and the imports between them, read from the source.

`tests/test_layering.py` checks the floors; `tools/draw_architecture.py` draws them. Everything is
read with `ast`: nothing of the project runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY, APPLICATION = "pygraph_nn", "zaremba_port"

# Lowest floor first. A floor is one module of the package's own folder, or one room: a folder.
FLOORS = {
    LIBRARY: [
        "errors",
        "torch7_random",
        "t7",
        "nested",
        "node",
        "nn.core",
        "nn.layers",
        "nn.criteria",
        "nn",
        "graph",
        "t7_modules",
        "recurrent.native",
        "recurrent",
        "pictures",
        "debug",
        "lua.tensors",
        "lua",
        "__main__",
    ],
    APPLICATION: [
        "errors",
        "lua_programs",
        "cells",
        "config",
        "text",
        "model",
        "parallel",
        "language_model",
        "unrolled",
        "engines",
        "runs",
        "evaluate",
        "completing",
        "train",
        "experiments",
        "torch7",
        "assignment.markup",
        "assignment.characters",
        "assignment.diagrams",
        "assignment.lua_comparison",
        "assignment.answers",
        "assignment",
        "reports",
        "cli",
        "__main__",
    ],
}

# The single exception: methods that only show something import the pictures inside themselves.
SHOWING = {
    f"{LIBRARY}.graph.gmodule": {"dot", "html", "_repr_mimebundle_"},
    f"{LIBRARY}.recurrent.plan": {"dot"},
}


@dataclass(frozen=True)
class Import:
    """One name imported from one module of the two packages.

    Attributes:
        importer: the importing module.
        line: the line in its source.
        target: the module it imports from.
        name: the name taken from it; empty where the module itself is imported.
        within: the function that contains the statement; empty at the top of the file.
    """

    importer: str
    line: int
    target: str
    name: str = ""
    within: str = ""

    @property
    def only_shows(self) -> bool:
        """Return whether the import is one of the exceptions in `SHOWING`."""
        shows = self.within in SHOWING.get(self.importer, set())
        return shows and is_within(self.target, f"{LIBRARY}.pictures")

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.target} {self.name}".rstrip()


def is_within(module: str, package: str) -> bool:
    """Return whether `module` is `package` or a module inside it."""
    return module == package or module.startswith(f"{package}.")


def floor(module: str) -> int | None:
    """Return the index of the floor of `module`; None if FLOORS has none for it."""
    package, _, inner = module.partition(".")
    # The longest name counts: recurrent.lstm before recurrent.
    names = [name for name in FLOORS[package] if is_within(inner, name)]
    return FLOORS[package].index(max(names, key=len)) if names else None


def room(module: str) -> str:
    """Return the room that `module` belongs to, as FLOORS names it, with its package."""
    package = module.partition(".")[0]
    index = floor(module)
    return package if index is None else f"{package}.{FLOORS[package][index]}"


class House:
    """The modules of both packages below a folder, and their imports of each other.

    Attributes:
        files: the file of each module, by dotted name.
        sources: the parsed source of each module.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.files: dict[str, Path] = {}
        for package in FLOORS:
            for path in sorted((root / package).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.files[name] = path
        self.sources = {
            name: ast.parse(path.read_text(encoding="utf-8"), str(path))
            for name, path in self.files.items()
        }

    def is_package(self, module: str) -> bool:
        """Return whether `module` is a folder with an ``__init__``, in one of the packages."""
        return module in self.files and self.files[module].name == "__init__.py"

    @cached_property
    def imports(self) -> list[Import]:
        """Return the imports of modules of the packages, also those inside functions."""
        return [each for module in self.files for each in self._imports_of(module)]

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node, function in statements(self.sources[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.partition(".")[0] in FLOORS:
                        yield Import(module, node.lineno, alias.name, within=function)
            elif isinstance(node, ast.ImportFrom):
                source = self.source_of(module, node)
                if source.partition(".")[0] not in FLOORS:
                    continue
                for alias in node.names:
                    target, name = self._target(module, source, alias.name)
                    yield Import(module, node.lineno, target, name, within=function)

    def _target(self, importer: str, source: str, name: str) -> tuple[str, str]:
        """Return the module that ``from source import name`` reaches, and the name it takes."""
        submodule = f"{source}.{name}"
        # pygraph_nn.recurrent is a room to the library, and a function to those who use it.
        is_export = importer.partition(".")[0] != source and name in self.exports(source)
        if submodule in self.files and not (is_export and name != "nn"):
            return submodule, ""
        return source, name

    def source_of(self, module: str, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module that an import statement in `module` names."""
        if node.level == 0:
            return node.module or ""
        parts = module.split(".")
        if not self.is_package(module):
            parts.pop()
        parts = parts[: len(parts) - (node.level - 1)]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def exports(self, package: str) -> set[str]:
        """Return the names in a package's ``__all__``; without one, all names that it imports."""
        if package not in self.sources:
            return set()
        bound: set[str] = set()
        for node in self.sources[package].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return set(self._names(package, node.value))
            if isinstance(node, ast.ImportFrom):
                bound |= {alias.asname or alias.name for alias in node.names}
        return bound

    def _names(self, package: str, listed: ast.expr) -> Iterator[str]:
        assert isinstance(listed, (ast.List, ast.Tuple))
        for element in listed.elts:
            if isinstance(element, ast.Starred):  # *layers.__all__
                inner = ast.unparse(element.value).removesuffix(".__all__")
                yield from self.exports(f"{package}.{inner}")
            else:
                yield ast.literal_eval(element)

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        """Return the modules that each module imports, except by imports that only show."""
        graph: dict[str, set[str]] = {module: set() for module in self.files}
        for each in self.imports:
            if not each.only_shows and each.target != each.importer:
                graph[each.importer].add(each.target)
        return graph


def statements(tree: ast.AST, function: str = "") -> Iterator[tuple[ast.AST, str]]:
    """Yield all nodes below `tree`, each with the name of the function that contains it."""
    for child in ast.iter_child_nodes(tree):
        yield child, function
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from statements(child, child.name)
        else:
            yield from statements(child, function)
