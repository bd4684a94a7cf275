"""Which module may import which: the layers of the two packages, read from their source with ast.

A new module needs a place in LAYERS. Imports inside functions count like those at the top of a
file; those under ``if TYPE_CHECKING:`` never run, so they may point anywhere.
"""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARY, APPLICATION = "pygraph_nn", "zaremba_port"

# Lowest first. A module imports from lower layers and, short of a cycle, from its own. A name
# stands for a package's modules too; the longest that fits counts.
LAYERS = {
    LIBRARY: [
        ["errors", "torch7_random"],
        ["t7"],
        ["nested"],
        ["node"],
        ["nn"],
        ["nest", "graph", "observer"],
        ["wiring", "shapes", "fx_graph"],
        ["graph_module"],
        ["sharing"],
        ["picture"],
        ["dot", "html_page"],
        ["t7_modules"],
        [
            "plan_picture",
            "recurrence",
            "batching",
            "loops",
            "captured",
            "fused",
            "fused_gru",
            "fused_lstm",
            "native",
            "kernels",
            "native_lstm",
            "device_lstm",
            "loop_runs",
            "compiled",
            "descent",
        ],
        ["debug", "failure_picture"],
        ["__main__"],
    ],
    APPLICATION: [
        ["errors"],
        ["fetch", "ptb", "pydoc_text"],
        [
            "config",
            "arguments",
            "data",
            "chars",
            "device",
            "model",
            "state",
            "checkpoint",
            "predict",
            "fast",
            "evaluate",
            "curves",
            "train",
        ],
        ["assignment"],
        ["cli"],
        ["__main__"],
    ],
}
LEAVES = {f"{LIBRARY}.errors", f"{LIBRARY}.torch7_random", f"{APPLICATION}.errors"}
PACKAGES_WITH_MODULES = {f"{LIBRARY}.nn", f"{LIBRARY}.picture", f"{APPLICATION}.assignment"}

# Neither directly nor through others.
NEVER = [
    (f"{LIBRARY}.node", f"{LIBRARY}.nn"),
    (f"{LIBRARY}.nn", f"{LIBRARY}.graph_module"),
    (f"{LIBRARY}.graph_module", f"{LIBRARY}.debug"),
    (f"{LIBRARY}.graph_module", f"{LIBRARY}.dot"),
    (f"{LIBRARY}.graph_module", f"{LIBRARY}.compiled"),
    (f"{LIBRARY}.t7", f"{LIBRARY}.nn"),
    (f"{LIBRARY}.torch7_random", f"{LIBRARY}.nn"),
    (f"{APPLICATION}.data", f"{APPLICATION}.model"),
    (f"{APPLICATION}.assignment.query", f"{APPLICATION}.train"),
    (f"{APPLICATION}.assignment.char_protocol", f"{APPLICATION}.train"),
]


@dataclass(frozen=True)
class Import:
    importer: str
    line: int
    target: str  # a module
    name: str = ""  # what is taken from it, where that is not a module

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.target} {self.name}".rstrip()


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def place(module: str) -> int | None:
    """The layer of a module of one of the packages; None for one that LAYERS does not have."""
    package, _, inner = module.partition(".")
    for layer, names in enumerate(LAYERS[package]):
        for name in names:
            has_modules = f"{package}.{name}" in PACKAGES_WITH_MODULES
            if inner == name or (has_modules and within(inner, name)):
                return layer
    return None


def code_that_runs(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below this one, without the bodies of ``if TYPE_CHECKING:``."""
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        is_negated = isinstance(node.test, ast.UnaryOp)
        children = node.body if is_negated else node.orelse
    for child in children:
        yield child
        yield from code_that_runs(child)


class Tree:
    """The modules of both packages in a folder, and their imports of each other."""

    def __init__(self, root: Path) -> None:
        self.files: dict[str, Path] = {}
        for package in LAYERS:
            for path in sorted((root / package).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.files[name] = path
        self.sources = {
            name: ast.parse(path.read_text(encoding="utf-8"), str(path))
            for name, path in self.files.items()
        }

    def is_module(self, package: str, name: str) -> bool:
        """Also true of a module that LAYERS has and nobody has written yet."""
        module = f"{package}.{name}"
        return module in self.files or (package in LAYERS and place(module) is not None)

    @cached_property
    def imports(self) -> list[Import]:
        return [found for module in self.files for found in self._imports_of(module)]

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node in code_that_runs(self.sources[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.partition(".")[0] in LAYERS:
                        yield Import(module, node.lineno, alias.name)
            elif isinstance(node, ast.ImportFrom):
                source = self._source_of(module, node)
                if source.partition(".")[0] not in LAYERS:
                    continue
                for alias in node.names:
                    submodule = f"{source}.{alias.name}"
                    same_package = within(source, module.partition(".")[0])
                    # pygraph_nn.nest is a module to its siblings, to others the function.
                    exported = not same_package and alias.name in self.exports(source)
                    if self.is_module(source, alias.name) and not exported:
                        yield Import(module, node.lineno, submodule)
                    else:
                        yield Import(module, node.lineno, source, alias.name)

    def _source_of(self, module: str, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        parts = module.split(".")
        if self.files[module].name != "__init__.py":
            parts.pop()
        parts = parts[: len(parts) - (node.level - 1)]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def exports(self, package: str) -> set[str]:
        """The names that a package's ``__all__`` lists; without one, all that its source binds."""
        if package not in self.sources:
            return set()
        bound: set[str] = set()
        for node in self.sources[package].body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return set(ast.literal_eval(node.value))
            if isinstance(node, ast.ImportFrom):
                bound |= {alias.asname or alias.name for alias in node.names}
        return bound

    @cached_property
    def graph(self) -> dict[str, set[str]]:
        """For each module those that it imports."""
        graph: dict[str, set[str]] = {module: set() for module in self.files}
        for found in self.imports:
            graph[found.importer].add(found.target)
        return graph

    def chain(self, start: str, goal: str) -> list[str]:
        """The modules by which ``start`` reaches ``goal`` or a module within it; or none."""
        paths, seen = [[start]], {start}
        for path in paths:
            if within(path[-1], goal):
                return path
            for target in sorted(self.graph.get(path[-1], set()) - seen):
                seen.add(target)
                paths.append([*path, target])
        return []


def every_module_has_a_place(tree: Tree) -> list[str]:
    return [
        f"{module} is in no layer: give it a place in LAYERS"
        for module in tree.files
        if module not in LAYERS and place(module) is None
    ]


def imports_point_to_lower_layers(tree: Tree) -> list[str]:
    wrong = []
    for found in tree.imports:
        own, other = found.importer.partition(".")[0], found.target.partition(".")[0]
        if own != other or found.importer in LAYERS or found.target in LAYERS:
            continue  # the packages' own __init__, which stands above all, has its rule below
        here, there = place(found.importer), place(found.target)
        if here is not None and there is not None and there > here:
            wrong.append(f"{found}, which is in a higher layer")
    return wrong


def leaves_import_nothing(tree: Tree) -> list[str]:
    return [str(found) for found in tree.imports if found.importer in LEAVES]


def nothing_imports_its_package_root(tree: Tree) -> list[str]:
    return [
        str(found)
        for found in tree.imports
        if (found.target in LAYERS or found.target in PACKAGES_WITH_MODULES)
        and within(found.importer, found.target)
    ]


def there_are_no_cycles(tree: Tree) -> list[str]:
    try:
        graphlib.TopologicalSorter(tree.graph).prepare()
    except graphlib.CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def never_means_never(tree: Tree) -> list[str]:
    return [
        " imports ".join(chain)
        for start, goal in NEVER
        for module in tree.files
        if within(module, start) and (chain := tree.chain(module, goal))
    ]


def only_cli_imports_assignment(tree: Tree) -> list[str]:
    assignment = f"{APPLICATION}.assignment"
    return [
        str(found)
        for found in tree.imports
        if within(found.target, assignment)
        and not within(found.importer, assignment)
        and found.importer != f"{APPLICATION}.cli"
    ]


def the_library_stands_alone(tree: Tree) -> list[str]:
    return [
        str(found)
        for found in tree.imports
        if within(found.importer, LIBRARY) and within(found.target, APPLICATION)
    ]


def only_exports_are_used(tree: Tree) -> list[str]:
    public = {LIBRARY, f"{LIBRARY}.nn"}
    public |= {f"{LIBRARY}.{name}" for name in tree.exports(LIBRARY) & {"nn", "torch7_random"}}
    wrong = []
    for found in tree.imports:
        if not within(found.importer, APPLICATION) or not within(found.target, LIBRARY):
            continue
        exports = tree.exports(found.target)
        if found.target not in public:
            wrong.append(f"{found}: a module that is not public")
        elif found.target in tree.files and found.name and exports and found.name not in exports:
            wrong.append(f"{found}: not among its exports")
    return wrong + list(modules_reached_as_attributes(tree))


def modules_reached_as_attributes(tree: Tree) -> Iterator[str]:
    """``nngraph.node.Node``: an import in disguise."""
    for module in tree.files:
        if not within(module, APPLICATION):
            continue
        aliases = {}
        for node in ast.walk(tree.sources[module]):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                source = "" if isinstance(node, ast.Import) else f"{node.module}."
                for alias in node.names:
                    aliases[alias.asname or alias.name] = source + alias.name
        for node in code_that_runs(tree.sources[module]):
            if not isinstance(node, ast.Attribute):
                continue
            package = aliases.get(ast.unparse(node.value), "")
            hidden = node.attr not in tree.exports(package)
            if package in (LIBRARY, f"{LIBRARY}.nn") and hidden:
                submodule = f"{package}.{node.attr}"
                if submodule in tree.files:
                    yield f"{module}, line {node.lineno}: uses {submodule}"


Rule = Callable[[Tree], list[str]]
RULES: list[Rule] = [
    every_module_has_a_place,
    imports_point_to_lower_layers,
    leaves_import_nothing,
    nothing_imports_its_package_root,
    there_are_no_cycles,
    never_means_never,
    only_cli_imports_assignment,
    the_library_stands_alone,
    only_exports_are_used,
]


@pytest.fixture(scope="module")
def project() -> Tree:
    return Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(project, rule):
    wrong = rule(project)
    assert not wrong, "\n".join(wrong)


def test_the_project_is_read(project):
    assert {f"{LIBRARY}.errors", f"{LIBRARY}.nn.linear", f"{APPLICATION}.data"} <= set(
        project.files
    )
    assert f"{LIBRARY}.errors" in project.graph[f"{LIBRARY}.node"]


GOOD = {
    "pygraph_nn/__init__.py": """
        from . import nn, torch7_random
        from .errors import GraphError
        from .nest import nest
        __all__ = ["GraphError", "nest", "nn", "torch7_random"]
    """,
    "pygraph_nn/errors.py": "class GraphError(ValueError): ...",
    "pygraph_nn/torch7_random.py": "import torch",
    "pygraph_nn/node.py": """
        from typing import TYPE_CHECKING
        from .errors import GraphError
        if TYPE_CHECKING:
            from .nn import Linear
    """,
    "pygraph_nn/nn/__init__.py": "from .linear import Linear\n__all__ = ['Linear']",
    "pygraph_nn/nn/linear.py": "from .. import torch7_random\nfrom ..node import Node",
    "pygraph_nn/nest.py": "from . import nn\nfrom .node import Node",
    "pygraph_nn/graph_module.py": "import torch.nn\nfrom pygraph_nn import nn, node",
    "pygraph_nn/debug.py": "import pygraph_nn.graph_module",
    "zaremba_port/__init__.py": "",
    "zaremba_port/errors.py": "",
    "zaremba_port/data.py": "from zaremba_port.errors import UserError",
    "zaremba_port/model.py": """
        import pygraph_nn as nngraph
        from pygraph_nn import nest, nn, torch7_random
        from pygraph_nn.nn import Linear
        error = nngraph.GraphError
    """,
    "zaremba_port/train.py": "from . import data, model",
    "zaremba_port/cli.py": """
        def main():
            from .assignment import query
            from .train import main
    """,
    "zaremba_port/__main__.py": "from .cli import main",
    "zaremba_port/assignment/__init__.py": "",
    "zaremba_port/assignment/query.py": "from ..model import Model",
    "zaremba_port/assignment/answers/__init__.py": "",
    "zaremba_port/assignment/answers/q1.py": "from ...model import Model\nfrom ..query import ask",
}


def write_tree(root: Path, files: dict[str, str]) -> Tree:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip()) if lines else 0
        path.write_text("\n".join(line[indent:] for line in lines) + "\n")
    return Tree(root)


def test_a_good_tree_breaks_no_rule(tmp_path):
    tree = write_tree(tmp_path, GOOD)
    assert [wrong for rule in RULES for wrong in rule(tree)] == []


def test_packages_that_are_not_written_yet_break_no_rule(tmp_path):
    assert [wrong for rule in RULES for wrong in rule(Tree(tmp_path))] == []


@pytest.mark.parametrize(
    ("rule", "file", "source"),
    [
        (every_module_has_a_place, "pygraph_nn/extra.py", ""),
        (every_module_has_a_place, "pygraph_nn/node/more.py", ""),
        (every_module_has_a_place, "zaremba_port/query.py", ""),
        (imports_point_to_lower_layers, "pygraph_nn/nested.py", "from .node import Node"),
        (imports_point_to_lower_layers, "pygraph_nn/nested.py", "from . import node"),
        (imports_point_to_lower_layers, "pygraph_nn/nested.py", "import pygraph_nn.node"),
        (imports_point_to_lower_layers, "pygraph_nn/nn/linear.py", "from ..sharing import share"),
        (imports_point_to_lower_layers, "pygraph_nn/nest.py", "from pygraph_nn import sharing"),
        (imports_point_to_lower_layers, "zaremba_port/train.py", "from .cli import main"),
        (
            imports_point_to_lower_layers,
            "zaremba_port/assignment/answers/q1.py",
            "from ... import cli",
        ),
        (leaves_import_nothing, "pygraph_nn/torch7_random.py", "from .errors import GraphError"),
        (leaves_import_nothing, "zaremba_port/errors.py", "from pygraph_nn import GraphError"),
        (nothing_imports_its_package_root, "pygraph_nn/nest.py", "import pygraph_nn as nngraph"),
        (nothing_imports_its_package_root, "pygraph_nn/nest.py", "from . import GraphError"),
        (nothing_imports_its_package_root, "pygraph_nn/nn/linear.py", "from .. import GraphError"),
        (nothing_imports_its_package_root, "pygraph_nn/nn/table.py", "from . import Linear"),
        (nothing_imports_its_package_root, "pygraph_nn/nn/table.py", "from .. import nn"),
        (nothing_imports_its_package_root, "zaremba_port/data.py", "import zaremba_port"),
        (there_are_no_cycles, "zaremba_port/data.py", "def f():\n    from . import train"),
        (there_are_no_cycles, "pygraph_nn/node.py", "from .nn.linear import Linear"),
        (never_means_never, "pygraph_nn/node.py", "def f():\n    from . import nn"),
        (never_means_never, "pygraph_nn/node.py", "import pygraph_nn.nn.linear as linear"),
        (never_means_never, "pygraph_nn/nn/linear.py", "from ..graph_module import gModule"),
        (never_means_never, "pygraph_nn/graph_module.py", "from .debug import Debug"),
        (never_means_never, "pygraph_nn/graph_module.py", "if flag:\n    from . import dot"),
        (never_means_never, "pygraph_nn/graph_module.py", "from pygraph_nn.compiled import run"),
        (never_means_never, "pygraph_nn/t7.py", "from . import nn"),
        (never_means_never, "pygraph_nn/torch7_random.py", "from .nest import nest"),
        (never_means_never, "zaremba_port/data.py", "from zaremba_port.model import Model"),
        (never_means_never, "zaremba_port/assignment/query.py", "from ..train import main"),
        (never_means_never, "zaremba_port/assignment/char_protocol.py", "from .. import train"),
        (only_cli_imports_assignment, "zaremba_port/train.py", "from . import assignment"),
        (
            only_cli_imports_assignment,
            "zaremba_port/__main__.py",
            "from zaremba_port.assignment.answers import q1",
        ),
        (the_library_stands_alone, "pygraph_nn/debug.py", "import zaremba_port.data"),
        (the_library_stands_alone, "pygraph_nn/nn/linear.py", "from zaremba_port import data"),
        (
            the_library_stands_alone,
            "pygraph_nn/nn/linear.py",
            "if not TYPE_CHECKING:\n    import zaremba_port",
        ),
        (only_exports_are_used, "zaremba_port/model.py", "from pygraph_nn.node import Node"),
        (only_exports_are_used, "zaremba_port/model.py", "from pygraph_nn import node"),
        (only_exports_are_used, "zaremba_port/model.py", "from pygraph_nn import Missing"),
        (only_exports_are_used, "zaremba_port/model.py", "from pygraph_nn.nn.linear import Linear"),
        (only_exports_are_used, "zaremba_port/model.py", "from pygraph_nn.nn import Missing"),
        (
            only_exports_are_used,
            "zaremba_port/model.py",
            "import pygraph_nn as nngraph\nNode = nngraph.node.Node",
        ),
        (
            only_exports_are_used,
            "zaremba_port/model.py",
            "from pygraph_nn import nn\nLinear = nn.linear.Linear",
        ),
    ],
)
def test_a_breach_is_caught(tmp_path, rule, file, source):
    tree = write_tree(tmp_path, GOOD | {file: source})
    wrong = rule(tree)
    assert wrong
    assert any(file.removesuffix(".py").replace("/", ".") in message for message in wrong)


def test_imports_for_type_checking_may_point_anywhere(tmp_path):
    source = """
        import typing
        if typing.TYPE_CHECKING:
            import zaremba_port
            from .nn import Linear
        else:
            from .errors import GraphError
    """
    tree = write_tree(tmp_path, GOOD | {"pygraph_nn/node.py": source})
    assert [wrong for rule in RULES for wrong in rule(tree)] == []
    assert tree.graph["pygraph_nn.node"] == {"pygraph_nn.errors"}
