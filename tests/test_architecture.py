"""docs/architecture.md and its picture, held against the source."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tools.architecture import Architecture, Arrow, Room, read_architecture
from tools.draw_architecture import PICTURE, draw
from tools.drawn_architecture import differences, drawn_in
from tools.imports import ROOT, House

PAGE = ROOT / "docs" / "architecture.md"

MODEL = '"""The network of Zaremba et al. 2014, https://a.b/1, in time."""\n'
# A small house: graph imports nn.core and node, which nn.core imports, too.
SMALL = {
    "pygraph_nn/__init__.py": "from .graph import gModule",
    "pygraph_nn/errors.py": '"""The one exception. It says where."""',
    "pygraph_nn/node.py": '"""Node: `one` use of a module."""\nfrom .errors import GraphError',
    "pygraph_nn/nn/__init__.py": '"""Layers & criteria."""\nfrom .core import Module',
    "pygraph_nn/nn/core/__init__.py": '"""The base."""\nfrom .module import Module',
    "pygraph_nn/nn/core/module.py": "from ...node import Node",
    "pygraph_nn/graph/__init__.py": '"""Graphs."""\nfrom .gmodule import gModule',
    "pygraph_nn/graph/gmodule.py": """
from ..errors import GraphError
from ..node import Node
from .. import nn
class gModule:
    def dot(self):
        from ..pictures import dot
""",
    "pygraph_nn/graph/asset.c": "",
    "pygraph_nn/graph/notes.txt": "",
    "pygraph_nn/pictures/__init__.py": '"""Pictures."""\nfrom ..graph import gModule',
    "pygraph_nn/__main__.py": "from .graph import gModule",
    "zaremba_port/__init__.py": "from .model import lstm",
    "zaremba_port/errors.py": "",
    "zaremba_port/model.py": MODEL + "from pygraph_nn import nn\nfrom .errors import UserError",
}


def house(root: Path, **changes: str) -> House:
    for name, text in (SMALL | changes).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return House(root)


@pytest.fixture
def small(tmp_path: Path) -> Architecture:
    return read_architecture(house(tmp_path))


def test_the_picture_is_current():
    messages = differences(read_architecture(House()), drawn_in(PICTURE.read_text("utf-8")))
    assert not messages, "\n".join([*messages, "Run python tools/draw_architecture.py"])


def test_every_room_has_its_paragraph():
    """A paragraph begins with the path of its room, **`nn/core/`**, under its package."""
    text = re.sub(r"<!--.*?-->", "", PAGE.read_text("utf-8"), flags=re.DOTALL)
    parts = re.split(r"^### `(\w+)`.*$", text, flags=re.MULTILINE)
    described = {
        f"{package}.{path.removesuffix('/').removesuffix('.py').replace('/', '.')}"
        for package, text in zip(parts[1::2], parts[2::2], strict=True)
        for path in re.findall(r"^\*\*`([\w./]+)`\*\*", text, flags=re.MULTILINE)
    }
    assert described == {room.name for room in read_architecture(House()).rooms}


def test_rooms_are_read(small):
    assert small.rooms == (
        Room("pygraph_nn.errors", "errors.py", "The one exception", 1, False, False),
        Room("pygraph_nn.node", "node.py", "Node: one use of a module", 1, False, False),
        Room("pygraph_nn.nn.core", "core/", "The base", 2, False, False),
        Room("pygraph_nn.nn", "nn/", "Layers & criteria", 1, True, False),
        Room("pygraph_nn.graph", "graph/", "Graphs", 3, False, False),
        Room("pygraph_nn.pictures", "pictures/", "Pictures", 1, False, False),
        Room("zaremba_port.errors", "errors.py", "", 1, False, False),
        Room(
            "zaremba_port.model",
            "model.py",
            "The network of Zaremba et al. 2014 in time",
            1,
            False,
            True,
        ),
    )


def test_arrows_that_follow_from_others_are_left_out(small):
    graph, pictures = "pygraph_nn.graph", "pygraph_nn.pictures"
    assert set(small.arrows) == {
        Arrow("pygraph_nn.node", "pygraph_nn.errors"),
        Arrow("pygraph_nn.nn.core", "pygraph_nn.node"),
        Arrow(graph, "pygraph_nn.nn"),
        Arrow(pictures, graph),
        Arrow(graph, pictures, only_shows=True),
        Arrow("zaremba_port.model", "zaremba_port.errors"),
    }


def test_arrows_into_a_frame_are_one(tmp_path):
    """A frame holds only rooms. A room with files of its own, like recurrent, is a box."""
    files = {
        "pygraph_nn/nn/layers/__init__.py": "",
        "pygraph_nn/graph/fx.py": "from ..nn.core import Module\nfrom ..nn.layers import Linear",
        "pygraph_nn/graph/gmodule.py": "",
        "pygraph_nn/recurrent/__init__.py": "from .native import load",
        "pygraph_nn/recurrent/plan.py": "",
        "pygraph_nn/recurrent/native/__init__.py": "",
    }
    arrows = read_architecture(house(tmp_path, **files)).arrows
    assert [arrow for arrow in arrows if arrow.source == "pygraph_nn.graph"] == [
        Arrow("pygraph_nn.graph", "pygraph_nn.nn")
    ]
    assert Arrow("pygraph_nn.recurrent", "pygraph_nn.recurrent.native") in arrows


@pytest.mark.skipif(shutil.which("dot") is None, reason="no program dot")
def test_a_picture_says_what_it_was_drawn_from(small):
    assert not differences(drawn_in(draw(small)), small)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pygraph_nn/debug/__init__.py", '"""Names."""'),  # a new room
        ("pygraph_nn/graph/fx.py", ""),  # another file in a room
        ("pygraph_nn/errors.py", '"""Another docstring."""'),
        ("pygraph_nn/pictures/__init__.py", '"""Pictures."""'),  # an import less
        (
            "zaremba_port/model.py",
            '"""The network of Zaremba et al. 2014, https://a.b/1, in time."""',
        ),
    ],
)
def test_what_changes_in_the_source_is_noticed(small, tmp_path, file, text):
    changed = read_architecture(house(tmp_path, **{file: text}))
    assert differences(changed, small)
    assert differences(small, changed)
    assert not differences(small, small)
