"""Question 7: the gradient of an output that is not part of the objective."""

from __future__ import annotations

from functools import partial

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...language_model import TextState
from ...model import create_network, fork_generators
from ...unrolled import Model
from .answer import Answer, section
from .checks import claim, max_difference
from .figure import Figure


def answer() -> Answer:
    """Answer question 7."""
    with fork_generators():
        network = new_model(predictions=True)[0].core_network
    return Answer(
        title="Question 7: the gradient of the extra output",
        question="The network also outputs its predictions. What is their gradient in backward?",
        short="""
            Zeros of the shape of the predictions, (batch, vocabulary), since the objective
            depends on them only through `err`.
            """,
        exercise=(new_model,),
        statement="""
            A tensor of zeros with the shape of the output, (batch, vocabulary). `backward` needs
            one gradient for each output. The predictions are only for inspection. The objective
            depends on them only through `err`, and the graph contains that path already. So the
            partial derivative of the objective with respect to this output is zero, and the
            parameters' gradients are the same as without the output.

            These zeros never change, so they are allocated once and used at every step. For the
            preset `small` they are 20 × 10000 numbers, or 800 kB, which a careless program
            allocates and clears 20 times per sequence.
            """,
        sections=(
            section(
                "The same gradients, with and without the output",
                """
                Two networks with the same seed read the same words. One of them has the predictions
                as its third output.
                """,
                new_model,
                run=partial(with_and_without),
                figures=[
                    Figure("The network with pred, the log-probabilities, as an output.", network)
                ],
            ),
            section(
                "Why not another tensor",
                "Any other gradient would train the network for another objective:",
                run=partial(zeros_or_ones),
            ),
            section(
                "Allocated once",
                "`Model.dpred` is this gradient. The code compares its address over six steps.",
                run=partial(allocated_once),
            ),
        ),
    )


def new_model(predictions: bool) -> tuple[Model, TextState]:
    """Create a network with or without the third output, and a random text."""
    settings = Settings(
        layers=1, rnn_size=6, vocab_size=9, batch_size=4, seq_length=5, dtype="float64"
    )
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    words = torch.randint(settings.vocab_size, (40, settings.batch_size))
    return Model(create_network(settings, predictions=predictions), settings), TextState(words)


def with_and_without() -> None:
    """Compare the gradients of both networks over three steps."""
    without, text = new_model(predictions=False)
    extra, same_text = new_model(predictions=True)
    differences = []
    for step in (1, 2, 3):
        without.fp(text)
        extra.fp(same_text)
        without.bp(text, lr=1.0)
        extra.bp(same_text, lr=1.0)
        differences.append(max_difference(without.paramdx, extra.paramdx))
        print(
            f"step {step}: {len(without.rnns[0].output)} and {len(extra.rnns[0].output)} outputs, "
            f"norm of the gradient {without.norm_dw:.10f} and {extra.norm_dw:.10f}, "
            f"largest difference {differences[-1]:.1e}"
        )
    claim("the gradients are equal with and without the output", max(differences) < 1e-14)
    assert extra.dpred is not None
    print("dpred:", tuple(extra.dpred.shape), "of", extra.dpred.unique().tolist())
    claim(
        "dpred is batch x vocabulary zeros", extra.dpred.shape == (4, 9) and not extra.dpred.any()
    )


def zeros_or_ones() -> None:
    """Compare the gradients for zeros and for ones."""
    model, text = new_model(predictions=True)
    network, state = model.core_network, model.zero_state(batch=4)
    input = [text.data[0], text.data[1], state]
    err, next_s, pred = network.forward(input)
    dstate = [torch.zeros_like(s) for s in next_s]

    def gradient(dpred: torch.Tensor) -> torch.Tensor:
        model.paramdx.zero_()
        network.backward(input, [torch.ones_like(err), dstate, dpred])
        return model.paramdx.clone()

    right = gradient(torch.zeros_like(pred))
    wrong = gradient(torch.ones_like(pred))
    print(f"norm with zeros {right.norm():.6f}, with ones {wrong.norm():.6f}")
    claim("ones give another gradient", max_difference(right, wrong) > 0.01)


def allocated_once() -> None:
    """Check that bp uses the same zeros at every step."""
    model, text = new_model(predictions=True)
    claim("before the first step there is none", model.dpred is None)
    tensors = []  # as long as they are in the list, no address is used twice
    for _ in range(6):
        model.fp(text)
        model.bp(text, lr=1.0)
        assert model.dpred is not None
        tensors.append(model.dpred)
    addresses = {dpred.data_ptr() for dpred in tensors}
    print(f"after {len(tensors)} steps: {len(addresses)} address")
    claim("it is allocated once", len(addresses) == 1)
    claim("and its numbers are still zeros", not tensors[-1].any())
