"""A child-sum tree LSTM: a network as deep as the tree that it reads.

Tai, Socher and Manning 2015, https://arxiv.org/abs/1503.00075; in Lua
https://github.com/stanfordnlp/treelstm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from port_checks import check_step, with_gradients

import pygraph_nn as nngraph
from pygraph_nn import nn

pytestmark = pytest.mark.usefixtures("float64_default")
INPUT, MEMORY, CLASSES = 3, 4, 2
SHARED = ("weight", "bias", "gradWeight", "gradBias")
State = list[torch.Tensor]  # c and h, (MEMORY,) each


@dataclass
class Tree:
    """A node of a tree: the row of its input, its class, its children."""

    row: int
    label: int
    children: list[Tree] = field(default_factory=list)
    state: State = field(default_factory=list)


class CRowAddTable(nn.Module):
    """Adds a vector to every row of a matrix: [(n, size), (size,)] to (n, size)."""

    def updateOutput(self, input: Any) -> torch.Tensor:
        rows, vector = input
        return rows + vector


def composer() -> nngraph.gModule:
    """[input, child_c, child_h] to [c, h]; the states of n children are (n, MEMORY)."""
    input, child_c, child_h = nn.Identity()(), nn.Identity()(), nn.Identity()()
    child_h_sum = nn.Sum(0)(child_h)

    def gate(name: str) -> nngraph.Node:
        x = nn.Linear(INPUT, MEMORY)(input).annotate(name=f"{name}_x")
        h = nn.Linear(MEMORY, MEMORY)(child_h_sum).annotate(name=f"{name}_h")
        return nn.CAddTable()([x, h])

    forget_h = nn.TemporalConvolution(MEMORY, MEMORY, 1)(child_h)  # one gate for each child
    forget_x = nn.Linear(INPUT, MEMORY)(input)
    f = nn.Sigmoid()(CRowAddTable()([forget_h, forget_x]))
    i, update = nn.Sigmoid()(gate("i")), nn.Tanh()(gate("update"))
    kept = nn.Sum(0)(nn.CMulTable()([f, child_c]))
    c = nn.CAddTable()([nn.CMulTable()([i, update]), kept])
    h = nn.CMulTable()([nn.Sigmoid()(gate("o")), nn.Tanh()(c)])
    nngraph.annotateNodes()
    return nngraph.gModule([input, child_c, child_h], [c, h])


class ChildSumTreeLSTM:
    """Runs a clone of the composer, and of the classifier of its h, for every node of a tree."""

    def __init__(self) -> None:
        self.composer, self.criterion = composer(), nn.ClassNLLCriterion()
        self.output = nn.Sequential().add(nn.Linear(MEMORY, CLASSES)).add(nn.LogSoftMax())
        self.modules = nn.Container().add(self.composer).add(self.output)
        self.params, self.grads = self.modules.getParameters()
        self.clones: dict[int, tuple[Any, Any]] = {}  # by row

    def forward(self, tree: Tree, inputs: torch.Tensor) -> float:
        """Compute the states of all nodes; return the sum of their losses."""
        loss = sum(self.forward(child, inputs) for child in tree.children)
        if tree.row not in self.clones:
            self.clones[tree.row] = (self.composer.clone(*SHARED), self.output.clone(*SHARED))
        compose, classify = self.clones[tree.row]
        tree.state = compose.forward([inputs[tree.row], *child_states(tree)])
        return loss + self.criterion.forward(classify.forward(tree.state[1]), tree.label).item()

    def backward(self, tree: Tree, inputs: torch.Tensor, grad: State, grad_inputs: Any) -> None:
        """Go back from the root, where `grad` is the gradient of its c and h."""
        compose, classify = self.clones[tree.row]
        d_output = self.criterion.backward(classify.output, tree.label)
        d_h = grad[1] + classify.backward(tree.state[1], d_output)
        input = [inputs[tree.row], *child_states(tree)]
        grad_inputs[tree.row], child_c, child_h = compose.backward(input, [grad[0], d_h])
        for i, child in enumerate(tree.children):
            self.backward(child, inputs, [child_c[i], child_h[i]], grad_inputs)

    def step(self, tree: Tree, inputs: torch.Tensor, grad_inputs: torch.Tensor) -> float:
        self.grads.zero_()
        loss = self.forward(tree, inputs)
        self.backward(tree, inputs, [torch.zeros(MEMORY)] * 2, grad_inputs)
        return loss


def child_states(tree: Tree) -> State:
    """c and h of the children, (n, MEMORY) each; a leaf has one child of zeros."""
    if not tree.children:
        return [torch.zeros(1, MEMORY)] * 2
    c, h = zip(*(child.state for child in tree.children), strict=True)
    return [torch.stack(c), torch.stack(h)]


TREE = Tree(0, 1, [Tree(1, 0, [Tree(2, 1), Tree(3, 0)]), Tree(4, 1), Tree(5, 0, [Tree(6, 1)])])


def plain(tree: Tree, inputs: torch.Tensor, p) -> tuple[Any, Any, torch.Tensor]:
    """c, h and the loss of a tree, child by child."""
    children = [plain(child, inputs, p) for child in tree.children]
    x, h_sum = inputs[tree.row], sum((h for _, h, _ in children), torch.zeros(MEMORY))

    def linear(name, value):
        return F.linear(value, p[f"{name}.weight"], p[f"{name}.bias"])

    def gate(name):
        return linear(f"0.{name}_x", x) + linear(f"0.{name}_h", h_sum)

    c = gate("i").sigmoid() * gate("update").tanh()
    for child_c, child_h, _ in children:
        c = c + (linear("0.forget_h", child_h) + linear("0.forget_x", x)).sigmoid() * child_c
    h = gate("o").sigmoid() * c.tanh()
    loss = F.cross_entropy(linear("1.0", h)[None], torch.tensor([tree.label]))
    return c, h, sum((child_loss for *_, child_loss in children), loss)


def test_gradients() -> None:
    nngraph.manualSeed(1)
    net, inputs = ChildSumTreeLSTM(), nngraph.torch7_random.randn(7, INPUT)
    grad_inputs = torch.zeros_like(inputs)
    tensors = {**with_gradients(net.modules), "inputs": (inputs, grad_inputs)}
    step = partial(net.step, TREE, inputs, grad_inputs)
    check_step(step, tensors, lambda p: plain(TREE, p["inputs"], p)[2])


def test_training() -> None:
    nngraph.manualSeed(1)
    net, inputs = ChildSumTreeLSTM(), nngraph.torch7_random.randn(7, INPUT)
    losses = []
    for _ in range(60):
        losses.append(net.step(TREE, inputs, torch.zeros_like(inputs)))
        net.params.sub_(net.grads, alpha=0.3)
    assert losses[-1] < 0.2 * losses[0]
