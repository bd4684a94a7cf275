"""Every misuse that Torch7 reports: a GraphError here, that says as much and where it happened."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from helpers import golden, needs_golden

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

HERE = inspect.getsourcefile(lambda: None)
t = torch.ones(3)


def inputs(n: int) -> list[Any]:
    return [nn.Identity()() for _ in range(n)]


def two_in_two_out() -> nngraph.gModule:
    a, b = inputs(2)
    return nngraph.gModule([a, b], [nn.Tanh()(a), nn.Sigmoid()(b)])


def two_in() -> nngraph.gModule:
    a, b = inputs(2)
    return nngraph.gModule([a, b], [nn.CAddTable()([a, b])])


def around(layer: Any) -> nngraph.gModule:
    """`layer` as a node, so that what it raises names the node."""
    x = nn.Identity()()
    return nngraph.gModule([x], [nn.Identity()(layer(x))])


def split_graph() -> nngraph.gModule:
    (a,) = inputs(1)
    x, y = a.split(2)
    return nngraph.gModule([a], [nn.CAddTable()([x, y])])


def missing_input() -> None:
    a, b = inputs(2)
    nngraph.gModule([a], [nn.CAddTable()([a, b])])


def unused_input() -> None:
    a, b = inputs(2)
    nngraph.gModule([a, b], [nn.Tanh()(a)])


def dangling() -> None:
    (a,) = inputs(1)
    b = nn.Tanh()(a)
    nn.Sigmoid()(b)
    nngraph.gModule([a], [b])


def split_part_unused() -> None:
    (a,) = inputs(1)
    x, y = a.split(2)
    nngraph.gModule([a], [nn.Tanh()(x)])


def cycle() -> None:
    (a,) = inputs(1)
    b = nn.CAddTable()(a)
    c = nn.Tanh()(b)
    b.add(c, True)
    nngraph.gModule([a], [c])


def input_with_inputs() -> None:
    (a,) = inputs(1)
    b = nn.Tanh()(a)
    nngraph.gModule([a, b], [nn.CAddTable()([a, b])])


def graph(inputs: Callable[[Any], Any], outputs: Callable[[Any, Any], Any]) -> None:
    """gModule of what the two make of a = Identity()() and b = Tanh()(a)."""
    a = nn.Identity()()
    b = nn.Tanh()(a)
    nngraph.gModule(inputs(a), outputs(a, b))


def run_backward(grad_output: Any, method: str = "backward") -> None:
    g = two_in_two_out()
    g.forward([t, t])
    getattr(g, method)([t, t], grad_output)


def sums_of_different_structure() -> None:
    (a,) = inputs(1)
    table = nn.Identity()(a)
    g = nngraph.gModule([a], [table, nn.CAddTable()(table)])
    g.forward([t, t])
    g.backward([t, t], [[t], t])


def map_onto_smaller() -> None:
    around(nn.Tanh()).map(around_nothing(), lambda mine, theirs: None)


def around_nothing() -> nngraph.gModule:
    x = nn.Identity()()
    return nngraph.gModule([x], [x])


def graph_with_cycle() -> None:
    r, a, b = (nngraph.Node() for _ in range(3))
    nngraph.Graph([(r, a), (a, b), (b, a)]).topsort()


def criterion_target() -> None:
    p, y = inputs(2)
    g = nngraph.gModule([p, y], [nn.ClassNLLCriterion()([p, y])])
    g.forward([torch.zeros(1, 3), torch.tensor([3])])


# The misuse of errors.json -> what it is here, and what the message must hold: the facts of Lua's
# message, counted from 0.
TABLE: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "a module called with two positional arguments": (
        lambda: nn.CAddTable()(*inputs(2)),
        ["[input1, input2]", "multiple inputs", "nn.CAddTable"],
    ),
    "a module called with nil": (
        lambda: nn.Tanh()(None),
        ["inputs[0] is None (typo / bad index?)"],
    ),
    "a module called with an empty table": (
        lambda: nn.CAddTable()([]),
        ["cannot pass an empty table of inputs", "second parentheses empty"],
    ),
    "a module (not a node) as input": (
        lambda: nn.Tanh()(nn.Linear(2, 2)),
        ["inputs[0] is an nn.Module, specifically a nn.Linear", "Node", "second parentheses"],
    ),
    "a number as input": (lambda: nn.Tanh()(5), ["inputs[0] should be an nngraph.Node", "int"]),
    "a tensor as input": (
        # A tensor alone runs the module, as everywhere in PyTorch; among Nodes it is refused.
        lambda: nn.CAddTable()([nn.Identity()(), torch.zeros(2)]),
        ["inputs[1] should be an nngraph.Node", "torch.float32 tensor (2,)"],
    ),
    "a nil in the middle of the inputs": (
        lambda: nn.CAddTable()([inputs(1)[0], None, inputs(1)[0]]),
        ["inputs[1] is None (typo / bad index?)"],
    ),
    "a table with a name key only (no positions): accepted, a node without inputs": (
        lambda: nn.CAddTable()({"x": inputs(1)[0]}),
        ["a dict of inputs"],
    ),
    "a boolean as input": (
        lambda: nn.Tanh()(True),
        ["inputs[0] should be an nngraph.Node", "bool"],
    ),
    "a criterion (not called) as input": (
        lambda: nn.Tanh()(nn.MSECriterion()),
        ["inputs[0]", "nngraph.Node", "nn.MSECriterion"],
    ),
    "the same input twice": (
        lambda: (lambda a: nn.CAddTable()([a, a]))(nn.Identity()()),
        ["Don't pass the same input twice", "inputs[0] and inputs[1]"],
    ),
    "the same output twice": (
        lambda: graph(lambda a: [a], lambda a, b: [b, b]),
        ["Don't pass the same input twice", "outputs[1]"],
    ),
    "a node called as a function": (
        lambda: nn.Identity()()(nn.Identity()()),
        ["nngraph.Node has no call operator"],
    ),
    "split without a number": (lambda: nn.Identity()().split(), ["limit must be a number"]),
    "nest with two arguments": (
        lambda: nngraph.nest(*inputs(2)),
        ["Use [input1, input2] to pass multiple inputs"],
    ),
    "nest of nil": (lambda: nngraph.nest(None), ["Pass an input"]),
    "nest of an empty table": (lambda: nngraph.nest([]), ["what is this in the nest input?"]),
    "nest of a number": (lambda: nngraph.nest(5), ["what is this in the nest input?", "int"]),
    "nest of a module": (
        lambda: nngraph.nest(nn.Tanh()),
        ["what is this in the nest input?", "nn.Tanh"],
    ),
    "no inputs": (
        lambda: graph(lambda a: [], lambda a, b: [b]),
        ["no inputs are not supported"],
    ),
    "an output that is nil": (
        lambda: graph(lambda a: [a], lambda a, b: [None]),
        ["outputs[0] is None"],
    ),
    "an output that is a module": (
        lambda: graph(lambda a: [a], lambda a, b: [nn.Tanh()]),
        ["outputs[0] is an nn.Module, specifically a nn.Tanh", "second parentheses"],
    ),
    "an output that is a list of nodes": (
        lambda: graph(lambda a: [a], lambda a, b: [[b]]),
        ["outputs[0] should be an nngraph.Node but is of type list"],
    ),
    "an input that is a number": (
        lambda: graph(lambda a: [a, 3], lambda a, b: [b]),
        ["inputs[1] should be an nngraph.Node but is of type int"],
    ),
    "an input that has inputs, of two": (
        input_with_inputs,
        ["an input should have no inputs", "inputs[1]", "nn.Tanh"],
    ),
    "an input missing from the list (another root)": (
        missing_input,
        ["nn.Identity", "not among the inputs"],
    ),
    "a listed input that leads nowhere": (unused_input, ["inputs[1] is unused"]),
    "a dangling node made from an inner node": (
        dangling,
        ["nn.Sigmoid", "does not connect to gmodule output"],
    ),
    "one of two split outputs unused": (
        split_part_unused,
        ["1 of split(2) outputs from the node declared at", "split at", "are unused"],
    ),
    "a cycle made by hand: b.add(c, True) after c = nn.Tanh()(b)": (cycle, ["Graph has cycles"]),
    "inputs not in a table": (
        lambda: graph(lambda a: a, lambda a, b: [b]),
        ["inputs should be a list of Nodes", "[input]"],
    ),
    "outputs missing": (
        lambda: nngraph.gModule([nn.Identity()()]),
        ["outputs should be a list of Nodes (table expected), not NoneType"],
    ),
    "a tensor where a table of 2 inputs is due": (
        lambda: two_in().forward(t),
        ["expecting table of 2 inputs", "tensor (3,)"],
    ),
    "one input instead of two": (
        lambda: two_in().forward([t]),
        ["Got 1 inputs instead of 2"],
    ),
    "nil where two inputs are due": (
        lambda: two_in().forward(None),
        ["expecting table of 2 inputs", "None"],
    ),
    "nil for a one-input graph": (
        lambda: around(nn.Tanh()).forward(None),
        ["Got 0 inputs instead of 1"],
    ),
    "split of a tensor": (
        lambda: split_graph().forward(torch.ones(2)),
        ["split(2) cannot split", "tensor (2,)"],
    ),
    "split(2) of a table of 3": (
        lambda: split_graph().forward([t, t, t]),
        ["split(2) cannot split 3 outputs"],
    ),
    "split(1) of a table of two": (
        lambda: around(lambda x: x.split(1)).forward([t, t]),
        ["expecting one element", "2"],
    ),
    "sizes that do not fit inside the graph": (
        lambda: two_in().forward([torch.ones(2), torch.ones(3)]),
        ["inconsistent tensor size", "(2,)", "(3,)"],
    ),
    "one gradOutput instead of two": (
        lambda: run_backward([t]),
        ["1 gradOutputs instead of 2"],
    ),
    "a tensor of 5 where two gradOutputs are due": (
        lambda: run_backward(torch.ones(5)),
        ["tensor (5,)", "instead of 2 gradOutputs"],
    ),
    "nil gradOutput for a two-output graph": (
        lambda: run_backward(None),
        ["NoneType", "instead of 2 gradOutputs"],
    ),
    "backward after clearState": (
        lambda: (lambda g: (g.forward([t, t]), g.clearState(), g.backward([t, t], t)))(two_in()),
        ["backward without a forward pass", "clearState"],
    ),
    "one gradOutput instead of two, accGradParameters called directly": (
        lambda: run_backward([t], "accGradParameters"),
        ["1 gradOutputs instead of 2"],
    ),
    "gradOutput tables of different structure summed": (
        sums_of_different_structure,
        ["missing key", "[0]"],
    ),
    "map onto a gModule with fewer nodes": (
        map_onto_smaller,
        ["trying to map another gModule with a different structure"],
    ),
    "Graph.add of a number": (
        lambda: nngraph.Graph().add(5),  # type: ignore[arg-type]
        ["an edge of two Nodes expected", "int"],
    ),
    "topsort of a cycle behind a root": (graph_with_cycle, ["Graph has cycles"]),
    "a target out of range": (criterion_target, ["out of range", "3", "0..2"]),
    "an index out of range": (
        lambda: around(nn.LookupTable(5, 2)).forward(torch.tensor([5])),
        ["index out of range", "5", "0..4"],
    ),
    "p = 1": (lambda: nn.Dropout(1), ["illegal percentage, must be 0 <= p < 1"]),
    "wrong number of elements": (
        lambda: around(nn.Reshape(2, 3)).forward(torch.ones(5)),
        ["wrong size for view", "Input size: (5,)", "(5, 2, 3)"],
    ),
    "3-D input": (
        lambda: around(nn.Linear(2, 2)).forward(torch.ones(1, 1, 2)),
        ["input must be vector or matrix", "(1, 1, 2)"],
    ),
}

# What goes wrong only in Torch7, or is no misuse.
WORKS = (
    "two parts of one split used together is fine",
    "the one-element-zero bypass at a node with parameters",
    "forward after clearState, with a criterion in the graph",
    "todot after a forward whose input table holds a plain number",
    "a second gModule over the same nodes, two inputs",  # see test_shared_nodes.py
)
# Raised by a constructor: no node is concerned, and the traceback says where.
NO_NODE = {"p = 1"}


def described(misuse: str) -> str | None:
    """The key of TABLE that a description in errors.json stands for; texts may say more."""
    keys = [key for key in TABLE if misuse == key or misuse.startswith(f"{key},")]
    keys += [key for key in TABLE if misuse.startswith(f"{key}:")]
    exact = [key for key in keys if key == misuse]
    return (exact or keys or [None])[0]


@needs_golden
def test_every_misuse_has_its_counterpart() -> None:
    for case in golden("errors", "errors.json")["cases"]:
        misuse = aliases(case["misuse"])
        assert described(misuse) or misuse.startswith(WORKS), misuse


def aliases(misuse: str) -> str:
    return misuse.partition(": go has")[0]


@pytest.mark.parametrize("misuse", TABLE)
def test_misuse(misuse: str) -> None:
    provoke, facts = TABLE[misuse]
    with pytest.raises(GraphError) as raised:
        provoke()
    message = str(raised.value)
    for fact in facts:
        assert fact in message, message
    if misuse not in NO_NODE:
        assert f"{HERE}:" in message, message


def test_what_torch7_gets_wrong_works_here() -> None:
    # Parts of a split beside each other.
    assert split_graph().forward([t, t]).tolist() == [2, 2, 2]
    # A one-element zero as gradient of a node with parameters.
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    g = nngraph.gModule([x], [nn.Tanh()(h), h])
    g.forward(t)
    g.backward(t, [torch.zeros(1), torch.ones(4)])
    assert h.module is not None
    assert h.module.gradBias.tolist() == [1, 1, 1, 1]
    # A criterion in a graph after clearState.
    p, y = inputs(2)
    g = nngraph.gModule([p, y], [nn.MSECriterion()([p, y])])
    first = g.forward([t, 2 * t])
    g.clearState()
    assert g.forward([t, 2 * t]).equal(first)
    # A table that holds a plain number, and its picture.
    g = around(nn.SelectTable(0))
    assert g.forward([t, 5]).equal(t)
    assert "Node1" in nngraph.todot(g.fg)


def test_nodes_can_be_used_again_after_a_mistake() -> None:
    a, b = inputs(2)
    c = nn.Tanh()(a)
    with pytest.raises(GraphError, match="inputs\\[1\\] is unused"):
        nngraph.gModule([a, b], [c])
    d = nn.CAddTable()([b, c])
    assert nngraph.gModule([a, b], [d]).forward([0 * t, t]).equal(t)


def test_errors_at_run_time_say_the_shapes_and_the_name() -> None:
    a, b = inputs(2)
    total = nn.CAddTable()([a, b])
    nngraph.annotateNodes()
    g = nngraph.gModule([a, b], [nn.Tanh()(total)], name="my net")
    with pytest.raises(GraphError, match=r"'total'(.|\n)*my net, which got \[\(2,\), \(3,\)\]"):
        g.forward([torch.ones(2), torch.ones(3)])


def test_what_is_not_about_the_graph_keeps_its_type() -> None:
    def interrupted(x: torch.Tensor) -> torch.Tensor:
        raise FileNotFoundError("no disk")

    with pytest.raises(FileNotFoundError, match="no disk"):
        around(nngraph.function(interrupted)).forward(t)


@pytest.mark.parametrize(
    ("wrong", "facts"),
    [
        (lambda: nn.Linear(2, 2) - nn.Tanh(), ["left side is a module", "-module1 - module2"]),
        (lambda: nn.Identity()() - nn.Tanh()(nn.Identity()()), ["right side", "not a Node"]),
        (lambda: list(nn.Identity()()), ["cannot be unpacked", "split"]),
        (lambda: nn.Identity()().split(0), ["split(0)", ">= 1"]),
        (lambda: nn.Identity()().split(True), ["split(True)"]),
        (lambda: nn.Identity()().add(3), ["inputs[0] should be an nngraph.Node", "int"]),
        (lambda: nngraph.nest([nn.Identity()(), [3]]), ["input[1][0] is int"]),
        (lambda: nngraph.gModule(), ["inputs should be a list of Nodes"]),
        (lambda: nngraph.gModule("ab", []), ["inputs should be a list of Nodes", "str"]),
        (lambda: nn.Sequential().add(nn.Identity()()), ["expecting a module", "Node"]),
        (lambda: nngraph.annotateNodes(10_000), ["fewer callers"]),
        (lambda: nn.Identity()().annotate(5), ["annotate: expecting a dict", "int"]),
        (lambda: around(nn.Tanh()).map(5, print), ["map: expecting a gModule", "int"]),
        (lambda: graph(lambda a: [a], lambda a, b: []), ["no outputs are not supported"]),
        (lambda: graph(lambda a: [None], lambda a, b: [b]), ["inputs[0] is None"]),
        (lambda: graph(lambda a: [a, a], lambda a, b: [b]), ["same input twice", "inputs[1]"]),
        (lambda: nn.Tanh().backward(t, t), ["backward without a forward pass"]),
        (lambda: nn.Linear(2, 2).share(nn.Tanh(), "weight"), ["differ in structure"]),
    ],
)
def test_further_mistakes(wrong: Callable[[], Any], facts: list[str]) -> None:
    with pytest.raises(GraphError) as raised:
        wrong()
    assert all(fact in str(raised.value) for fact in facts), raised.value
