"""Question 6: how the parameters are optimised."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import pairwise

import torch

import pygraph_nn as nngraph
from pygraph_nn import nested

from ...config import Settings, preset
from ...language_model import TextState
from ...model import create_network
from ...runs import RunFolder
from ...text import Corpus, Vocabulary
from ...train import train
from ...unrolled import Model
from .answer import Answer, section
from .checks import claim, max_difference


def answer() -> Answer:
    """Answer question 6."""
    return Answer(
        title="Question 6: the optimiser and its schedule",
        question="Which optimisation method is used, and how does the learning rate change?",
        short="""
            Plain mini-batch gradient descent, whose learning rate is divided by `decay` after
            every epoch later than `max_epoch`.
            """,
        exercise=(rates,),
        statement="""
            The method is mini-batch gradient descent. It has no momentum and keeps nothing else
            from step to step:

                paramx ← paramx - lr * paramdx

            A mini-batch consists of `batch_size` texts in parallel, with `seq_length` words of
            each. The gradient is averaged over the texts and summed over the words. Its norm is
            limited before the step (question 5).

            The learning rate starts at `lr` and is divided by `decay` after every epoch later than
            `max_epoch`. The program checks `epoch > max_epoch` at the end of an epoch. So the first
            division follows epoch `max_epoch + 1`, and epoch `max_epoch + 2` is the first with a
            lower rate. `max_max_epoch` is the total number of epochs.
            """,
        sections=(
            section(
                "The update, reproduced by hand",
                """
                This code takes three steps of `Model.bp`. For each, it computes the gradient at the
                same parameters by PyTorch's autograd alone and writes the update out. Momentum
                would change the second and the third step.
                """,
                new_model,
                gradient,
                run=partial(three_steps),
            ),
            section(
                "A mini-batch",
                "The gradient of a batch is the mean of the gradients of its texts.",
                run=partial(batch_and_texts),
            ),
            section(
                "The schedule",
                """
                The rates are measured, not computed from the settings. For each preset of the
                paper, `zaremba_port.train` trains a tiny network for the preset's number of epochs,
                and the rates come from the run's metrics.
                """,
                rates,
                run=partial(schedule),
            ),
        ),
    )


def new_model() -> tuple[Model, TextState]:
    """Create a small network in double precision and a text of 10 rows."""
    settings = Settings(
        layers=1,
        rnn_size=5,
        vocab_size=8,
        batch_size=4,
        seq_length=3,
        dtype="float64",
        init_weight=0.5,
        max_grad_norm=1.0,
    )
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    text = torch.randint(settings.vocab_size, (10, settings.batch_size))
    return Model(create_network(settings), settings), TextState(text)


def gradient(
    network: nngraph.gModule, rows: torch.Tensor, state: list[torch.Tensor]
) -> torch.Tensor:
    """Compute the gradient of the sum of the losses of `rows`, from `state`, by autograd."""
    losses = []
    for x, y in pairwise(rows):
        err, state = network([x, y, state])
        losses.append(err)
    parts = torch.autograd.grad(torch.cat(losses).sum(), list(network.parameters()))
    return torch.cat([part.reshape(-1) for part in parts])


def three_steps() -> None:
    """Compare three steps of bp with the update written out."""
    model, text = new_model()
    lr, velocity, worst, with_momentum = 0.7, torch.zeros_like(model.paramx), 0.0, 0.0
    for step in (1, 2, 3):
        before, state = model.paramx.clone(), nested.clone(model.start_s)
        rows = text.data[text.pos : text.pos + 3 + 1]
        g = gradient(model.core_network, rows, state)
        norm = g.norm().item()
        g = g * min(1.0, 1.0 / norm)  # max_grad_norm is 1

        model.fp(text)
        model.bp(text, lr)
        difference = max_difference(model.paramx, before - lr * g)
        velocity = 0.9 * velocity + g
        with_momentum = max_difference(model.paramx, before - lr * velocity)
        print(
            f"step {step}: norm {norm:.4f}; difference from paramx - lr * gradient "
            f"{difference:.1e}, from a step with momentum 0.9 {with_momentum:.1e}"
        )
        worst = max(worst, difference)
    claim("each step is -lr times the limited gradient, and nothing else", worst < 1e-12)
    claim("momentum would be visible", with_momentum > 1e-3)

    # bp leaves the step itself in paramdx.
    before, _ = model.paramx.clone(), model.fp(text)
    model.bp(text, lr)
    difference = max_difference(before + model.paramdx, model.paramx)
    claim("bp leaves the step in paramdx", difference == 0)


def batch_and_texts() -> None:
    """Compare the gradient of a batch with the gradients of its texts."""
    model, text = new_model()
    network, batch = model.core_network, 4
    rows = text.data[: 3 + 1]
    whole = gradient(network, rows, model.zero_state(batch))
    alone = [gradient(network, rows[:, [b]], model.zero_state(1)) for b in range(batch)]
    print(f"norm of each text's gradient: {', '.join(f'{g.norm():.4f}' for g in alone)}")
    print(f"norm of the batch's gradient: {whole.norm():.4f}")
    mean = torch.stack(alone).mean(0)
    claim("the gradient is the mean over the texts", max_difference(whole, mean) < 1e-12)


def rates(settings: Settings) -> list[float]:
    """Train a tiny network and return the learning rate of every epoch."""
    tiny = settings.with_changes({
        "layers": 1, "rnn_size": 1, "dropout": 0.0, "vocab_size": 2, "batch_size": 1,
        "seq_length": 2, "reference": True,  # metrics hold every step in this mode
    })  # fmt: skip
    ids = torch.tensor([0, 1, 1, 0])
    corpus = Corpus("tiny", ids, ids, ids, Vocabulary(["a", "b"]), {})
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(f"{folder}/run", tiny, corpus.vocabulary, corpus.name)
        train(run, corpus, device="cpu", log=lambda line: None)
        steps = [line for line in run.metrics() if "lr" in line]
    by_epoch = {line["epoch"]: line["lr"] for line in steps if line["epoch"] % 1 == 0}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def schedule() -> None:
    """Print the learning rates of each preset."""
    print("preset  max_epoch  decay  epochs at rate 1  then                          last epoch")
    as_stated = []
    for name in ("small", "medium", "large"):
        settings = preset(name)
        measured = rates(settings)
        first = sum(rate == measured[0] for rate in measured)  # epochs at the initial rate
        lower = enumerate(measured[first : first + 2], first + 1)
        then = ", ".join(f"{epoch}: {rate:.4f}" for epoch, rate in lower)
        print(
            f"{name:6}  {settings.max_epoch:9}  {settings.decay:5}  {f'1 to {first}':16}  "
            f"{then + ', ...':28}  {len(measured)}: {measured[-1]:.4f}"
        )
        epochs = range(1, len(measured) + 1)
        divisions = [max(0, epoch - settings.max_epoch - 1) for epoch in epochs]
        expected = [settings.lr / settings.decay**n for n in divisions]
        as_stated.append(len(measured) == settings.max_max_epoch)
        as_stated.append(max_difference(measured, expected) < 1e-12)
        as_stated.append(first == settings.max_epoch + 1)
    claim("the first division follows epoch max_epoch + 1, then every epoch", all(as_stated))
