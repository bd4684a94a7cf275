"""The names of `zaremba_port`, which are loaded on first use."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import zaremba_port


def names_for_type_checkers() -> dict[str, str]:
    """The imports under `if TYPE_CHECKING`: the room of each name."""
    source = Path(zaremba_port.__file__).read_text(encoding="utf-8")
    return {
        alias.name: node.module
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def test_one_list_of_names():
    assert names_for_type_checkers() == zaremba_port._ROOMS
    assert set(zaremba_port.__all__) == set(zaremba_port._ROOMS)
    assert set(zaremba_port.__all__) <= set(dir(zaremba_port))


@pytest.mark.parametrize("name", zaremba_port.__all__)
def test_a_name_is_the_one_of_its_room(name):
    room = importlib.import_module(f"zaremba_port.{zaremba_port._ROOMS[name]}")
    assert getattr(zaremba_port, name) is getattr(room, name)


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'zaremba_port' has no attribute 'trian'"):
        _ = zaremba_port.trian


@pytest.mark.parametrize(
    "statements",
    [
        "import zaremba_port.train; import zaremba_port; train = zaremba_port.train",
        "from zaremba_port.train import train as f; from zaremba_port import train",
        "from zaremba_port import *; import zaremba_port.train; from zaremba_port import train",
        "from zaremba_port import cli; cli.main(['evaluate', 'x']); from zaremba_port import train",
    ],
)
def test_train_is_the_function_whatever_was_imported_first(statements):
    check = "import inspect, sys; assert inspect.isfunction(train), train"
    subprocess.run([sys.executable, "-c", f"{statements}; {check}"], check=True)


def test_importing_the_package_loads_nothing_heavy():
    check = "import sys, zaremba_port; zaremba_port.preset('small'); print(*sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", check], check=True, capture_output=True, text=True
    )
    assert "zaremba_port.config" in process.stdout.split()
    assert not {"torch", "pygraph_nn", "zaremba_port.model"} & set(process.stdout.split())
