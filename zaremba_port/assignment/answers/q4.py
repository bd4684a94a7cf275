"""Question 4: model.s, model.ds and model.start_s."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ...config import Settings
from ...evaluate import run_valid
from ...model import create_network
from ...unrolled import Model, TextState
from .answer import Answer, section
from .checks import apart, claim, normal, slope


def answer() -> Answer:
    return Answer(
        title="Question 4: model.s, model.ds and model.start_s",
        question="What are model.s, model.ds and model.start_s, and when is start_s set to zero?",
        statement="""
            - `model.s` holds the state before each step of the unrolled network: `s[0]` before the
              first, `s[t]` after t steps. A state is a table with c and h of every layer. There are
              `seq_length + 1` of them, since the backward pass needs them all.
            - `model.start_s` is the state that the next sequence starts from: the last state of the
              sequence before. It carries memory from one sequence to the next, although gradients
              do not go back that far.
            - `model.ds` is the gradient of the objective, the sum of the losses of the steps still
              to come, with respect to the state. The backward pass starts it at zeros and carries
              it from step to step.

            At first `start_s` is zeros. `reset_state` sets it to zero again, and the place in the
            text to its beginning; it is called before each validation and test, and by `fp` where
            too little text is left for a whole sequence. But there `s[0]` has been filled already,
            and at its end `fp` overwrites `start_s`: **the zeros have no effect**, and the sequence
            that wraps around still starts from the state at the text's end. The original program
            does the same.
            """,
        sections=(
            section(
                "Two passes over a short text",
                """
                The text has 13 rows and a sequence 4 words, so three sequences make one pass and
                the fourth `fp` wraps around. A subclass notes each call of `reset_state`; |s| is
                the sum of the absolute values of a state.
                """,
                Traced,
                network,
                run=partial(two_passes),
            ),
            section(
                "Where the zeros do take effect",
                """
                Validation calls `reset_state` before its first `fp`, so it starts from zeros. Since
                there is one `start_s` for all texts, what validation leaves there is what training
                goes on with.
                """,
                run=partial(around_validation),
            ),
            section(
                "ds is the gradient with respect to the state",
                """
                The loop of `Model.bp`, written out: before step t runs backward, ds is the gradient
                of the losses of the steps after t with respect to the state after step t. Finite
                differences ask the same of the forward pass alone: change one number of the state
                slightly, run the rest of the sequence, and see how the sum of its losses changes.
                """,
                losses_from,
                run=partial(by_finite_differences),
            ),
        ),
    )


class Traced(Model):
    """A Model that counts the calls of `reset_state`."""

    resets = 0

    def reset_state(self, state: TextState) -> None:
        super().reset_state(state)
        self.resets += total(self.start_s) == 0


def total(state: Any) -> float:
    """The sum of the absolute values of a state."""
    return sum(s.abs().sum().item() for s in state)


def network() -> tuple[Traced, TextState]:
    """A small network in double precision, and a text of 13 rows."""
    settings = Settings(
        layers=1,
        rnn_size=3,
        vocab_size=6,
        batch_size=2,
        seq_length=4,
        dtype="float64",
        init_weight=0.5,
    )
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    model = Traced(create_network(settings), settings)
    return model, TextState(torch.randint(settings.vocab_size, (13, settings.batch_size)))


def two_passes() -> None:
    model, text = network()
    print("fp  words read  |start_s| before  |s[0]|  zeroed  |s[4]|  |start_s| after")
    last = model.zero_state(batch=2)
    zeroed, carried = [], []
    for step in range(1, 7):
        resets, before = model.resets, total(model.start_s)
        model.fp(text)
        zeroed.append(model.resets > resets)
        carried.append(same(model.s[0], last) and same(model.start_s, model.s[-1]))
        last = nested.clone(model.s[-1])
        print(
            f"{step:2}  {f'{text.pos - 4} to {text.pos - 1}':>10}  {before:16.4f}  "
            f"{total(model.s[0]):6.4f}  {'yes' if zeroed[-1] else 'no':>6}  "
            f"{total(model.s[-1]):6.4f}  {total(model.start_s):15.4f}"
        )
    claim("model.s has seq_length + 1 states", len(model.s) == 4 + 1)
    only_fourth = [False, False, False, True, False, False]
    claim("start_s is zeroed by the fourth fp, and by no other", zeroed == only_fourth)
    claim("yet each starts from the state that the one before ended with", all(carried))


def same(a: Any, b: Any) -> bool:
    return nested_apart(a, b) == 0


def nested_apart(a: Any, b: Any) -> float:
    return max(apart(x, y) for x, y in zip(a, b, strict=True))


def around_validation() -> None:
    model, text = network()
    model.fp(text)
    in_training = nested.clone(model.start_s)

    run_valid(model, TextState(text.data[6:11]))  # one sequence
    print(f"|start_s| in training {total(in_training):.4f}, when validation ends ", end="")
    print(f"{total(model.start_s):.4f}; |s[0]| of validation {total(model.s[0]):.4f}")
    claim("validation starts from zeros", total(model.s[0]) == 0)

    left = nested.clone(model.start_s)
    model.fp(text)
    claim("training goes on from what validation left", same(model.s[0], left))
    claim("which is not its own last state", not same(left, in_training))


def losses_from(model: Model, data: torch.Tensor, t: int, state: Any) -> float:
    """The sum of the losses of the steps from `t` on, when `state` is the state before step t."""
    losses = 0.0
    for i in range(t, 4):
        err, state = model.core_network.forward([data[i], data[i + 1], state])
        losses += err.item()
    return losses


def by_finite_differences() -> None:
    model, text = network()
    for start in model.start_s:
        start.copy_(normal(*start.shape))
    model.fp(text)
    ds, derr = model.zero_state(batch=2), model.paramx.new_ones(1)
    worst = 0.0
    for t in (3, 2, 1, 0):
        x, y = text.data[t], text.data[t + 1]
        ds = model.rnns[t].backward([x, y, model.s[t]], [derr, ds])[2]
        state = nested.clone(model.s[t])
        numeric = [slope(partial(losses_from, model, text.data, t, state), at) for at in state]
        difference = nested_apart(ds, numeric)
        print(
            f"with respect to s[{t}]: ds of the first cell {ds[0][0, 0].item():11.8f}, "
            f"finite difference {numeric[0][0, 0]:11.8f}, largest difference {difference:.0e}"
        )
        worst = max(worst, difference)
    claim("ds is the gradient of the losses to come with respect to the state", worst < 1e-8)

    model.bp(text, lr=0.0)
    claim("what bp leaves in model.ds is that for s[0]", same(model.ds, ds))
