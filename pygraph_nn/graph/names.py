"""The names of nodes: one for each, the same in state_dict, torch.fx and pictures."""

from __future__ import annotations

import itertools
import keyword
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch

from ..errors import checked_name
from ..node import Node


class NodeName(NamedTuple):
    """The name of a node in its gModule.

    Attributes:
        key: a Python identifier that no other node of the gModule has.
        shown: the text for pictures: the annotation, with the number that `key` may end with.
    """

    key: str
    shown: str


class Names:
    """Makes keys that differ from one another.

    Args:
        is_reserved: returns whether a key has another meaning.
    """

    def __init__(self, is_reserved: Callable[[str], bool]) -> None:
        self._is_reserved = is_reserved
        self._taken: Counter[str] = Counter()

    def new(self, wanted: str) -> str:
        """Return `wanted`, or if it is taken or reserved, ``wanted_2``, ``wanted_3`` and so on."""
        for number in itertools.count(self._taken[wanted] + 1):
            key = wanted if number == 1 else f"{wanted}_{number}"
            is_free = key == wanted or not self._taken[key]
            if is_free and not self._is_reserved(key):
                self._taken[wanted] = number
                self._taken[key] += key != wanted
                return key
        raise AssertionError("unreachable")


def identifier(name: str) -> str:
    """Return `name` as a Python identifier, which may be a keyword.

    Letters of all alphabets and digits stay, in the form in which Python reads them. Other
    characters become underscores, of which none begins or ends the name, except before a digit.

    >>> identifier("L one"), identifier("c'"), identifier("3"), identifier("hₜ"), identifier("+")
    ('L_one', 'c', '_3', 'ht', 'node')
    """
    text = unicodedata.normalize("NFKC", name)
    text = "".join(c if f"a{c}".isidentifier() else " " for c in text)
    text = re.sub(" +", "_", text).strip("_") or "node"
    return text if text.isidentifier() else f"_{text}"


def wanted_key(node: Node) -> str:
    """Return the key that `node` has if no other node wants it: its groups and its name.

    It is empty if the node has no name.

    Raises:
        GraphError: the name is no string.
    """
    if node.name is None or not checked_name(node.name, node):
        return ""
    return identifier("_".join([*node.group, node.name]))


def node_name(node: Node, key: str) -> NodeName:
    """Return the NodeName of `node`, whose key is its `wanted_key`, perhaps with a number."""
    assert node.name is not None
    number = key.removeprefix(wanted_key(node))
    is_word = re.fullmatch(r"\w*", node.name, re.ASCII) or not node.name.strip()
    return NodeName(key, (identifier(node.name) if is_word else node.name) + number)


def is_reserved_everywhere(key: str) -> bool:
    """Return whether `key` has a meaning in Python's code or in a torch.fx.GraphModule."""
    in_fx = hasattr(torch.fx.GraphModule, key) or key == "meta"
    return keyword.iskeyword(key) or key == "self" or in_fx
