"""PyTorch's tools on a gModule, against the same network in plain PyTorch."""

from __future__ import annotations

import copy
import logging
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import nn


def make() -> nngraph.gModule:
    """Return a gModule with a split, a group, a module used twice and a nested gModule."""
    x, y = nn.Identity()(), nn.Identity()()
    gates = nn.Linear(4, 6)(x)
    left, right = nn.SplitTable(1)(nn.Reshape(2, 3)(gates)).split(2)
    with nngraph.group("cell 1"):
        product = nn.CMulTable()([nn.Sigmoid()(left), y])
        total = nn.CAddTable()([nn.Tanh()(right), product])
    square = nn.Linear(3, 3)
    twice = square(nn.Tanh()(square(total)))
    inner_x = nn.Identity()()
    scores = nn.Linear(3, 2)(inner_x)
    nngraph.annotateNodes()
    inner = nngraph.gModule([inner_x], [scores])
    head = inner(twice).annotate(name="head")
    return nngraph.gModule([x, y], [total, head])


class Plain(torch.nn.Module):
    """The network of `make` without nngraph, with the parameters of `g`."""

    def __init__(self, g: nngraph.gModule) -> None:
        super().__init__()
        self.gates = torch.nn.Linear(4, 6)
        self.square = torch.nn.Linear(3, 3)
        self.scores = torch.nn.Linear(3, 2)
        for mine, theirs in zip(self.parameters(), g.parameters(), strict=True):
            mine.data.copy_(theirs)

    def forward(self, input: Any) -> Any:
        x, y = input
        left, right = self.gates(x).split(3, 1)
        total = right.tanh() + left.sigmoid() * y
        return [total, self.scores(self.square(self.square(total).tanh()))]


@pytest.fixture
def g() -> nngraph.gModule:
    nngraph.manualSeed(1)
    return make()


@pytest.fixture
def plain(g: nngraph.gModule) -> Plain:
    return Plain(g)


def data() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(5, n, generator=generator) for n in (4, 3)]


def close(ours: Any, theirs: Any, **tolerance: float) -> None:
    torch.testing.assert_close(list(ours), list(theirs), **tolerance)


def loss(outputs: Any) -> torch.Tensor:
    return outputs[0].sin().sum() + outputs[1].square().sum()


def check_gradients(run: Any, g: nngraph.gModule, plain: Plain, **tolerance: float) -> None:
    """Compare the gradients of `g`, run by ``run``, with those of `plain`."""
    g.zero_grad()
    plain.zero_grad()
    loss(run(data())).backward()
    loss(plain(data())).backward()
    close([p.grad for p in g.parameters()], [p.grad for p in plain.parameters()], **tolerance)


def test_state_dict(g: nngraph.gModule, plain: Plain) -> None:
    layers = ("gates", shared_name(g), "head.scores")
    assert list(g.state_dict()) == [f"{x}.{part}" for x in layers for part in ("weight", "bias")]
    other = make()
    assert not torch.equal(other(data())[0], g(data())[0])
    assert str(other.load_state_dict(g.state_dict())) == "<All keys matched successfully>"
    close(other(data()), g(data()))
    with pytest.raises(RuntimeError, match=r"Missing key.*gates.weight"):
        other.load_state_dict({})


def shared_name(g: nngraph.gModule) -> str:
    """Return the name of the module used twice: its first node has no name, so it is a number."""
    return next(name for name, m in g.named_children() if str(m) == "nn.Linear(3 -> 3)")


def test_names_hold_groups(g: nngraph.gModule) -> None:
    assert isinstance(g.get_submodule("cell_1_product"), nn.CMulTable)
    assert isinstance(g.get_submodule("cell_1_total"), nn.CAddTable)
    assert isinstance(g.get_submodule("head.scores"), nn.Linear)


def test_values_and_gradients(g: nngraph.gModule, plain: Plain) -> None:
    close(g(data()), plain(data()))
    check_gradients(g, g, plain)


@pytest.mark.parametrize("training", [True, False])
def test_compile(g: nngraph.gModule, plain: Plain, training: bool) -> None:
    # aot_eager traces forward and backward as inductor does, and needs no C++ compiler.
    torch.compiler.reset()
    g.train(training)
    compiled = torch.compile(g, backend="aot_eager", fullgraph=True)
    close(compiled(data()), plain(data()))
    check_gradients(compiled, g, plain)


def test_compile_as_part_of_a_plain_module(g: nngraph.gModule, plain: Plain) -> None:
    torch.compiler.reset()
    outer = torch.compile(lambda input: loss(g(input)), backend="aot_eager", fullgraph=True)
    close([outer(data())], [loss(plain(data()))])


def test_compiled_in_place(g: nngraph.gModule, plain: Plain) -> None:
    torch.compiler.reset()
    g.get_submodule("gates").compile(backend="aot_eager", fullgraph=True)
    assert not g.gates.runs_directly
    close(g(data()), plain(data()))
    g.compile(backend="aot_eager", fullgraph=True)
    close(g(data()), plain(data()))


@pytest.mark.parametrize("strict", [False, True])
def test_export(g: nngraph.gModule, plain: Plain, strict: bool) -> None:
    batch = torch.export.Dim("batch", min=2)
    shapes = ([{0: batch}, {0: batch}],)
    exported = torch.export.export(g.eval(), (data(),), dynamic_shapes=shapes, strict=strict)
    close(exported.module()(data()), plain(data()))
    halves = [x[:3] for x in data()]
    close(exported.module()(halves), plain(halves))
    assert set(exported.state_dict) == set(g.state_dict())


def test_onnx(g: nngraph.gModule, plain: Plain, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(g.eval(), (data(),), dynamo=True, verbose=False)
    assert program is not None
    program.save(str(tmp_path / "g.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    feeds = {i.name: x.numpy() for i, x in zip(session.get_inputs(), data(), strict=True)}
    close([torch.tensor(y) for y in session.run(None, feeds)], plain(data()))


def test_fx(g: nngraph.gModule, plain: Plain) -> None:
    traced = g.to_fx()
    assert isinstance(traced, torch.fx.GraphModule)
    close(traced(data()), plain(data()))
    check_gradients(traced, g, plain)
    names = {node.name: node for node in traced.graph.nodes}
    assert names["gates"].op == "call_module"
    assert names["cell_1_total"].op == "call_module"
    assert names["right"].op == "call_function"
    assert names["right"].args[1] == 1
    assert names["head"].target == "head"
    traced.graph.lint()
    assert traced.gates is g.gates
    again = pickle.loads(pickle.dumps(traced))
    close(again(data()), plain(data()))
    # A graph of torch.fx can be rewritten.
    for node in traced.graph.nodes:
        if node.op == "call_module" and isinstance(traced.get_submodule(node.target), nn.Sigmoid):
            with traced.graph.inserting_after(node):
                new = traced.graph.call_function(torch.tanh, node.args)
            node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.recompile()
    assert not torch.allclose(traced(data())[0], plain(data())[0])


def test_fx_of_nodes_without_inputs() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

        def updateOutput(self, input: Any) -> torch.Tensor:
            return 2 * self.weight

    x = nn.Identity()()
    g = nngraph.gModule([x], [nn.CAddTable()([x, Constant()().annotate(name="twos")])])
    assert g.to_fx()(torch.zeros(3)).tolist() == [2, 2, 2]
    assert g(torch.zeros(3)).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g)), lambda g: g.clone()],
    ids=["deepcopy", "pickle", "clone"],
)
def test_copies(g: nngraph.gModule, plain: Plain, copied: Any) -> None:
    g.forward(data())
    again = copied(g)
    assert again.output is None
    with torch.no_grad():
        for parameter in g.parameters():
            parameter.zero_()
    close(again(data()), plain(data()))
    check_gradients(again, again, plain)
    assert [n.name for n in again.forwardnodes] == [n.name for n in g.forwardnodes]


def test_hooks_of_inner_modules(g: nngraph.gModule) -> None:
    calls: list[str] = []
    gates = g.get_submodule("gates")
    handles = [
        gates.register_forward_pre_hook(lambda m, args: calls.append("before")),
        gates.register_forward_hook(lambda m, args, output: 0 * output),
        gates.register_full_backward_hook(lambda m, gi, go: calls.append("backward")),
    ]
    zero = g.forward(data())[0]
    close([zero], [torch.sigmoid(torch.zeros(5, 3)) * data()[1]])
    g.backward(data(), [torch.ones(5, 3), torch.ones(5, 2)])
    assert calls == ["before", "backward"]
    loss(g([x.requires_grad_() for x in data()])).backward()
    assert calls == ["before", "backward"] * 2
    for handle in handles:
        handle.remove()
    g.forward(data())
    assert len(calls) == 4


def test_hooks_of_the_gModule_and_of_all_modules(g: nngraph.gModule) -> None:
    calls: list[str] = []
    g.register_forward_hook(lambda m, args, output: calls.append(str(m)[:10]))
    g(data())
    assert calls == ["nn.gModule"]
    handle = torch.nn.modules.module.register_module_forward_hook(
        lambda m, args, output: calls.append(type(m).__name__)
    )
    try:
        g(data())
    finally:
        handle.remove()
    assert calls.count("Linear") == 4
    assert calls.count("gModule") == 2


def test_a_forward_of_ones_own() -> None:
    class Doubled(nn.Tanh):
        def forward(self, input: Any) -> Any:
            return 2 * super().forward(input)

    at = torch.ones(2)
    close([Doubled()(at), Doubled().forward(at)], [2 * at.tanh()] * 2)
    tanh = nn.Tanh()
    tanh.forward = lambda input: input.tan()  # type: ignore[method-assign]
    close([tanh(at)], [at.tan()])
    for module in (Doubled(), tanh, nn.Sequential(tanh)):
        x = nn.Identity()()
        with pytest.raises(nngraph.GraphError, match="override updateOutput"):
            nngraph.gModule([x], [module(x)])


def test_a_layer_with_a_forward_alone_is_run_by_it() -> None:
    class Cubes(nn.Module):
        def forward(self, input: Any) -> Any:
            return input**3

    x = nn.Identity()()
    at = torch.full((2,), 2.0, requires_grad=True)
    for net in (nngraph.gModule([x], [Cubes()(x)]), nn.Sequential(Cubes())):
        close([net(at), net.forward(at.detach())], [at**3] * 2)
        close([net.backward(at.detach(), torch.ones(2))], [3 * at**2])


def test_replicas_use_their_own_modules(g: nngraph.gModule, plain: Plain) -> None:
    # Replicas as torch.nn.parallel.replicate makes them, for which it needs several GPUs.
    modules = list(g.modules())
    replicas = {id(m): m._replicate_for_data_parallel() for m in modules}
    for module in modules:
        replica = replicas[id(module)]
        for key, child in module._modules.items():
            assert child is not None
            replica._modules[key] = replicas[id(child)]
        for key, parameter in module._parameters.items():
            if parameter is not None:
                setattr(replica, key, 2 * parameter)
    replica = replicas[id(g)]
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter *= 2
    close(replica(data()), plain(data()))


def test_threads(g: nngraph.gModule, plain: Plain) -> None:
    """Threads run one gModule at the same time, by both protocols, each on its own data."""
    inputs = [[x * (i + 1) for x in data()] for i in range(4)]
    grads = [torch.ones(5, 3), torch.ones(5, 2)]

    def expected(input: Any) -> Any:
        entered = [x.clone().requires_grad_() for x in input]
        outputs = plain(entered)
        return [*outputs, *torch.autograd.grad(outputs, entered, grads)]

    wanted = [[t.detach() for t in expected(input)] for input in inputs]
    together, wrong = threading.Barrier(len(inputs)), []

    def work(i: int) -> None:
        try:
            together.wait()
            for _ in range(20):
                output = g.forward(inputs[i])
                close([*output, *g.backward(inputs[i], grads)], wanted[i])
                entered = [x.clone().requires_grad_() for x in inputs[i]]
                outputs = g(entered)
                close([*outputs, *torch.autograd.grad(outputs, entered, grads)], wanted[i])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=[i]) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_forward_here_and_backward_in_another_thread(g: nngraph.gModule) -> None:
    g.forward(data())
    gradients: list[Any] = []
    grads = [torch.ones(5, 3), torch.ones(5, 2)]
    thread = threading.Thread(target=lambda: gradients.append(g.backward(data(), grads)))
    thread.start()
    thread.join()
    close(gradients[0], g.backward(data(), grads))


def test_double_backward(g: nngraph.gModule, plain: Plain) -> None:
    def penalty(module: Any) -> Any:
        x = [t.requires_grad_() for t in data()]
        gradients = torch.autograd.grad(loss(module(x)), x, create_graph=True)
        return torch.autograd.grad(
            sum(gradient.square().sum() for gradient in gradients), list(module.parameters())[:-1]
        )

    close(penalty(g), penalty(plain))


def test_gradcheck(g: nngraph.gModule) -> None:
    g.double()
    x = [t.double().requires_grad_() for t in data()]
    assert torch.autograd.gradcheck(lambda *input: tuple(g(list(input))), x)
    assert torch.autograd.gradgradcheck(lambda *input: tuple(g(list(input))), x)


def test_meta_device(g: nngraph.gModule) -> None:
    g.to("meta")
    assert [tuple(y.shape) for y in g([x.to("meta") for x in data()])] == [(5, 3), (5, 2)]
    with torch.device("meta"):
        x = nn.Identity()()
        on_meta = nngraph.gModule([x], [nngraph.module(torch.nn.Linear(2, 3))(x)])
    assert on_meta.infer_shapes((4, 2))[on_meta.outnode].output == (4, 3)


def test_autocast(g: nngraph.gModule, plain: Plain) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = g(data()), plain(data())
        output = g.forward(data())
        gradients = g.backward(data(), [torch.ones(5, 3), torch.ones(5, 2)])
    assert ours[1].dtype == output[1].dtype == torch.bfloat16
    close(ours, theirs)
    assert [x.dtype for x in gradients] == [torch.float32] * 2


def test_functional_call_and_func(g: nngraph.gModule, plain: Plain) -> None:
    doubled = {name: 2 * p.detach() for name, p in g.named_parameters()}
    theirs = dict(zip(dict(plain.named_parameters()), doubled.values(), strict=True))
    call = torch.func.functional_call
    close(call(g, doubled, (data(),)), call(plain, theirs, (data(),)))
    ours = torch.func.grad(lambda p: loss(call(g, p, (data(),))))(doubled)
    wanted = torch.func.grad(lambda p: loss(call(plain, p, (data(),))))(theirs)
    close(ours.values(), wanted.values())
    each = torch.func.vmap(lambda x, y: g([x[None], y[None]])[0][0])(*data())
    close(each, plain(data())[0])


def test_checkpointing(g: nngraph.gModule, plain: Plain) -> None:
    from torch.utils.checkpoint import checkpoint

    check_gradients(lambda input: checkpoint(g, input, use_reentrant=False), g, plain)


def test_optimizers(g: nngraph.gModule, plain: Plain) -> None:
    for module in (g, plain):
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            loss(module(data())).backward()
            optimizer.step()
    close(g(data()), plain(data()), rtol=1e-4, atol=1e-5)


def test_parametrizations(g: nngraph.gModule) -> None:
    class Symmetric(torch.nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return (weight + weight.T) / 2

    square = g.get_submodule(shared_name(g))
    assert isinstance(square, nn.Linear)
    before = square.weight.detach().clone()
    torch.nn.utils.parametrize.register_parametrization(square, "weight", Symmetric())
    total, head = g(data())
    symmetric = (before + before.T) / 2
    inner = torch.tanh(F.linear(total, symmetric, square.bias))
    scores: Any = g.get_submodule("head.scores")
    close([head], [F.linear(F.linear(inner, symmetric, square.bias), scores.weight, scores.bias)])
    close(g.forward(data()), g(data()))
