"""Tour the graphs that nngraph can build, from a chain of layers to broken ones.

    python examples/nngraph_tour.py [FOLDER]

Read it from top to bottom: each stop is a function of a few lines. The program prints what the
graphs compute and draws each of them into FOLDER, by default runs/tour.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import torch

import pygraph_nn as nngraph
from pygraph_nn import nn


def chain() -> None:
    """A perceptron with hidden layers: two pairs of parentheses.

    The first pair makes a module. The second makes a node, one place in a graph: called on a node,
    the module takes its input from there; called on nothing, it waits for the input of the graph.
    A gModule takes the nodes where the graph begins and ends, and finds the rest itself.
    """
    h1 = nn.Linear(20, 10)()
    h2 = nn.Linear(10, 10)(nn.Tanh()(h1))
    y = nn.Linear(10, 1)(nn.Tanh()(h2))
    nngraph.annotateNodes()  # names nodes after the local variables that hold them
    mlp = nngraph.gModule([h1], [y])

    x = torch.randn(5, 20)
    dx = mlp.updateGradInput(x, mlp.forward(x))
    say("x", x, "y", mlp.output, "dx", dx)
    mlp.accGradParameters(x, mlp.output)  # into parameter.grad, as backward would
    print(f"  the gradient of mlp.y.weight has the norm {mlp.y.weight.grad.norm():.3f}")
    draw(mlp, "chain")


def chain_with_minus() -> None:
    """Declare the chain in one line, with `-` as an arrow from each module to the next."""
    y = -nn.Linear(20, 10) - nn.Tanh() - nn.Linear(10, 10) - nn.Tanh() - nn.Linear(10, 1)
    # gModule needs the first node, too. A node knows its inputs, so we can walk back to it.
    first = y
    while first.inputs:
        first = first.inputs[0]
    mlp = nngraph.gModule([first], [y])
    x = torch.randn(5, 20)
    say("x", x, "y", mlp.forward(x))


def two_in_two_out() -> None:
    """Two inputs, two outputs: several values go in and come out as a table, a Python list.

    Two nodes use `common`. Its gradient is the sum over both uses, which autograd computes.
    """
    a = nn.Linear(20, 10)()
    b = nn.Linear(10, 10)()
    common = nn.CAddTable()([nn.Tanh()(a), nn.Tanh()(b)])
    y1 = nn.Linear(10, 1)(common)
    y2 = nn.Sigmoid()(nn.Linear(10, 2)(common))
    nngraph.annotateNodes()
    g = nngraph.gModule([a, b], [y1, y2])

    inputs = [torch.randn(5, 20), torch.randn(5, 10)]
    out1, out2 = g.forward(inputs)
    da, db = g.backward(inputs, [torch.ones(5, 1), torch.ones(5, 2)])
    say("y1", out1, "y2", out2, "da", da, "db", db)
    draw(g, "two_in_two_out")


def both_layers_before() -> None:
    """Every layer sees the two before it. A chain of containers cannot say this; a loop can.

    JoinTable joins a list of nodes into one wide row. Since modules are made where they are used,
    a Python loop declares the layers, and the graph is the same as if written by hand.
    """
    x = nn.Identity()()
    before, last = x, nn.Tanh()(nn.Linear(4, 4)(x))
    for _ in range(3):
        joined = nn.JoinTable(1)([before, last])  # (batch, 8): dimension 1, counted from 0
        before, last = last, nn.Tanh()(nn.Linear(8, 4)(joined))
    g = nngraph.gModule([x], [last])
    say("x", torch.randn(2, 4), "y", g.forward(torch.randn(2, 4)))
    draw(g, "both_layers_before")


def split() -> None:
    """One node, several results: `split` makes a node for each element of a table.

    The layer computes 9 values at once. Reshape and SplitTable cut each row into three parts, as
    an LSTM cuts its gates out of a single product of matrices.
    """
    x = nn.Identity()()
    table = nn.SplitTable(1)(nn.Reshape(3, 3)(nn.Linear(4, 9)(x)))
    keep, add, scale = table.split(3)
    y = nn.CMulTable()([nn.CAddTable()([nn.Sigmoid()(keep), nn.Tanh()(add)]), scale])
    nngraph.annotateNodes()
    g = nngraph.gModule([x], [y])
    say("x", torch.randn(2, 4), "y", g.forward(torch.randn(2, 4)))
    draw(g, "split")


def tables() -> None:
    """Modules from tables to tables are nodes like any other.

    A ParallelTable applies its first member to the first element, its second to the second. The
    only input of this graph is the table itself, so the gradient is a table, too.
    """
    pair = nn.ParallelTable()
    pair.add(nn.Linear(3, 4))
    pair.add(nn.Linear(6, 4))
    both = pair()
    left, right = both.split(2)
    apart = nn.CSubTable()([left, right])
    nngraph.annotateNodes()
    g = nngraph.gModule([both], [apart, nn.Identity()(left)])

    input = [torch.randn(2, 3), torch.randn(2, 6)]
    out = g.forward(input)
    gradient = g.backward(input, [torch.ones(2, 4), torch.ones(2, 4)])
    say("input[0]", input[0], "input[1]", input[1], "apart", out[0], "left", out[1])
    say("gradient[0]", gradient[0], "gradient[1]", gradient[1])
    draw(g, "tables")


def nests() -> None:
    """`nest` makes one node of a list of nodes, lists within it included.

    A recurrent network uses it to pass the state of all its layers on as a single value: here c and
    h of two layers come in as [[c, h], [c, h]] and leave in the same form.
    """
    state = nn.Identity()()
    layers = [layer.split(2) for layer in state.split(2)]
    changed = [[nn.MulConstant(0.5)(c), nn.Tanh()(h)] for c, h in layers]
    next_state = nngraph.nest(changed)
    nngraph.annotateNodes()
    g = nngraph.gModule([state], [next_state])
    ones = [[torch.ones(1, 2), torch.ones(1, 2)], [torch.ones(1, 2), torch.ones(1, 2)]]
    print(f"  {nngraph.nested.map_leaves(lambda x: round(x[0, 0].item(), 3), g.forward(ones))}")
    draw(g, "nests")


def graphs_in_graphs() -> None:
    """A gModule is a module, so it can be a node of a larger graph, also more than once.

    `twice` applies one residual block two times. Using a module twice shares its parameters; three
    blocks would have three times as many.
    """

    def residual(size: int) -> nngraph.gModule:
        x = nn.Identity()()
        y = nn.CAddTable()([x, nn.Tanh()(nn.Linear(size, size)(x))])
        return nngraph.gModule([x], [y], name="residual")

    x = nn.Identity()()
    block = residual(4)
    once = block(x)
    twice = block(once)
    y = residual(4)(twice)  # another block with its own weights
    nngraph.annotateNodes()
    g = nngraph.gModule([x], [y])
    say("x", torch.randn(2, 4), "y", g.forward(torch.randn(2, 4)))
    count = sum(parameter.numel() for parameter in g.parameters())
    print(f"  3 uses of 2 blocks of 4 * 4 + 4 parameters: {count} in all")
    draw(g, "graphs_in_graphs")


def mistakes() -> None:
    """Three mistakes, and the messages that the library shows while the graph is being built."""
    attempts = {
        "a module where a node is due": lambda: nn.Tanh()(nn.Linear(3, 2)),
        "an output left unused": unused_part,
        "the same node twice": same_node_twice,
    }
    for what, attempt in attempts.items():
        try:
            attempt()
        except nngraph.GraphError as error:
            print(f"  {what}:\n    {error}")


def unused_part() -> nngraph.gModule:
    x = nn.Identity()()
    first, second = x.split(2)
    return nngraph.gModule([x], [nn.Tanh()(first)])


def same_node_twice() -> nngraph.gModule:
    x = nn.Identity()()
    return nngraph.gModule([x], [nn.CMulTable()([x, x])])  # meant is nn.Square()(x)


def debugging() -> None:
    """Sizes that do not fit show up when numbers arrive. Then names pay off.

    With setDebug, a node that fails is drawn in red in a picture of its graph. `infer_shapes`
    finds the same mistake without data; detect_anomaly finds the first node that computes NaN.
    """
    x = nn.Identity()()
    hidden = nn.Tanh()(nn.Linear(20, 10)(x))
    too_wide = nn.Linear(11, 1)(hidden)  # 11 where 10 values arrive
    nngraph.annotateNodes()
    broken = nngraph.gModule([x], [too_wide], name="broken")
    try:
        with nngraph.setDebug(True):
            broken.forward(torch.randn(5, 20))
    except nngraph.GraphError as error:
        print(f"  {error}\n")
    written = sorted(path.name for path in Path.cwd().glob("broken.*"))
    print(f"  drawn when it failed: {', '.join(written) or 'nothing, for want of dot'}\n")

    try:
        broken.infer_shapes((5, 20))
    except nngraph.GraphError as error:
        print(f"  without data: {str(error).splitlines()[0]}\n")

    y = nn.Log()(nn.Tanh()(nn.Identity()()).annotate(name="between -1 and 1"))
    g = nngraph.gModule([y.inputs[0].inputs[0]], [y.annotate(name="log")])
    try:
        with nngraph.detect_anomaly():
            g.forward(torch.tensor([0.5, -0.5]))
    except nngraph.GraphError as error:
        print(f"  {error}")


def pictures() -> None:
    """Three pictures of one graph: the readable style, nngraph's own, and its modules alone.

    Groups become frames. A trace holds the values of one run and adds shapes to the boxes. `html`
    makes a page that shows the values of every node on a click.
    """
    x = nn.Identity()()
    with nngraph.group("encoder"):
        code = nn.Sigmoid()(nn.Linear(20, 3)(x))
    with nngraph.group("decoder"):
        back = nn.Linear(3, 20)(code)
    error = nn.MSECriterion()([back, nn.Identity()(x)])
    nngraph.annotateNodes()
    back.annotate(graphAttributes={"color": "blue"}, description="20 values out of 3")
    g = nngraph.gModule([x], [error], name="autoencoder")
    values = nngraph.trace(g, torch.randn(5, 20))
    draw(g, "pictures", values=values)
    draw(g, "pictures_nngraph", style="nngraph")
    with contextlib.suppress(nngraph.GraphError):  # `draw` has reported why
        nngraph.simple_print.dot(g.fg, "autoencoder", "pictures_simple")
    g.html("pictures.html")
    print("  pictures.html: a page to click through")


# Helpers of the stops above

MISSING: list[nngraph.GraphError] = []  # the reasons why pictures could not be drawn


def say(*names_and_values: object) -> None:
    """Print names and the shapes of their values, which alternate in the arguments."""
    pairs = zip(names_and_values[::2], names_and_values[1::2], strict=True)
    print("  " + ", ".join(f"{name} {tuple(value.shape)}" for name, value in pairs))


def draw(g: nngraph.gModule, name: str, **options: object) -> None:
    """Draw `g` as name.svg, or remember why that fails."""
    try:
        g.dot(name.replace("_", " "), name, **options)
        print(f"  {name}.svg")
    except nngraph.GraphError as error:  # the program dot is missing
        print(f"  {name}.dot, without a picture")
        MISSING.append(error)


STOPS = (
    chain,
    chain_with_minus,
    two_in_two_out,
    both_layers_before,
    split,
    tables,
    nests,
    graphs_in_graphs,
    mistakes,
    debugging,
    pictures,
)


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/tour")
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    nngraph.manualSeed(1)
    torch.manual_seed(1)
    for number, stop in enumerate(STOPS, 1):
        print(f"\n{number}. {stop.__doc__.splitlines()[0]}")
        stop()
    print(f"\nThe pictures are in {Path.cwd()}")
    if MISSING:
        print(f"or would be: {MISSING[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
