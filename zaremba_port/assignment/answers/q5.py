"""Question 5: how the gradient's norm is limited."""

from __future__ import annotations

from functools import partial

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...language_model import TextState
from ...model import create_network
from ...unrolled import Model
from .answer import Answer, section
from .checks import claim, max_difference


def answer() -> Answer:
    """Answer question 5."""
    return Answer(
        title="Question 5: the gradient's norm",
        question="How does the program normalise the gradient, and what does that change?",
        short="""
            It shortens the gradient of all parameters to the norm `max_grad_norm` if it is
            longer, and keeps its direction.
            """,
        exercise=(step_with,),
        statement="""
            It limits the norm. The gradients of all layers, summed over all time steps, form one
            vector `paramdx`. If its 2-norm exceeds `max_grad_norm`, the vector is multiplied by
            `max_grad_norm / norm`; otherwise it stays as it is. So a step is never longer than
            `lr * max_grad_norm`, and **it keeps its direction**: the network still moves downhill,
            only less far. Gradients of recurrent networks can explode, since they are products over
            many time steps. The limit keeps one such batch from moving the parameters far away. It
            does not help against vanishing gradients.
            """,
        sections=(
            section(
                "A step with and without the limit",
                """
                The same network reads the same words and takes one step under three limits. The
                first limit, 1e9, is too high to matter, so that step is the gradient itself. The
                other limits are 0.5 and 5. The step is measured on the parameters, before minus
                after. For comparison, the last lines limit every number separately, which is also
                called clipping: this does change the direction.
                """,
                step_with,
                cosine,
                run=partial(limits),
            ),
        ),
    )


def step_with(max_grad_norm: float) -> tuple[torch.Tensor, float]:
    """Return minus the step of the parameters at learning rate 1, and the norm that bp measured."""
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
    """Return the cosine of the angle between two vectors."""
    return torch.dot(a / a.norm(), b / b.norm()).item()


def limits() -> None:
    """Compare steps under several limits with the gradient."""
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
    claim(
        "the step keeps its direction: the cosine is 1", abs(cosine(limited, gradient) - 1) < 1e-12
    )
    by_hand = gradient * 0.5 / norm
    claim("the step is the gradient times limit / norm", max_difference(limited, by_hand) < 1e-12)
    claim(
        "5 does not limit this step: it is the gradient", max_difference(unlimited, gradient) == 0
    )

    each = gradient.clamp(-0.02, 0.02)
    print(f"each number limited to 0.02 instead: cosine {cosine(each, gradient):.6f}")
    claim("limiting every number separately changes the direction", cosine(each, gradient) < 0.99)
