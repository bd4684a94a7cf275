"""Several gModules over the same nodes: feature extraction, towers on one trunk, the upper part."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from helpers import assert_close
from recurrent_oracle import check

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn

pytestmark = pytest.mark.usefixtures("float64_default")


class Net:
    """y = V tanh(W x + b) + c, with a table in between, and the nodes on the way."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.low, self.high, self.other = nn.Linear(3, 4), nn.Linear(2, 5), nn.Linear(4, 2)
        self.x = nn.Identity()().annotate(name="x")
        self.h = self.low(self.x).annotate(name="h")
        self.a, self.b = nn.SplitTable(1)(nn.Reshape(2, 2)(self.h)).split(2)
        self.z = nn.CMulTable()([nn.Tanh()(self.a), self.b])
        self.y = self.high(self.z).annotate(name="y")
        self.whole = nngraph.gModule([self.x], [self.y])
        self.t = torch.randn(2, 3)

    def plain_h(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(x, self.low.weight, self.low.bias)

    def plain_y(self, h: torch.Tensor) -> torch.Tensor:
        z = torch.tanh(h[:, :2]) * h[:, 2:]
        return torch.nn.functional.linear(z, self.high.weight, self.high.bias)


@pytest.fixture(params=["before", "after"])
def net(request: pytest.FixtureRequest) -> Net:
    """A net whose first gModule has run, or not."""
    result = Net()
    if request.param == "after":
        result.whole.backward(result.t, torch.ones_like(result.whole.forward(result.t)))
    return result


def check_against(g: nngraph.gModule, plain: Any, *input: torch.Tensor) -> None:
    """`g` computes what `plain` does, with the same gradients of inputs and parameters.

    The same is true of a trace, a copy, a loaded file, clones, and the graph of torch.fx.
    """
    leaves = [x.clone().requires_grad_() for x in input]
    expected = plain(*leaves)
    grad = torch.randn(expected.shape, generator=torch.Generator().manual_seed(3))
    gradients = torch.autograd.grad(expected, [*leaves, *g.parameters()], grad)
    passed = input[0] if len(input) == 1 else list(input)
    file = io.BytesIO()
    torch.save(g, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    for same in (g, copy.deepcopy(g), loaded, *nngraph.clone_many_times(g, 2)):
        same.zeroGradParameters()
        assert_close(same.forward(passed), expected, 1e-12)
        returned = same.backward(passed, grad)
        own = [p.grad for p in same.parameters()]
        assert_close([*(returned if len(input) > 1 else [returned]), *own], list(gradients), 1e-12)
        traced = nngraph.trace(same, passed, grad)
        assert_close(traced.outputs[same.outnode], expected, 1e-12)
        assert_close(traced.gradOutput(same.innode), returned, 1e-12)
    assert_close(g.to_fx()(passed), expected, 1e-12)
    shapes = g.infer_shapes([tuple(x.shape) for x in input])
    assert shapes[g.outnode].output == expected.shape


def test_the_lower_part(net: Net) -> None:
    g = nngraph.gModule([net.x], [net.h])
    assert list(g.parameters()) == [net.low.weight, net.low.bias]
    check_against(g, net.plain_h, net.t)


def test_one_part_of_a_split(net: Net) -> None:
    """The other part leads to no output of this graph."""
    g = nngraph.gModule([net.x], [net.a])
    check_against(g, lambda x: net.plain_h(x)[:, :2], net.t)


def test_the_upper_part_takes_the_value_of_its_input(net: Net) -> None:
    g = nngraph.gModule([net.h], [net.y])
    assert list(g.parameters()) == [net.high.weight, net.high.bias]
    check_against(g, net.plain_y, torch.randn(2, 4))


def test_parts_of_a_split_as_inputs(net: Net) -> None:
    g = nngraph.gModule([net.b, net.a], [net.y])
    check_against(
        g, lambda b, a: net.plain_y(torch.cat([a, b], 1)), torch.randn(2, 2), torch.randn(2, 2)
    )


def test_the_same_graph_twice(net: Net) -> None:
    check_against(nngraph.gModule([net.x], [net.y]), lambda x: net.plain_y(net.plain_h(x)), net.t)


def test_towers_on_one_trunk(net: Net) -> None:
    w = net.other(net.h)
    g = nngraph.gModule([net.x], [w])
    check_against(
        g, lambda x: torch.nn.functional.linear(net.plain_h(x), *net.other.parameters()), net.t
    )
    check_against(net.whole, lambda x: net.plain_y(net.plain_h(x)), net.t)


def test_an_input_beside_an_inner_node(net: Net) -> None:
    out = nn.CAddTable()([net.other(net.h), nn.Narrow(1, 0, 2)(net.x)])
    nngraph.gModule([net.x], [out])
    g = nngraph.gModule([net.x, net.h], [out])
    check_against(
        g,
        lambda x, h: torch.nn.functional.linear(h, *net.other.parameters()) + x[:, :2],
        net.t,
        torch.randn(2, 4),
    )


def test_a_module_of_a_given_node_that_also_runs() -> None:
    """One module at two nodes, one of which is an input: there it does not run."""
    square, x = nn.Linear(3, 3), nn.Identity()()
    first = square(x)
    second = square(first)
    nngraph.gModule([x], [second])
    check_against(
        nngraph.gModule([first], [second]),
        lambda h: torch.nn.functional.linear(h, square.weight, square.bias),
        torch.randn(2, 3),
    )


def test_an_input_with_a_module_runs_it_in_each_graph() -> None:
    """Like Torch7, a node without inputs runs its module on the value passed."""
    x = nn.Linear(3, 2)()
    y = nn.Tanh()(x)
    nngraph.gModule([x], [y])
    check_against(
        nngraph.gModule([x], [x]),
        lambda t: torch.nn.functional.linear(t, x.module.weight, x.module.bias),
        torch.randn(2, 3),
    )


def test_gradients_add_up_in_shared_modules(net: Net) -> None:
    lower = nngraph.gModule([net.x], [net.h])
    net.whole.zeroGradParameters()
    y, h = net.whole.forward(net.t), lower.forward(net.t)
    net.whole.backward(net.t, torch.ones_like(y))
    lower.backward(net.t, torch.ones_like(h))
    assert net.low.weight.grad is not None
    ours = net.low.weight.grad.clone()
    plain = net.plain_h(net.t)
    (expected,) = torch.autograd.grad(plain.sum() + net.plain_y(plain).sum(), net.low.weight)
    assert_close(ours, expected, 1e-12)


def test_both_in_a_third_graph(net: Net) -> None:
    lower, upper = nngraph.gModule([net.x], [net.h]), nngraph.gModule([net.h], [net.y])
    u = nn.Identity()()
    third = nngraph.gModule([u], [nn.CAddTable()([upper(lower(u)), net.whole(u)])])
    assert len(list(third.parameters())) == 4
    check_against(third, lambda x: 2 * net.plain_y(net.plain_h(x)), net.t)
    flat, gradients = third.getParameters()
    assert flat.numel() == 3 * 4 + 4 + 2 * 5 + 5
    flat.mul_(2)
    check_against(third, lambda x: 2 * net.plain_y(net.plain_h(x)), net.t)
    assert gradients.abs().sum() > 0
    assert third.html().count("<svg") == 1


def test_copies_share_their_nodes_too(net: Net) -> None:
    lower, upper = nngraph.gModule([net.x], [net.h]), nngraph.gModule([net.h], [net.y])
    copies = copy.deepcopy([upper, lower, net.whole])
    h = copies[0].input_nodes[0]
    assert h is not net.h
    assert h is copies[1].outnode.inputs[0]
    assert copies[2].fg.id(h) == net.whole.fg.id(net.h)
    assert_close(copies[0].forward(copies[1].forward(net.t)), net.whole.forward(net.t), 1e-12)
    # A graph over copied nodes runs the copied modules.
    again = nngraph.gModule(copies[2].input_nodes, [h])
    assert list(again.parameters()) == list(copies[1].parameters())


def test_clones_of_the_upper_part_do_not_copy_the_lower(net: Net) -> None:
    upper = nngraph.gModule([net.h], [net.y])
    (clone,) = nngraph.clone_many_times(upper, 1)
    h = clone.input_nodes[0]
    assert h is not net.h
    assert h.inputs == [net.x]
    assert h.module is net.low


def test_pictures(net: Net) -> None:
    """An input that is an inner node elsewhere is drawn as an input, and its module nowhere."""
    upper = nngraph.gModule([net.h], [net.y])
    boxes = [(box.kind, box.text) for box in nngraph.picture_of(upper).boxes]
    assert boxes[0] == ("input", "h")
    assert [kind for kind, _ in boxes] == ["input", "symbol", "symbol", "module", "output"]
    for text in (upper.dot(style="nngraph").source, nngraph.todot(upper.fg)):
        assert "nn.Linear(2 -> 5)" in text
        assert "nn.Linear(3 -> 4)" not in text
    assert "h: passed in place of nn.Linear(3 -> 4), [test_shared_nodes.py]" in upper.dot().source
    assert "Linear(3 -> 4)" not in repr(upper)
    assert upper.to_networkx().nodes[upper.fg.id(net.h)]["module"] is None
    first = nngraph.gModule([net.x], [net.a])
    assert [box.text for box in nngraph.picture_of(first).boxes] == ["x", "Linear 3 → 4", "output"]


def test_shapes_of_a_node_in_two_nested_graphs(net: Net) -> None:
    """Rows differ, so the shared nodes have no one shape."""
    lower = nngraph.gModule([net.x], [net.h])
    u, v = nn.Identity()(), nn.Identity()()
    g = nngraph.gModule([u, v], [lower(u), net.whole(v)])
    shapes = g.infer_shapes([(2, 3), (7, 3)])
    assert shapes[g.outnode].output == [torch.Size([2, 4]), torch.Size([7, 5])]
    assert net.h not in shapes
    assert shapes[net.y].output == torch.Size([7, 5])
    assert g.infer_shapes([(2, 3), (2, 3)])[net.h].output == torch.Size([2, 4])


def test_replace_changes_one_graph(net: Net) -> None:
    lower, upper = nngraph.gModule([net.x], [net.h]), nngraph.gModule([net.h], [net.y])
    before = net.whole.forward(net.t)
    upper.replace(lambda m: nn.Sigmoid() if isinstance(m, nn.Tanh) else m)
    assert net.h.module is net.low
    assert_close(net.whole.forward(net.t), before, 0)
    assert "nn.Tanh" in net.whole.dot(style="nngraph").source
    h = lower.forward(net.t)
    z = torch.sigmoid(h[:, :2]) * h[:, 2:]
    expected = torch.nn.functional.linear(z, *net.high.parameters())
    assert_close(upper.forward(h), expected, 1e-12)
    assert_close(nngraph.gModule([net.h], [net.y]).forward(h), expected, 1e-12)


def test_anomalies_are_found_in_each_graph(net: Net) -> None:
    upper = nngraph.gModule([net.h], [net.y])
    h = net.plain_h(net.t).detach()
    with nngraph.detect_anomaly():
        upper.backward(h, torch.ones_like(upper.forward(h)))
        net.high.weight.data[:] = float("inf")
        with pytest.raises(GraphError, match=r"'y', nn\.Linear") as raised:
            upper.forward(h)
    assert raised.value.node is net.y


def lstm_nodes() -> tuple[list[Any], Any, list[Any], Any]:
    """x, c, h; the affine map of x; the next c and h; and a decoder on h."""
    x, c, h = inputs = [nn.Identity()() for _ in range(3)]
    i2h = nn.Linear(3, 12)(x)
    gates = nn.CAddTable()([i2h, nn.Linear(3, 12)(h)])
    i, f, o, g = nn.SplitTable(1)(nn.Reshape(4, 3)(gates)).split(4)
    kept, new = (
        nn.CMulTable()([nn.Sigmoid()(f), c]),
        nn.CMulTable()([nn.Sigmoid()(i), nn.Tanh()(g)]),
    )
    next_c = nn.CAddTable()([kept, new])
    next_h = nn.CMulTable()([nn.Sigmoid()(o), nn.Tanh()(next_c)])
    return inputs, i2h, [next_c, next_h], nn.LogSoftMax()(nn.Linear(3, 5)(next_h))


def test_over_time() -> None:
    """The fast engine runs a cell that another graph holds, and the part above an inner node."""
    torch.manual_seed(5)
    (x, c, h), i2h, (next_c, next_h), decoded = lstm_nodes()
    whole = nngraph.gModule([x, c, h], [next_c, next_h, decoded])
    cell = nngraph.gModule([x, c, h], [next_c, next_h])
    part = nngraph.gModule([i2h, c, h], [next_c, next_h])
    state = [torch.randn(2, 3, requires_grad=True) for _ in range(2)]
    for g in (whole, cell):
        check(g, [torch.randn(4, 2, 3), *state], {1: 0, 2: 1})
    check(part, [torch.randn(4, 2, 12), *state], {1: 0, 2: 1})


# What stays an error


def test_a_tower_that_no_graph_has_yet() -> None:
    """Torch7's check of nodes that lead nowhere, and the ways out that the message names."""
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    one, two = nn.Tanh()(h), nn.Sigmoid()(h)
    with pytest.raises(GraphError, match=r"not connect to gmodule output\. If it belongs to"):
        nngraph.gModule([x], [one])
    nngraph.gModule([x], [one, two])
    assert nngraph.gModule([x], [two]).forward(torch.ones(1, 3)).shape == (1, 4)
    nn.Tanh()(two)
    with pytest.raises(GraphError, match="does not connect"):
        nngraph.gModule([x], [two])


def test_an_inner_node_of_no_graph_is_no_input() -> None:
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    y = nn.Tanh()(h)
    with pytest.raises(GraphError, match=r"inputs\[0\] is <Node nn.Linear.*build the gModule"):
        nngraph.gModule([h], [y])
    nngraph.gModule([x], [y])
    assert nngraph.gModule([h], [y]).forward(torch.zeros(1, 4)).tolist() == [[0, 0, 0, 0]]


def test_an_input_of_one_graph_is_no_parameter_node_of_another() -> None:
    x, z = nn.Linear(3, 4)(), nn.Identity()()
    y = nn.CAddTable()([x, z])
    nngraph.gModule([x, z], [y])
    with pytest.raises(GraphError, match=r"nn\.Linear.*not among the inputs of the gModule"):
        nngraph.gModule([z], [y])


def test_a_failed_graph_leaves_its_nodes_as_they_were() -> None:
    x = nn.Identity()()
    h = nn.Linear(3, 4)(x)
    y = nn.Linear(4, 2)(h)
    with pytest.raises(GraphError, match="shapes do not fit"):
        nngraph.gModule([x], [y], input_shapes=[(2, 5)])
    assert x.inputs == []
    with pytest.raises(GraphError, match="an input should have no inputs"):
        nngraph.gModule([h], [y])
    nngraph.gModule([x], [y])
    assert x.inputs != []


def test_inputs_of_a_built_node_are_fixed() -> None:
    x, other = nn.Identity()(), nn.Identity()()
    y = nn.MulConstant(3)(x)
    g = nngraph.gModule([x], [y])
    for node in (x, y):
        with pytest.raises(GraphError, match="part of a gModule already: its inputs are fixed"):
            node.add(other)
    assert g.forward(torch.ones(2)).tolist() == [3, 3]


def test_a_gmodule_that_starts_behind_a_layer_of_tables_takes_no_table_itself() -> None:
    x = nn.Identity()()
    joined = nn.JoinTable(1)([nn.CAddTable()([nn.Linear(3, 4)(x)])])
    last = nn.Linear(4, 2)(joined)
    whole = nngraph.gModule([x], [last])
    features, head = nngraph.gModule([x], [joined]), nngraph.gModule([joined], [last])
    y = nn.Identity()()
    outer = nngraph.gModule([y], [head([features(y)])])
    data = torch.randn(5, 3)
    first, second = (module for module in whole.modules() if isinstance(module, nn.Linear))
    expected = torch.nn.functional.linear(data @ first.weight.T + first.bias, second.weight)
    torch.testing.assert_close(outer.forward(data), (expected + second.bias).detach())


def test_replace_in_one_gmodule_does_not_stop_another_that_watches_its_parameters() -> None:
    x = nn.Identity()()
    inner = nn.Linear(3, 3)(x)
    whole, part = (nngraph.gModule([x], [output]) for output in (nn.Tanh()(inner), inner))
    linear = inner.module
    part.getParameters()
    whole.replace(lambda module: nn.Linear(3, 3) if module is linear else module)
    data = torch.randn(2, 3)
    expected = torch.nn.functional.linear(data, linear.weight, linear.bias).detach()
    torch.testing.assert_close(part.forward(data), expected)
    with pytest.raises(nngraph.GraphError, match=r"node\.module of"):
        inner.module = nn.Tanh()
    torch.testing.assert_close(part.forward(data), expected)
