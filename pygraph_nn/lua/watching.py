"""Watch a program train: the loss and the norm of each step, the shapes and norms at the nodes.

The program stays as it is. A hook of Lua sees its function `bp` return, and reads the variables
`model` and `params` that this function uses, which is how Zaremba's program names them.
"""

from __future__ import annotations

import json
from typing import Any

import torch

from .. import nested
from ..graph import Observer, gModule, observing
from ..node import Node
from .errors import ProgramEnd

_HOOK = """
local debug, on_step = ...
debug.sethook(function()
  local info = debug.getinfo(2, 'nf')
  if not info or info.name ~= 'bp' then return end
  local values, i = {}, 1
  while true do
    local name, value = debug.getupvalue(info.func, i)
    if not name then break end
    values[name] = value
    i = i + 1
  end
  if type(values.model) == 'table' then
    debug.sethook()
    on_step(values.model, values.params, values.paramx)
  end
end, 'r')
"""


class Watch:
    """Records the first `steps` steps of a program, and ends it."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self.steps: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []
        self.params: dict[str, Any] = {}

    def attach(self, runtime: Any) -> None:
        """Watch the program that `runtime` will run."""
        self._hook = runtime.hook(_HOOK, self._step)
        self._hook()
        runtime.modules.first_run = self._first_run

    def _step(self, model: Any, params: Any, flat: Any) -> None:
        loss = model["err"].mean().item()
        self.steps.append({"loss": loss, "norm": float(model["norm_dw"])})
        if not self.params and params is not None:
            values = dict(params.items())
            self.params = {k: v for k, v in values.items() if isinstance(v, (int, float))}
        if len(self.steps) >= self._steps:
            raise ProgramEnd(0)
        self._hook()

    def _first_run(self, module: Any, run: Any) -> Any:
        """Record the nodes of the first gModule that runs."""
        if self.nodes or not isinstance(module, gModule):
            return run()
        recorder = _Recorder(module)
        with observing(recorder):
            result = run()
        self.nodes = recorder.nodes
        return result

    def json(self) -> str:
        """Return the record as JSON."""
        return json.dumps({"steps": self.steps, "nodes": self.nodes, "params": self.params})


class _Recorder(Observer):
    def __init__(self, graph: gModule) -> None:
        self._graph = graph
        self.nodes: list[dict[str, Any]] = []

    def after(self, graph: Any, node: Node, input: Any, output: Any) -> None:
        if graph is self._graph and node.module is not None:
            leaves = [x for x in nested.leaves(output) if isinstance(x, torch.Tensor)]
            self.nodes.append(
                {
                    "kind": node.kind(),
                    "place": node.declared_at,
                    "shapes": [list(x.shape) for x in leaves],
                    "norm": float(sum(x.detach().double().square().sum() for x in leaves)) ** 0.5,
                }
            )
