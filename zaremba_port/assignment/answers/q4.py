"""Question 4: model.s, model.ds and model.start_s."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ...config import Settings
from ...evaluate import run_valid
from ...language_model import TextState
from ...model import create_network
from ...unrolled import Model
from .answer import Answer, section
from .checks import claim, max_difference, normal, numeric_gradient

State = Sequence[torch.Tensor]


def answer() -> Answer:
    """Answer question 4."""
    return Answer(
        title="Question 4: model.s, model.ds and model.start_s",
        question="What are model.s, model.ds and model.start_s, and when is start_s set to zero?",
        short="""
            `model.s` holds the states of all steps, `model.ds` the gradient with respect to the
            state on its way back, `model.start_s` the state from which the next sequence starts;
            `reset_state` sets `start_s` to zero before each validation and test and where the
            text ends.
            """,
        exercise=(losses_from,),
        statement="""
            - `model.s` holds the states of the unrolled network: `s[0]` is the state before the
              first step, `s[t]` the state after t steps. A state is a table with c and h of every
              layer. There are `seq_length + 1` states, and the backward pass needs all of them.
            - `model.start_s` is the state from which the next sequence starts: the last state of
              the previous sequence. It carries memory from one sequence to the next, although
              gradients do not reach back that far.
            - `model.ds` is the gradient of the sum of the losses of all later steps with respect to
              the state. The backward pass initialises it with zeros and passes it from step to
              step.

            `start_s` is initially zero. `reset_state` sets it to zero again and moves the position
            in the text back to the beginning. It is called before each validation and test, and by
            `fp` when the rest of the text is shorter than a sequence. But at that point `fp` has
            already copied `start_s` to `s[0]`, and it overwrites `start_s` when it ends. So **the
            zeros have no effect**: the sequence that wraps around still starts from the state at
            the end of the text. The original program does the same.
            """,
        sections=(
            section(
                "Two passes over a short text",
                """
                The text has 13 rows and a sequence has 4 words, so one pass takes three sequences
                and the fourth call of `fp` wraps around. A subclass counts the calls of
                `reset_state`. |s| is the sum of the absolute values of a state.
                """,
                CountingModel,
                new_model,
                run=partial(two_passes),
            ),
            section(
                "Where the zeros do take effect",
                """
                Validation calls `reset_state` before its first `fp`, so it starts from zeros. All
                texts share one `start_s`, so training continues with the state that validation
                leaves there.
                """,
                run=partial(around_validation),
            ),
            section(
                "ds is the gradient with respect to the state",
                """
                This code writes out the loop of `Model.bp`. Before the backward pass of step t, ds
                is the gradient of the losses of the steps after t with respect to the state after
                step t. Finite differences measure the same with forward passes alone: change one
                number of the state slightly, run the rest of the sequence, and observe how the sum
                of the losses changes.
                """,
                losses_from,
                run=partial(by_finite_differences),
            ),
        ),
    )


class CountingModel(Model):
    """A Model that counts the calls of `reset_state`."""

    resets = 0

    def reset_state(self, state: TextState) -> None:
        """Reset the state and count the call if `start_s` is zero after it."""
        super().reset_state(state)
        self.resets += total(self.start_s) == 0


def total(state: State) -> float:
    """Sum the absolute values of a state."""
    return sum(s.abs().sum().item() for s in state)


def new_model() -> tuple[CountingModel, TextState]:
    """Create a small network in double precision and a text of 13 rows."""
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
    model = CountingModel(create_network(settings), settings)
    return model, TextState(torch.randint(settings.vocab_size, (13, settings.batch_size)))


def two_passes() -> None:
    """Print how start_s and s change over two passes."""
    model, text = new_model()
    print("fp  words read  |start_s| before  |s[0]|  zeroed  |s[4]|  |start_s| after")
    last = model.zero_state(batch=2)
    zeroed, continued = [], []
    for step in range(1, 7):
        resets, before = model.resets, total(model.start_s)
        model.fp(text)
        zeroed.append(model.resets > resets)
        continued.append(same(model.s[0], last) and same(model.start_s, model.s[-1]))
        last = nested.clone(model.s[-1])
        print(
            f"{step:2}  {f'{text.pos - 4} to {text.pos - 1}':>10}  {before:16.4f}  "
            f"{total(model.s[0]):6.4f}  {'yes' if zeroed[-1] else 'no':>6}  "
            f"{total(model.s[-1]):6.4f}  {total(model.start_s):15.4f}"
        )
    claim("model.s has seq_length + 1 states", len(model.s) == 4 + 1)
    only_fourth = [False, False, False, True, False, False]
    claim("the fourth fp zeroes start_s, and no other does", zeroed == only_fourth)
    claim("yet every sequence starts from the last state of the previous one", all(continued))


def same(a: State, b: State) -> bool:
    """Return whether two states are equal."""
    return state_difference(a, b) == 0


def state_difference(a: State, b: State) -> float:
    """Return the largest difference between two states."""
    return max(max_difference(x, y) for x, y in zip(a, b, strict=True))


def around_validation() -> None:
    """Run a validation between two training sequences."""
    model, text = new_model()
    model.fp(text)
    in_training = nested.clone(model.start_s)

    run_valid(model, TextState(text.data[6:11]))  # one sequence
    print(f"|start_s| in training {total(in_training):.4f}, after validation ", end="")
    print(f"{total(model.start_s):.4f}; |s[0]| of validation {total(model.s[0]):.4f}")
    claim("validation starts from zeros", total(model.s[0]) == 0)

    after_validation = nested.clone(model.start_s)
    model.fp(text)
    claim(
        "training continues from the last state of validation", same(model.s[0], after_validation)
    )
    claim("which is not its own last state", not same(after_validation, in_training))


def losses_from(model: Model, data: torch.Tensor, t: int, state: State) -> float:
    """Sum the losses of the steps from `t` on, starting from `state`."""
    losses = 0.0
    for i in range(t, 4):
        err, state = model.core_network.forward([data[i], data[i + 1], state])
        losses += err.item()
    return losses


def by_finite_differences() -> None:
    """Compare ds with finite differences at every step."""
    model, text = new_model()
    for start in model.start_s:
        start.copy_(normal(*start.shape))
    model.fp(text)
    ds, derr = model.zero_state(batch=2), model.paramx.new_ones(1)
    worst = 0.0
    for t in (3, 2, 1, 0):
        x, y = text.data[t], text.data[t + 1]
        ds = model.rnns[t].backward([x, y, model.s[t]], [derr, ds])[2]
        state = nested.clone(model.s[t])
        losses = partial(losses_from, model, text.data[:], t, state)
        numeric = [torch.from_numpy(numeric_gradient(losses, part)) for part in state]
        difference = state_difference(ds, numeric)
        print(
            f"with respect to s[{t}]: ds of the first cell {ds[0][0, 0].item():11.8f}, "
            f"finite difference {numeric[0][0, 0]:11.8f}, largest difference {difference:.0e}"
        )
        worst = max(worst, difference)
    claim("ds is the gradient of the later losses with respect to the state", worst < 1e-8)

    model.bp(text, lr=0.0)
    claim("bp leaves the gradient with respect to s[0] in model.ds", same(model.ds, ds))
