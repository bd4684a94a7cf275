"""Question 5: what is done to the gradient before the step."""

from __future__ import annotations

from functools import partial

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...model import create_network
from ...unrolled import Model, TextState
from .answer import Answer, section
from .checks import apart, claim


def answer() -> Answer:
    return Answer(
        title="Question 5: the gradient's norm",
        question="How does the program normalise the gradient, and what does that change?",
        statement="""
            It limits the norm. All gradients, of all layers and all time steps, are one vector
            `paramdx`; if its 2-norm is larger than `max_grad_norm`, the vector is multiplied by
            `max_grad_norm / norm`, otherwise it is left alone. So a step is never longer than `lr *
            max_grad_norm`, and **its direction is kept**: the network still goes downhill, only
            less far. Gradients of recurrent networks can explode, since they are products over many
            time steps; this keeps one such batch from throwing the parameters far away. The limit
            does nothing against gradients that vanish.
            """,
        sections=(
            section(
                "A step that is limited, and one that is not",
                """
                The same network reads the same words and makes one step, under three limits. The
                first is one that no gradient reaches, so that the step is the gradient itself; then
                follow 0.5 and 5. The step is taken from the parameters, before minus after.
                Limiting every number for itself, which is called clipping, too, is shown beside it:
                that does turn the vector.
                """,
                step_with,
                cosine,
                run=partial(limited),
            ),
        ),
    )


def step_with(max_grad_norm: float) -> tuple[torch.Tensor, float]:
    """Minus the step of the parameters at learning rate 1, and the norm that bp measured."""
    settings = Settings(
        rnn_size=8, vocab_size=12, batch_size=4, seq_length=6, init_weight=0.5, dtype="float64",
        max_grad_norm=max_grad_norm,
    )  # fmt: skip
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    model = Model(create_network(settings), settings)
    text = TextState(torch.randint(settings.vocab_size, (7, settings.batch_size)))
    before = model.paramx.clone()
    model.fp(text)
    model.bp(text, lr=1.0)
    return before - model.paramx, model.norm_dw


def cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return torch.dot(a / a.norm(), b / b.norm()).item()


def limited() -> None:
    gradient, norm = step_with(max_grad_norm=1e9)
    print(f"the gradient: {gradient.numel()} numbers, norm {norm:.6f}")
    print("limit  norm measured by bp  norm of the step  cosine with the gradient")
    steps = {}
    for limit in (0.5, 5.0):
        step, measured = step_with(max_grad_norm=limit)
        print(f"{limit:5}  {measured:19.6f}  {step.norm():16.6f}  {cosine(step, gradient):.12f}")
        steps[limit] = step
    limited, unlimited = steps.values()
    claim("0.5 limits this step: the norm before was larger", norm > 0.5)
    claim("the norm after is 0.5", abs(limited.norm().item() - 0.5) < 1e-9)
    claim("the direction is kept: the cosine is 1", abs(cosine(limited, gradient) - 1) < 1e-12)
    by_hand = gradient * 0.5 / norm
    claim("the step is the gradient times limit / norm", apart(limited, by_hand) < 1e-12)
    claim("5 does not limit it: the step is the gradient", apart(unlimited, gradient) == 0)

    each = gradient.clamp(-0.02, 0.02)
    print(f"each number limited to 0.02 instead: cosine {cosine(each, gradient):.6f}")
    claim("limiting numbers one by one would turn the direction", cosine(each, gradient) < 0.99)
