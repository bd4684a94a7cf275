"""Question 3: what create_network returns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...language_model import TextState
from ...model import create_network, fork_generators
from ...unrolled import Model
from .answer import Answer, section
from .checks import TOLERANCE, claim, max_difference
from .figure import Figure


def answer() -> Answer:
    """Answer question 3."""
    with fork_generators():
        network = create_network(new_settings())
    return Answer(
        title="Question 3: what create_network returns",
        question="What does create_network return: a layer, a time step, or the unrolled network?",
        short="""
            `create_network` returns the whole network, with all its layers, for one time step; it
            is not unrolled.
            """,
        exercise=(count_objects,),
        statement="""
            `create_network` returns one gModule: the whole network, with all its layers, for one
            time step. Its input is a table of three: the words x, the words y that follow them, and
            the state `prev_s`. Its outputs are the loss `err` and the state `next_s`. It is not
            unrolled. `clone_many_times` does that afterwards and makes one copy for each time step.
            Every copy has its own nodes and modules, since it must remember its own values for the
            backward pass. All copies share their parameters and accumulate their gradients in the
            same tensors.
            """,
        sections=(
            section(
                "One time step",
                """
                The input holds one word for each text of the batch, not a sequence, and one call
                returns one loss and one state. Time passes only when the network is called again
                with the state that it returned: a loop over the one network computes the same
                losses as the clones.
                """,
                new_settings,
                words,
                run=partial(one_step),
                figures=[
                    Figure(
                        "What create_network returns: two layers, one time step.",
                        network,
                        fold=True,
                    )
                ],
            ),
            section(
                "Cloning unrolls it",
                "The objects before and after cloning the network for a sequence of five words:",
                count_objects,
                run=partial(before_and_after),
            ),
            section(
                "What sharing means",
                """
                A change to a weight of the network changes every clone. The gradients of all clones
                add up in the same tensors; the sum is the gradient of the unrolled network.
                """,
                run=partial(clones_share_parameters),
            ),
        ),
    )


def new_settings() -> Settings:
    """Return the settings of a small network."""
    return Settings(
        layers=2, rnn_size=4, vocab_size=10, batch_size=3, seq_length=5, dtype="float64"
    )


def words(rows: int, settings: Settings) -> torch.Tensor:
    """Draw the ids of random words, (rows, batch)."""
    return torch.randint(settings.vocab_size, (rows, settings.batch_size))


def one_step() -> None:
    """Call the network step by step, and compare its losses with those of the clones."""
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    settings = new_settings()
    network = create_network(settings)
    model = Model(network, settings)
    data = words(6, settings)
    state = model.zero_state(settings.batch_size)
    print(f"{network.nInputs} inputs, outputs {[node.name for node in network.outnode.inputs]}")
    err, next_s = network.forward([data[0], data[1], state])
    print(f"x and y {tuple(data[0].shape)}, err {tuple(err.shape)}")
    print("next_s ", [tuple(s.shape) for s in next_s], "c and h of both layers")
    claim("one call reads one word of each text", err.shape == (1,) and len(next_s) == 4)

    losses = []
    for t in range(5):
        err, state = network.forward([data[t], data[t + 1], state])
        losses.append(err.item())
    model.fp(TextState(data))
    print("losses of a loop over the network:", [f"{loss:.6f}" for loss in losses])
    print("losses of the clones:             ", [f"{loss:.6f}" for loss in model.err.tolist()])
    claim(
        "the loop and the clones compute the same losses",
        max_difference(losses, model.err) < TOLERANCE,
    )


def count_objects(networks: Sequence[nngraph.gModule]) -> dict[str, int]:
    """Count the distinct objects in all networks together."""
    parameters = [p for network in networks for p in network.parameters()]
    gradients = [p.grad for p in parameters if p.grad is not None]
    modules = [m for network in networks for m in network.modules()]
    return {
        "nodes": len({id(node) for network in networks for node in network.forwardnodes}),
        "modules": len({id(module) for module in modules}),
        "parameters": len({id(parameter) for parameter in parameters}),
        "storages of parameters": len({p.untyped_storage().data_ptr() for p in parameters}),
        "storages of gradients": len({p.untyped_storage().data_ptr() for p in gradients}),
    }


def before_and_after() -> None:
    """Count what cloning adds."""
    nngraph.manualSeed(1)
    network = create_network(new_settings())
    clones = nngraph.clone_many_times(network, 5)
    before, after = count_objects([network]), count_objects(clones)
    print(f"{'':24}the network    its {len(clones)} clones")
    for name in before:
        print(f"{name:24}{before[name]:11}    {after[name]:12}")
    paramx, _ = network.getParameters()
    print(f"numbers in the one storage of parameters: {paramx.numel()}")
    for name in ("nodes", "modules"):
        claim(f"each clone has its own {name}", after[name] == len(clones) * before[name])
    everything = count_objects([network, *clones])
    for name in ("parameters", "storages of parameters", "storages of gradients"):
        claim(f"cloning adds no {name}", everything[name] == before[name])


def clones_share_parameters() -> None:
    """Change the weights through the network, and add the gradients of two clones."""
    torch.manual_seed(1)
    nngraph.manualSeed(1)
    settings = new_settings()
    model = Model(create_network(settings), settings)
    first, last = model.rnns[0], model.rnns[-1]
    data, state = words(2, settings), model.zero_state(settings.batch_size)

    before = last.forward([data[0], data[1], state])[0].item()
    model.paramx.mul_(2)
    after = last.forward([data[0], data[1], state])[0].item()
    print(f"loss of the last clone {before:.6f}, after doubling the network's weights {after:.6f}")
    claim("the clone uses the changed weights", after != before)

    def gradient(clones: list[nngraph.gModule]) -> torch.Tensor:
        model.paramdx.zero_()
        for clone in clones:
            clone.forward([data[0], data[1], state])
            clone.backward([data[0], data[1], state], [torch.ones_like(model.err[:1]), state])
        return model.paramdx.clone()

    one, both = gradient([first]), gradient([first, last])
    print(f"norm of the gradient: of one clone {one.norm():.6f}, of two {both.norm():.6f}")
    claim("the clones' gradients add up", max_difference(both, 2 * one) < TOLERANCE)
