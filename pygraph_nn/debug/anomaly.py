"""detect_anomaly: the first node that computes NaN or infinity, forward or backward."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.hooks import RemovableHandle

from .. import nested
from ..errors import GraphError, type_name
from ..graph import GraphStructure, Observer, observing
from ..nested import Nested
from ..nn.core import writable
from ..node import Node


class detect_anomaly:
    """Reports the first node that computes NaN or infinity, forward or backward.

    Inside the block, the values of all nodes are checked, in this thread's runs and in the backward
    passes through them::

        with nngraph.detect_anomaly():
            g.forward(x)
            g.backward(x, gradOutput)

    Raises, inside the block:
        GraphError: NaN or infinity is in the output of a node, in the gradient of its input or of
            a parameter, or in the input or gradOutput of the graph. The message names the node and
            its line, with shapes and statistics of its values.
    """

    def __init__(self) -> None:
        self._observer = _NonFinite()
        self._observing = observing(self._observer)

    def __enter__(self) -> None:
        self._observing.__enter__()

    def __exit__(self, *exception: object) -> None:
        self._observer.release()
        self._observing.__exit__(None, None, None)


class _NonFinite(Observer):
    """Checks values after each node, and gradients by hooks on the node's input and output.

    Autograd adds up the gradients of all uses of a value. To check what one node contributes, the
    node runs on an alias of its input, which has a hook of its own.
    """

    def __init__(self) -> None:
        self._parameter_hooks: dict[int, RemovableHandle] = {}

    def before(self, graph: GraphStructure, node: Node, input: Nested) -> Nested:
        """Return `input` as aliases whose hooks check the gradient that `node` returns."""
        module = graph.module_at(node)
        if module is None or isinstance(module, GraphStructure):
            return input  # the nodes inside are checked one by one
        self._watch_parameters(graph, node, module)
        return nested.map_leaves(lambda x: self._watched_alias(graph, node, x), input)

    def after(self, graph: GraphStructure, node: Node, input: Nested, output: Nested) -> None:
        """Check `output`, and let hooks on it check its gradient."""
        module = graph.module_at(node)
        if module is None:
            return  # it only passes values on; the nodes around it are checked
        if not is_finite(output):
            outside = "; its input had it already, so it came from outside the graph"
            cause = "" if is_finite(input) else outside
            raise GraphError(
                f"{kind_of_trouble(output)} in the output of a node{cause}\n"
                f"  input: {statistics(input)}\n  output: {statistics(output)}"
            )
        if not isinstance(module, GraphStructure):
            for y in nested.leaves(output):
                if _is_tracked(y):
                    y.register_hook(lambda gradient: self._check_arriving(graph, node, gradient))

    def release(self) -> None:
        """Remove the hooks from the parameters."""
        for handle in self._parameter_hooks.values():
            handle.remove()
        self._parameter_hooks.clear()

    def _watched_alias(self, graph: GraphStructure, node: Node, x: Nested) -> Nested:
        if not _is_tracked(x):
            return x
        value = x.detach()
        alias = writable(x)
        alias = x.view_as(x) if alias is x else alias
        alias.register_hook(
            lambda gradient: self._check_leaving(graph, node, "its input", value, gradient)
        )
        # A node may return its input itself. `after` then puts its hook on this second alias, so
        # that it is called before the hook of the first.
        return alias.view_as(alias)

    def _watch_parameters(self, graph: GraphStructure, node: Node, module: torch.nn.Module) -> None:
        if not torch.is_grad_enabled():
            return
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and id(parameter) not in self._parameter_hooks:
                self._parameter_hooks[id(parameter)] = parameter.register_hook(
                    lambda gradient, name=name, parameter=parameter: self._check_leaving(
                        graph, node, f"its parameter {name}", parameter, gradient
                    )
                )

    def _check_leaving(
        self,
        graph: GraphStructure,
        node: Node,
        what: str,
        value: torch.Tensor,
        gradient: torch.Tensor,
    ) -> None:
        if not is_finite(gradient):
            raise GraphError(
                f"{kind_of_trouble(gradient)} in the backward pass, in the gradient of {what}\n"
                f"  value: {statistics(value)}\n  gradient: {statistics(gradient)}\n"
                f"  at {node!r}\n  in {graph}"
            )

    def _check_arriving(self, graph: GraphStructure, node: Node, gradient: torch.Tensor) -> None:
        # The gradients from later nodes were checked before, so this one is from the caller.
        if not is_finite(gradient):
            raise GraphError(
                f"{kind_of_trouble(gradient)} in the gradient that the backward pass got from "
                f"outside the graph\n  gradOutput: {statistics(gradient)}\n"
                f"  at {node!r}\n  in {graph}"
            )


def _is_tracked(x: Nested) -> bool:
    return isinstance(x, torch.Tensor) and x.requires_grad


def _values(x: Nested) -> torch.Tensor | None:
    """Return the numbers of `x` that may be NaN or infinite, or None if there are none."""
    if isinstance(x, float):
        return torch.tensor(x)
    if not isinstance(x, torch.Tensor) or x.is_meta:
        return None
    if not (x.is_floating_point() or x.is_complex()):
        return None
    return x.detach().coalesce().values() if x.is_sparse else x.detach()


def _all_values(tree: Nested) -> Iterator[torch.Tensor]:
    return (x for x in map(_values, nested.leaves(tree)) if x is not None)


def is_finite(tree: Nested) -> bool:
    """Return whether no number in a nested table is NaN or infinite."""
    return all(bool(torch.isfinite(x).all()) for x in _all_values(tree))


def kind_of_trouble(tree: Nested) -> str:
    """Return what a nested table holds: ``NaN``, ``infinity`` or ``NaN and infinity``."""
    values = list(_all_values(tree))
    nan = any(bool(torch.isnan(x).any()) for x in values)
    inf = any(bool(torch.isinf(x).any()) for x in values)
    return " and ".join(["NaN"] * nan + ["infinity"] * inf)


def statistics(tree: Nested) -> str:
    """Return the shape, range, mean, and counts of NaN and infinity of each tensor in a table.

    >>> statistics(torch.tensor([1.0, 3.0, float("nan")]))
    '(3,) of float32, from 1 to 3, mean 2, 1 of 3 NaN'
    """
    if isinstance(tree, (list, tuple)):
        return "[" + "; ".join(statistics(branch) for branch in tree) + "]"
    if isinstance(tree, dict):
        return "{" + "; ".join(f"{k!r}: {statistics(v)}" for k, v in tree.items()) + "}"
    if not isinstance(tree, torch.Tensor):
        return repr(tree) if isinstance(tree, (int, float)) else type_name(tree)
    text = f"{tuple(tree.shape)} of {str(tree.dtype).removeprefix('torch.')}"
    values = _values(tree)
    if values is None or values.is_complex():
        return text
    finite = values[torch.isfinite(values)]
    if finite.numel():
        low, high, mean = finite.min().item(), finite.max().item(), finite.double().mean().item()
        text += f", from {low:.4g} to {high:.4g}, mean {mean:.4g}"
    for name, count in (("NaN", values.isnan().sum()), ("infinite", values.isinf().sum())):
        if count:
            text += f", {int(count)} of {values.numel()} {name}"
    return text
