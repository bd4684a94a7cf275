"""Question 3: what create_network returns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

import pygraph_nn as nngraph

from ...config import Settings
from ...model import create_network
from ...unrolled import Model, TextState
from .answer import Answer, fork_generators, section
from .checks import CLOSE, apart, claim
from .figure import Figure


def answer() -> Answer:
    with fork_generators():
        network = create_network(new_settings())
    return Answer(
        title="Question 3: what create_network returns",
        question="What does create_network return: a layer, a time step, or the unrolled network?",
        statement="""
            One gModule: the whole network, with all its layers, for one time step. It takes a table
            of three, the words x, the words y that follow them, and the state `prev_s`; it gives
            the loss `err` and the state `next_s`. It is not unrolled. Unrolling is done afterwards,
            by `clone_many_times`, which makes one copy for each time step: every copy has nodes and
            modules of its own, since it must remember its own values for the backward pass, but all
            copies use the same parameters and gather their gradients in the same place.
            """,
        sections=(
            section(
                "One time step",
                """
                The input is one word for each text of the batch, not a sequence; there is one loss,
                and one state after it. Time passes only because somebody calls the network again,
                with the state that it gave: a loop over the one network computes what the clones
                compute.
                """,
                new_settings,
                words,
                run=partial(one_step),
                figures=[
                    Figure("What create_network returns: two layers, one time step.", network)
                ],
            ),
            section(
                "Cloning unrolls it",
                "Counted before and after cloning for a sequence of five words:",
                counted,
                run=partial(before_and_after),
            ),
            section(
                "What sharing means",
                """
                A weight changed in the network is changed in every clone. And the gradients of all
                clones add up in one place, so that they are those of the unrolled network.
                """,
                run=partial(shared),
            ),
        ),
    )


def new_settings() -> Settings:
    return Settings(
        layers=2, rnn_size=4, vocab_size=10, batch_size=3, seq_length=5, dtype="float64"
    )


def words(rows: int, settings: Settings) -> torch.Tensor:
    """Ids of random words, (rows, batch)."""
    return torch.randint(settings.vocab_size, (rows, settings.batch_size))


def one_step() -> None:
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
    claim("both are the same", apart(losses, model.err) < CLOSE)


def counted(networks: Sequence[nngraph.gModule]) -> dict[str, int]:
    """How many different ones there are in all the networks together."""
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
    nngraph.manualSeed(1)
    network = create_network(new_settings())
    clones = nngraph.clone_many_times(network, 5)
    before, after = counted([network]), counted(clones)
    print(f"{'':24}the network    its {len(clones)} clones")
    for name in before:
        print(f"{name:24}{before[name]:11}    {after[name]:12}")
    paramx, _ = network.getParameters()
    print(f"numbers in the one storage of parameters: {paramx.numel()}")
    for name in ("nodes", "modules"):
        claim(f"each clone has {name} of its own", after[name] == len(clones) * before[name])
    everything = counted([network, *clones])
    for name in ("parameters", "storages of parameters", "storages of gradients"):
        claim(f"cloning adds no {name}", everything[name] == before[name])


def shared() -> None:
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
    claim("the clone computes with the changed weights", after != before)

    def gradient(clones: list[nngraph.gModule]) -> torch.Tensor:
        model.paramdx.zero_()
        for clone in clones:
            clone.forward([data[0], data[1], state])
            clone.backward([data[0], data[1], state], [torch.ones_like(model.err[:1]), state])
        return model.paramdx.clone()

    one, both = gradient([first]), gradient([first, last])
    print(f"norm of the gradient: of one clone {one.norm():.6f}, of two {both.norm():.6f}")
    claim("the clones' gradients add up", apart(both, 2 * one) < CLOSE)
