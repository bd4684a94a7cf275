"""A trained network reads a sentence: the values and gradients at every node, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

import pygraph_nn as nngraph

from ...cells import Cell
from ...errors import UserError
from ...model import create_network, zero_state
from ...runs import RunFolder, checked_cell
from ...text import EOS
from .symbols import GATES

_MOST_WORDS = 30  # a page for more is too large to be read


@dataclass(frozen=True)
class Step:
    """A time step: the network reads `word` and should predict `target`.

    Attributes:
        loss: the negative log-likelihood of the target, in nats.
        likeliest: the likeliest next words, each with its probability.
    """

    word: str
    target: str
    loss: float
    likeliest: list[tuple[str, float]]

    @property
    def probability(self) -> float:
        """Return the probability of the target."""
        return math.exp(-self.loss)


@dataclass(frozen=True)
class HeatMap:
    """The values of one node over all steps.

    Attributes:
        layer: the name of the layer's group.
        values, gradients: (units, steps); gradients of the sum of all losses.
    """

    layer: str
    name: str
    values: torch.Tensor
    gradients: torch.Tensor


@dataclass(frozen=True)
class SentenceTrace:
    """A sentence read by the network of a run, with its backward pass through time."""

    run: RunFolder
    steps: list[Step]
    clones: list[nngraph.gModule]
    traces: list[nngraph.Trace]
    heat_maps: list[HeatMap]


def trace_sentence(
    run: RunFolder, words: Sequence[str], cell: Cell | str | None = None
) -> SentenceTrace:
    """Let the best network of `run` read `words`, without dropout, and go back through time.

    The network reads <eos> before the first word, if its text has one, and predicts every word of
    the sentence. The objective is the sum of the losses of all steps.

    Raises:
        UserError: a word is not in the vocabulary, there are too few or too many words, the run has
            no parameters, or `cell` is not its cell.
    """
    vocabulary = run.vocabulary
    read = [EOS, *words] if EOS in vocabulary else list(words)
    if len(read) < 2:
        raise UserError("--trace RUN TEXT needs a text of at least two words")
    if len(read) > _MOST_WORDS + 1:
        raise UserError(f"--trace shows at most {_MOST_WORDS} words, the text has {len(words)}")
    vocabulary.encode(words)  # counts the words of an error without <eos>
    ids = vocabulary.encode(read)
    cell = checked_cell(run, cell)
    network = create_network(run.settings, predictions=True, cell=cell)
    run.load_parameters(network, "best")
    network.evaluate()
    like = next(network.parameters()).detach()
    clones = nngraph.clone_many_times(network, len(read) - 1)

    state, inputs, steps = zero_state(run.settings, 1, like, cell), [], []
    for clone, x, y in zip(clones, ids[:-1], ids[1:], strict=True):
        inputs.append([x.view(1), y.view(1), state])
        err, state, pred = clone.forward(inputs[-1])
        top = pred[0, : len(vocabulary)].topk(min(3, len(vocabulary)))
        likeliest = zip(vocabulary.decode(top.indices), top.values.exp().tolist(), strict=True)
        word, target = vocabulary.decode([int(x), int(y)])
        steps.append(Step(word, target, float(err), list(likeliest)))

    traces: list[nngraph.Trace] = []
    gradient = [torch.zeros_like(part) for part in state]  # nothing follows the last step
    for clone, given in zip(reversed(clones), reversed(inputs), strict=True):
        ones, zeros = like.new_ones(1), like.new_zeros(1, pred.shape[1])
        traces.insert(0, nngraph.trace(clone, given, [ones, gradient, zeros]))
        gradient = traces[0].gradOutput(clone.innode)[2]
    return SentenceTrace(run, steps, clones, traces, _heat_maps(clones, traces))


def _heat_maps(clones: list[nngraph.gModule], traces: list[nngraph.Trace]) -> list[HeatMap]:
    """Return the gates and the next state of each layer; of a cell without gates all its names."""
    named = [
        (place, node.group[0], node.name)
        for place, node in enumerate(clones[0].forwardnodes)
        if node.name and node.group and _is_row(traces[0].outputs.get(node))
    ]
    has_gates = any(name in GATES for _, _, name in named)
    maps = []
    for place, layer, name in named:
        if has_gates and name not in GATES and not name.startswith("next_"):
            continue
        at_steps = [clone.forwardnodes[place] for clone in clones]
        values = [trace.outputs[n][0] for trace, n in zip(traces, at_steps, strict=True)]
        gradients = [
            trace.gradOutput(n).expand_as(values[0].unsqueeze(0))[0]
            for trace, n in zip(traces, at_steps, strict=True)
        ]
        maps.append(HeatMap(layer, name, torch.stack(values, 1), torch.stack(gradients, 1)))
    order = {name: i for i, name in enumerate(GATES)}
    return sorted(maps, key=lambda m: (m.layer, order.get(m.name, len(order))))


def _is_row(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() == 2
