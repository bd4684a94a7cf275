"""Which room may import which: the floors of both packages, read from their source.

`tools/imports.py` holds the floors and reads the imports. Every import counts, also one inside a
function or under ``if TYPE_CHECKING:``; the root ``__init__`` of each package stands above all.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.imports import (
    APPLICATION,
    FLOORS,
    LIBRARY,
    SHOWING,
    House,
    floor,
    is_within,
    room,
    statements,
)

GROUND = {f"{LIBRARY}.errors", f"{LIBRARY}.torch7_random", f"{APPLICATION}.errors"}
# Beside modules of its own room, a module may import those of the room around it or inside it.
PUBLIC = {LIBRARY, f"{LIBRARY}.nn"}


def every_module_has_a_floor(house: House) -> list[str]:
    return [
        f"{module} has no floor: give its room a place in FLOORS of tools/imports.py"
        for module in house.files
        if module not in FLOORS and floor(module) is None
    ]


def imports_point_downwards(house: House) -> list[str]:
    wrong = []
    for found in house.imports:
        own, other = found.importer.partition(".")[0], found.target.partition(".")[0]
        if own != other or found.importer in FLOORS or found.target in FLOORS or found.only_shows:
            continue
        here, there = floor(found.importer), floor(found.target)
        if here is not None and there is not None and there > here:
            wrong.append(f"{found}, which is on a higher floor")
    return wrong


def the_ground_imports_nothing(house: House) -> list[str]:
    return [str(found) for found in house.imports if found.importer in GROUND]


def there_are_no_circles(house: House) -> list[str]:
    try:
        graphlib.TopologicalSorter(house.graph).prepare()
    except graphlib.CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def nothing_imports_the_package_around_it(house: House) -> list[str]:
    return [
        str(found)
        for found in house.imports
        if house.is_package(found.target)
        and is_within(found.importer, found.target)
        and found.importer != found.target
        and not found.only_shows
    ]


def rooms_are_entered_by_the_door(house: House) -> list[str]:
    """From another room, a module is imported through its room's ``__init__``."""
    wrong = []
    for found in house.imports:
        here, there = room(found.importer), room(found.target)
        inside = is_within(here, there) or is_within(there, here)
        of_nn = all(is_within(place, f"{LIBRARY}.nn") for place in (here, there))
        if here != there and not inside and not of_nn and found.target != there:
            wrong.append(f"{found}: import it from {there}")
    return wrong


def the_library_stands_alone(house: House) -> list[str]:
    return [
        str(found)
        for found in house.imports
        if is_within(found.importer, LIBRARY) and is_within(found.target, APPLICATION)
    ]


def the_application_uses_only_exports(house: House) -> list[str]:
    public = PUBLIC | {
        f"{LIBRARY}.{name}"
        for name in house.exports(LIBRARY)
        if house.files.get(f"{LIBRARY}.{name}", Path()).name == f"{name}.py"
    }
    wrong = []
    for found in house.imports:
        if not is_within(found.importer, APPLICATION) or not is_within(found.target, LIBRARY):
            continue
        exports = house.exports(found.target)
        if found.target not in public:
            wrong.append(f"{found}: a module that is not public")
        elif house.is_package(found.target) and found.name and found.name not in exports:
            wrong.append(f"{found}: not among its exports")
    return wrong + list(modules_reached_as_attributes(house))


def modules_reached_as_attributes(house: House) -> Iterator[str]:
    """Find ``nngraph.node.Node``, an import in disguise."""
    for module in house.files:
        if not is_within(module, APPLICATION):
            continue
        imported = dict(imported_names(house, module))
        for node, _ in statements(house.sources[module]):
            if not isinstance(node, ast.Attribute):
                continue
            package = imported.get(ast.unparse(node.value), "")
            if package not in PUBLIC or node.attr in house.exports(package):
                continue
            if f"{package}.{node.attr}" in house.files:
                yield f"{module}, line {node.lineno}: uses {package}.{node.attr}"


def imported_names(house: House, module: str) -> Iterator[tuple[str, str]]:
    """Yield the names that imports bind in `module`, and what each of them is."""
    for node, _ in statements(house.sources[module]):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                source = house.source_of(module, node)
                yield alias.asname or alias.name, f"{source}.{alias.name}"


def nothing_patches_what_it_imports(house: House) -> list[str]:
    """No module assigns to an attribute of a class or module that it imports."""
    wrong = []
    for module in house.files:
        imported = dict(imported_names(house, module))
        for node, _ in statements(house.sources[module]):
            for target in assigned(node):
                if ast.unparse(target).startswith("sys.modules[__name__]"):
                    continue  # the module itself
                name = ast.unparse(target).partition(".")[0]
                if name in imported:
                    wrong.append(
                        f"{module}, line {target.lineno}: assigns to {ast.unparse(target)}, "
                        f"which it imports ({imported[name]})"
                    )
    return wrong


def assigned(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the attributes that a statement sets or deletes: ``X.a = ...``, ``setattr(X, ...)``."""
    targets: list[ast.expr] = []
    if isinstance(node, (ast.Assign, ast.Delete)):
        targets = list(node.targets)
    elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
        targets = [node.target]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("setattr", "delattr"):
        yield node.args[0]
    while targets:
        target = targets.pop()
        if isinstance(target, (ast.Tuple, ast.List)):
            targets += target.elts
        elif isinstance(target, ast.Attribute):
            yield target


def rooms_say_what_they_are(house: House) -> list[str]:
    """Every folder has an ``__init__`` with a docstring; one that imports lists its names."""
    wrong = []
    for module in house.files:
        if not house.is_package(module):
            continue
        source = house.sources[module]
        if not ast.get_docstring(source):
            wrong.append(f"{module} has no docstring")
        imports = any(isinstance(node, ast.ImportFrom) for node in source.body)
        lists = any(
            isinstance(node, (ast.Assign, ast.AnnAssign)) and "__all__" in ast.unparse(node)
            for node in source.body
        )
        if imports and not lists:
            wrong.append(f"{module} imports names and has no __all__")
    return wrong


Rule = Callable[[House], list[str]]
RULES: list[Rule] = [
    every_module_has_a_floor,
    imports_point_downwards,
    the_ground_imports_nothing,
    there_are_no_circles,
    nothing_imports_the_package_around_it,
    rooms_are_entered_by_the_door,
    the_library_stands_alone,
    the_application_uses_only_exports,
    nothing_patches_what_it_imports,
    rooms_say_what_they_are,
]


@pytest.fixture(scope="module")
def project() -> House:
    return House()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(project, rule):
    wrong = rule(project)
    assert not wrong, "\n".join(wrong)


def test_the_project_is_read(project):
    assert {f"{LIBRARY}.errors", f"{LIBRARY}.nn.layers.linear", f"{APPLICATION}.model"} <= set(
        project.files
    )
    assert f"{LIBRARY}.errors" in project.graph[f"{LIBRARY}.node"]
    assert "Linear" in project.exports(f"{LIBRARY}.nn")


def test_the_exceptions_exist(project):
    """An exception that no module needs any more is to be taken back."""
    used = {(found.importer, found.within) for found in project.imports if found.only_shows}
    assert used == {(module, name) for module, names in SHOWING.items() for name in names}


GOOD = {
    "pygraph_nn/__init__.py": """
        '''nngraph.'''
        from . import nn, torch7_random
        from .errors import GraphError
        from .graph import gModule
        __all__ = ["GraphError", "gModule", "nn", "torch7_random"]
    """,
    "pygraph_nn/errors.py": "class GraphError(ValueError): ...",
    "pygraph_nn/torch7_random.py": "import torch",
    "pygraph_nn/node.py": "from .errors import GraphError",
    "pygraph_nn/nn/__init__.py": """
        '''Layers.'''
        from . import layers
        from .layers import *
        __all__ = ["Module", *layers.__all__]
    """,
    "pygraph_nn/nn/core/__init__.py": """
        '''Core.'''
        from .module import Module
        __all__ = ["Module"]
    """,
    "pygraph_nn/nn/core/module.py": "from ...node import Node\nclass Module: ...",
    "pygraph_nn/nn/layers/__init__.py": """
        '''Layers.'''
        from .linear import Linear
        __all__ = ["Linear"]
    """,
    "pygraph_nn/nn/layers/linear.py": """
        from ... import torch7_random
        from ..core.module import Module
    """,
    "pygraph_nn/graph/__init__.py": """
        '''Graphs.'''
        from .gmodule import gModule
        __all__ = ["gModule"]
    """,
    "pygraph_nn/graph/gmodule.py": """
        import torch.nn
        from .. import nn
        from ..nn.core import Module
        class gModule:
            def dot(self):
                from ..pictures import dot
    """,
    "pygraph_nn/pictures/__init__.py": "'''Pictures.'''\nfrom .files import dot\n__all__ = ['dot']",
    "pygraph_nn/pictures/files.py": "from ..graph import gModule",
    "zaremba_port/__init__.py": "'''The language model.'''",
    "zaremba_port/errors.py": "",
    "zaremba_port/text/__init__.py": "'''Texts.'''\nfrom .corpus import load\n__all__ = ['load']",
    "zaremba_port/text/corpus.py": "from ..errors import UserError\nfrom . import vocabulary",
    "zaremba_port/text/vocabulary.py": "",
    "zaremba_port/model.py": """
        import pygraph_nn as nngraph
        from pygraph_nn import nn, torch7_random
        from pygraph_nn.nn import Linear
        error = nngraph.GraphError
    """,
    "zaremba_port/train.py": "from . import model\nfrom .text import load",
    "zaremba_port/cli/__init__.py": """
        '''Commands.'''
        def main():
            from ..train import train
    """,
    "zaremba_port/__main__.py": "from .cli import main",
}


def write_house(root: Path, files: dict[str, str]) -> House:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path.write_text("\n".join(line[indent:] for line in lines) + "\n")
    return House(root)


def test_a_good_house_breaks_no_rule(tmp_path):
    house = write_house(tmp_path, GOOD)
    assert [wrong for rule in RULES for wrong in rule(house)] == []


@pytest.mark.parametrize(
    ("rule", "file", "source"),
    [
        (every_module_has_a_floor, "pygraph_nn/extra.py", ""),
        (every_module_has_a_floor, "zaremba_port/query.py", ""),
        (imports_point_downwards, "pygraph_nn/node.py", "from .nn import Linear"),
        (imports_point_downwards, "pygraph_nn/node.py", "import pygraph_nn.nn.core.module"),
        (imports_point_downwards, "pygraph_nn/node.py", "def f():\n    from .graph import gModule"),
        (
            imports_point_downwards,
            "pygraph_nn/node.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .graph import gModule",
        ),
        (imports_point_downwards, "pygraph_nn/nn/layers/linear.py", "from ...graph import gModule"),
        (imports_point_downwards, "pygraph_nn/nn/core/module.py", "from ..layers import linear"),
        (imports_point_downwards, "pygraph_nn/graph/gmodule.py", "from ..pictures import dot"),
        (
            imports_point_downwards,
            "pygraph_nn/graph/gmodule.py",
            "def other(self):\n    from ..pictures import dot",
        ),
        (imports_point_downwards, "zaremba_port/train.py", "from .cli import main"),
        (imports_point_downwards, "zaremba_port/text/corpus.py", "from ..model import lstm"),
        (the_ground_imports_nothing, "pygraph_nn/torch7_random.py", "from .errors import A"),
        (the_ground_imports_nothing, "zaremba_port/errors.py", "from pygraph_nn import GraphError"),
        (there_are_no_circles, "pygraph_nn/errors.py", "def f():\n    from .node import Node"),
        (
            there_are_no_circles,
            "zaremba_port/text/vocabulary.py",
            "if True:\n    from .corpus import load",
        ),
        (nothing_imports_the_package_around_it, "pygraph_nn/node.py", "import pygraph_nn"),
        (nothing_imports_the_package_around_it, "pygraph_nn/node.py", "from . import GraphError"),
        (
            nothing_imports_the_package_around_it,
            "pygraph_nn/graph/gmodule.py",
            "from . import gModule",
        ),
        (rooms_are_entered_by_the_door, "zaremba_port/train.py", "from .text.corpus import load"),
        (
            rooms_are_entered_by_the_door,
            "pygraph_nn/pictures/files.py",
            "from ..graph.gmodule import gModule",
        ),
        (the_library_stands_alone, "pygraph_nn/node.py", "import zaremba_port.text"),
        (the_library_stands_alone, "pygraph_nn/nn/layers/linear.py", "from zaremba_port import a"),
        (
            the_application_uses_only_exports,
            "zaremba_port/model.py",
            "from pygraph_nn.node import Node",
        ),
        (the_application_uses_only_exports, "zaremba_port/model.py", "from pygraph_nn import node"),
        (the_application_uses_only_exports, "zaremba_port/model.py", "from pygraph_nn import No"),
        (
            the_application_uses_only_exports,
            "zaremba_port/model.py",
            "from pygraph_nn.nn import Missing",
        ),
        (
            the_application_uses_only_exports,
            "zaremba_port/model.py",
            "from pygraph_nn.graph import gModule",
        ),
        (
            the_application_uses_only_exports,
            "zaremba_port/model.py",
            "import pygraph_nn as nngraph\nNode = nngraph.node.Node",
        ),
        (
            nothing_patches_what_it_imports,
            "pygraph_nn/pictures/files.py",
            "from ..graph import gModule\ngModule.dot = print",
        ),
        (
            nothing_patches_what_it_imports,
            "pygraph_nn/pictures/files.py",
            "from ..graph import gModule\ndef late():\n    gModule.a, gModule.b = 1, 2",
        ),
        (
            nothing_patches_what_it_imports,
            "pygraph_nn/__init__.py",
            "'''nngraph.'''\nfrom . import nn\nsetattr(nn, 'gModule', 1)\n__all__ = ['nn']",
        ),
        (nothing_patches_what_it_imports, "pygraph_nn/node.py", "import torch\ntorch.x = 1"),
        (rooms_say_what_they_are, "pygraph_nn/graph/__init__.py", "from .gmodule import gModule"),
        (rooms_say_what_they_are, "pygraph_nn/graph/__init__.py", "'''A.'''\nfrom .g import a"),
    ],
)
def test_a_breach_is_caught(tmp_path, rule, file, source):
    house = write_house(tmp_path, GOOD | {file: source})
    wrong = rule(house)
    assert wrong
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert any(name in message for message in wrong)
