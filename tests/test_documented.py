"""Every public definition of both packages has a docstring.

Two definitions need none: a method that overrides a documented one of a base class, and the setter
of a documented property.
"""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PACKAGES = ("pygraph_nn", "zaremba_port")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
METHODS = (property, classmethod, staticmethod, functools.cached_property)


class Undocumented(NamedTuple):
    """A public definition without a docstring."""

    path: Path
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}"


def undocumented(root: Path, packages: Sequence[str] = PACKAGES) -> Iterator[Undocumented]:
    """The public definitions without a docstring in `packages`, folders of `root`."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            module = ast.parse(path.read_text(encoding="utf-8"), str(path))
            relative = path.relative_to(root)
            for node, name in public_definitions(module):
                if not ast.get_docstring(node) and not is_documented_elsewhere(
                    relative, node, name
                ):
                    yield Undocumented(relative, node.lineno, name)


def public_definitions(node: ast.AST, prefix: str = "") -> Iterator[tuple[Definition, str]]:
    """The definitions of a module or a class, with their qualified names.

    A definition inside a function is not public.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
            yield from public_definitions(child, prefix)
        elif isinstance(child, Definition) and not child.name.startswith("_"):
            yield child, f"{prefix}{child.name}"
            if isinstance(child, ast.ClassDef):
                yield from public_definitions(child, f"{prefix}{child.name}.")


def is_documented_elsewhere(path: Path, node: Definition, name: str) -> bool:
    """Does a base class, or the getter of a property, document this definition?"""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if any(decorator.endswith((".setter", ".deleter", "overload")) for decorator in decorators):
        return True
    class_name, _, method = name.rpartition(".")
    return bool(class_name) and method in documented_by_bases(path, class_name)


@functools.cache
def documented_by_bases(path: Path, class_name: str) -> frozenset[str]:
    """The names of the methods that the bases of a class document, whatever package they are of."""
    parts = path.with_suffix("").parts
    value = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    for part in class_name.split("."):
        value = getattr(value, part)
    return frozenset(
        name
        for base in value.__mro__[1:-1]  # without the class itself, and object
        for name, member in vars(base).items()
        if (callable(member) or isinstance(member, METHODS)) and member.__doc__
    )


def test_every_public_definition_is_documented():
    missing = sorted(map(str, undocumented(ROOT)))
    assert not missing, "\n".join(["no docstring:", *missing])


EXAMPLE = '''
import argparse
import functools

def documented():
    """Is."""
    def inside(): ...

def missing(): ...

def _private(): ...

class Base:
    """Is."""
    def method(self):
        """Is."""
    def other(self): ...
    @property
    def size(self):
        """Is."""
    @size.setter
    def size(self, value): ...

class Derived(Base, argparse.ArgumentParser):
    def method(self): ...
    def other(self): ...
    def error(self, message): ...
    @functools.cached_property
    def size(self): ...

class _Private:
    def method(self): ...

if True:
    def conditional(): ...
'''


def test_the_check_finds_what_has_no_docstring(tmp_path, monkeypatch):
    (tmp_path / "documented_example" / "room").mkdir(parents=True)
    for folder in ("", "room"):
        (tmp_path / "documented_example" / folder / "__init__.py").write_text("")
    (tmp_path / "documented_example" / "room" / "example.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    definitions = list(undocumented(tmp_path, ["documented_example"]))
    assert [definition.name for definition in definitions] == [
        "missing",
        "Base.other",
        "Derived",
        "Derived.other",
        "conditional",
    ]
    assert {d.path.parent.as_posix() for d in definitions} == {"documented_example/room"}
