"""The contents of the picture of the architecture: rooms, and the imports between them.

`tools/imports.py` reads them from the source; `tools/draw_architecture.py` draws them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx

from tools.imports import APPLICATION, FLOORS, LIBRARY, House, is_within, room

DOORS = {"__main__"}  # floors that are not rooms
OTHER_SOURCES = {".c", ".h", ".js", ".css", ".html"}


@dataclass(frozen=True)
class Room:
    """A box of the picture.

    Attributes:
        name: the dotted name, ``pygraph_nn.nn.core``.
        title: the folder or file, inside the frame or package around it: ``core/``, ``node.py``.
        description: the first sentence of the docstring.
        files: number of source files, without those of rooms inside.
        is_frame: whether it only holds other rooms, around which it is drawn.
        uses_library: whether it is a room of the application that imports the library.
    """

    name: str
    title: str
    description: str
    files: int
    is_frame: bool
    uses_library: bool

    @property
    def package(self) -> str:
        """Return the package, the first part of the name."""
        return self.name.partition(".")[0]

    def __str__(self) -> str:
        uses = ", uses pygraph_nn" * self.uses_library
        return f"{self.name} ({self.title}, files: {self.files}{uses}): {self.description}"


@dataclass(frozen=True, order=True)
class Arrow:
    """`source` imports `target`; if `only_shows`, inside a method that draws a picture."""

    source: str
    target: str
    only_shows: bool = False

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}" + " (only shows)" * self.only_shows


@dataclass(frozen=True)
class Architecture:
    """Rooms, lowest floor first, and arrows, each kind in a fixed order."""

    rooms: tuple[Room, ...]
    arrows: tuple[Arrow, ...]


def read_architecture(house: House) -> Architecture:
    """Return the rooms of `house` and the imports between them.

    An arrow that follows from others is left out: where A imports B and B imports C, the picture
    does not repeat that A imports C. Arrows to several rooms in one frame become one to the frame.
    """
    modules: dict[str, list[str]] = {}
    for module in house.files:
        modules.setdefault(room(module), []).append(module)
    names = [
        f"{package}.{floor}"
        for package, floors in FLOORS.items()
        for floor in floors
        if f"{package}.{floor}" in modules and floor not in DOORS
    ]
    frames = {
        name
        for name in names
        if modules[name] == [name] and any(is_inside(other, name) for other in names)
    }
    users = {room(i.importer) for i in house.imports if package_of(i.target) == LIBRARY}
    rooms = tuple(
        Room(
            name,
            _title(house, name, frames),
            _description(house, name),
            len(modules[name]) + len(list(_other_sources(house, modules[name]))),
            is_frame=name in frames,
            uses_library=package_of(name) == APPLICATION and name in users,
        )
        for name in names
    )
    return Architecture(rooms, tuple(sorted(set(_arrows(house, set(names), frames)))))


def is_inside(name: str, other: str) -> bool:
    """Return whether room `name` lies in the folder of room `other`, and is not `other` itself."""
    return name != other and is_within(name, other)


def package_of(name: str) -> str:
    """Return the package that a room or module belongs to."""
    return name.partition(".")[0]


def _title(house: House, name: str, frames: set[str]) -> str:
    around = next((frame for frame in frames if is_inside(name, frame)), package_of(name))
    path = name.removeprefix(f"{around}.").replace(".", "/")
    return f"{path}/" if house.is_package(name) else f"{path}.py"


def _description(house: House, name: str) -> str:
    docstring = ast.get_docstring(house.sources[name]) or ""
    paragraph = docstring.partition("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"\.\s+(?=[A-Z])", paragraph)[0].replace("`", "").rstrip(".")
    return re.sub(r",? https?://\S+\b,?", "", sentence)


def _other_sources(house: House, modules: Iterable[str]) -> Iterator[Path]:
    """Yield the files in other languages that belong to the folders among `modules`."""
    packages = {path.parent for path in house.files.values() if path.name == "__init__.py"}
    for folder in [house.files[name].parent for name in modules if house.is_package(name)]:
        for path in folder.rglob("*"):
            owner = next(parent for parent in path.parents if parent in packages)
            if path.suffix in OTHER_SOURCES and owner == folder:
                yield path


def _arrows(house: House, names: set[str], frames: set[str]) -> Iterator[Arrow]:
    graph = networkx.DiGraph()
    for statement in house.imports:
        source, target = room(statement.importer), room(statement.target)
        if source == target or not {source, target} <= names:
            continue
        if package_of(source) != package_of(target):
            continue  # a mark in the box says that a room uses the library
        if statement.only_shows:
            yield Arrow(source, target, only_shows=True)
        else:
            graph.add_edge(source, target)
    reduced = networkx.transitive_reduction(graph)
    for source in reduced:
        targets = set(reduced[source])
        if source in frames:  # its box is drawn around these
            targets = {target for target in targets if not is_inside(target, source)}
        for frame in frames:
            inside = {target for target in targets if is_inside(target, frame)}
            if len(inside) > 1 and not is_inside(source, frame):
                targets = targets - inside | {frame}
        yield from (Arrow(source, target) for target in targets)
