"""Placeholder: a layer of a ``.t7`` file that has no counterpart here."""

from __future__ import annotations

from typing import Any

from ..errors import GraphError
from ..nn import Module
from ..t7 import T7Object


class Placeholder(Module):
    """Keeps a Torch7 object in its place in a network; it cannot run.

    ``network.replace(lambda m: mine if isinstance(m, Placeholder) else m)`` puts a layer there.

    Attributes:
        torch7_object: the object with its fields, which `save_t7` writes again.
    """

    def __init__(self, torch7_object: T7Object) -> None:
        super().__init__()
        self.torch7_object = torch7_object

    def updateOutput(self, input: Any) -> Any:
        name = self.torch7_object.class_name
        raise GraphError(
            f"{name} was read from a .t7 file and has no counterpart here. Replace it: "
            f"network.replace(function), or load_t7(path, classes={{{name!r}: function}}), where "
            "the function takes the T7Object and returns a module"
        )

    def __repr__(self) -> str:
        return f"Placeholder({self.torch7_object.class_name})"
