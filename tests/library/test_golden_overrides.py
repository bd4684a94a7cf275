"""Methods that users override, against what Torch7 did with the same classes and objects."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import pygraph_nn as nngraph
from pygraph_nn import GraphError, nn, torch7_random

from ..helpers import (
    assert_close,
    default_dtype,
    golden,
    golden_names,
    needs_golden,
    run_lua,
    value,
)

pytestmark = needs_golden


# The prelude of the golden data, in Python


def layer(rule: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> type[nn.Module]:
    """A layer that passes a copy of its input on, as Lua writes it; its gradient follows `rule`."""

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.output, self.gradInput = torch.empty(0), torch.empty(0)

        def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
            self.output.resize_as_(input).copy_(input)
            return self.output

        def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
            self.gradInput.resize_as_(gradOutput).copy_(gradOutput)
            rule(self.gradInput, input)
            return self.gradInput

    return Layer


class Passes(nn.Module):
    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        self.output = input
        return input

    def updateGradInput(self, input: torch.Tensor, gradOutput: torch.Tensor) -> torch.Tensor:
        self.gradInput = gradOutput * 2
        return self.gradInput


class DoublesWeight(nn.Linear):
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        assert self.gradWeight is not None
        self.gradWeight.addmm_(gradOutput.t(), input, alpha=2 * scale)


class CallsParent(nn.Linear):
    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        return super().accGradParameters(input, gradOutput.clamp(-0.1, 0.1), scale)


class InnerOnlyOutput(nn.Container):
    def __init__(self, inner: nn.Module, times: int = 1) -> None:
        super().__init__()
        self.add(inner)
        self.times = times

    def updateOutput(self, input: Any) -> Any:
        for _ in range(self.times):
            input = self.get(0).forward(input)
        self.output = input
        return self.output


class Inner(InnerOnlyOutput):
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = self.get(0).updateGradInput(input, gradOutput)
        return self.gradInput

    def accGradParameters(self, input: Any, gradOutput: Any, scale: float = 1) -> None:
        self.get(0).accGradParameters(input, gradOutput, scale)


class InnerBackward(InnerOnlyOutput):
    def updateGradInput(self, input: Any, gradOutput: Any) -> Any:
        self.gradInput = self.get(0).backward(input, gradOutput)
        return self.gradInput


class Sevens(nn.Criterion):
    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        self.output = (input - target).sum()
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> torch.Tensor:
        self.gradInput = torch.full_like(input, 7)
        return self.gradInput


class Kept(nn.Criterion):
    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        self.difference = input - target
        self.output = self.difference.pow(2).sum()
        return self.output

    def updateGradInput(self, input: Any, target: Any = None) -> torch.Tensor:
        self.gradInput = self.difference * 10
        return self.gradInput


OWN = SimpleNamespace(
    Doubles=layer(lambda g, _: g.mul_(2)),
    Clamps=layer(lambda g, _: g.clamp_(-0.1, 0.1)),
    AddsOne=layer(lambda g, _: g.add_(1)),
    Reverses=layer(lambda g, _: g.mul_(-1)),
    OfInput=layer(lambda g, input: g.mul_(input).mul_(3)),
    **{
        cls.__name__: cls
        for cls in (
            *(Passes, DoublesWeight, CallsParent, Sevens, Kept),
            *(InnerOnlyOutput, Inner, InnerBackward),
        )
    },
)


def node() -> nngraph.Node:
    return nn.Identity()()


def graph_of(*modules: torch.nn.Module) -> nngraph.gModule:
    first = h = node()
    for module in modules:
        h = module(h)
    return nngraph.gModule([first], [h])


class Torch:
    """Lua's torch; LongTensors hold indices, from 1 in Lua."""

    Tensor = staticmethod(lambda values: torch.tensor(values, dtype=torch.float64))
    LongTensor = staticmethod(lambda values: torch.tensor(values) - 1)


# Golden code and its Python


def python(lua: str) -> str:
    """Return the Python of golden Lua `code`; it has no blocks but ``function() end``."""
    code = lua.replace("; net.gradBias:zero()", "")  # None before the first backward
    code = re.sub(r"\blocal ", "", code).replace(":", ".")
    code = code.replace("function() end", "(lambda *_: None)")
    code = re.sub(r"(Tensor)({(?:[^{}]|{[^{}]*})*})", r"\1(\2)", code)
    code = code.replace("{", "[").replace("}", "]")
    return "\n".join(statement.strip() for statement in code.split("; "))


def inputs_of(case: dict[str, Any]) -> dict[str, Any]:
    """Return x, go2 and go3, drawn as for the golden data."""
    torch7_random.manualSeed(100)
    names = {
        name: torch7_random.uniform_(torch.empty(2, columns, dtype=torch.float64), -1, 1)
        for name, columns in (("x", 3), ("go2", 2), ("go3", 3))
    }
    torch7_random.manualSeed(1)
    for name in names.keys() & case.keys():
        assert_close(names[name], value(case[name]), 0, name)
    return names


def run_code(case: dict[str, Any], **names: Any) -> dict[str, Any]:
    given = {"torch": Torch, "own": OWN, "node": node, "graph_of": graph_of, **inputs_of(case)}
    return run_lua(python(case["code"]), **given, **names)


def from_zero(x: Any) -> Any:
    """Indices count from 0 here."""
    return x - 1 if torch.is_tensor(x) and not x.is_floating_point() else x


def cases(file: str) -> list[Any]:
    """The golden cases in `file`; without golden data, none."""
    if file not in golden_names("overrides"):
        return []
    recorded = golden("overrides", f"{file}.json")["cases"]
    return [pytest.param(case, id=case["name"]) for case in recorded]


# Cases in which ours differs from Torch7: why, and the right value by plain autograd.
SAME_BUFFER = "Torch7's one object overwrites the buffers of its first place; ours has both values"
NO_GRADIENT = "the class has no updateGradInput, so Torch7 has no gradient; ours takes autograd's"


class Ruled(torch.autograd.Function):
    """The identity with a gradient by `rule`, as PyTorch writes it."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rule: Callable[..., torch.Tensor]) -> torch.Tensor:
        ctx.rule = rule
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        return ctx.rule(grads[0]), None


def between(rule: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    def compute(x: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        h = Ruled.apply(F.linear(x, p[0], p[1]), rule)
        return F.linear(Ruled.apply(F.linear(h, p[2], p[3]), rule), p[4], p[5])

    return compute


def in_parallel(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    h, rule = F.linear(x, w, b), lambda g: g + 1
    return Ruled.apply(h, rule) + Ruled.apply(h.tanh(), rule)


def two_linears(x: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
    return F.linear(F.linear(x, p[0], p[1]), p[2], p[3])


DIFFERS: dict[str, tuple[str, Callable[..., torch.Tensor]]] = {
    "Doubles_same_object_with_a_linear_between": (SAME_BUFFER, between(lambda g: g * 2)),
    "Clamps_same_object_with_a_linear_between": (
        SAME_BUFFER,
        between(lambda g: g.clamp(-0.1, 0.1)),
    ),
    "AddsOne_same_object_with_a_linear_between": (SAME_BUFFER, between(lambda g: g + 1)),
    "AddsOne_same_object_twice_in_parallel": (SAME_BUFFER, in_parallel),
    "InnerOnlyOutput_sequential": (NO_GRADIENT, two_linears),
    "InnerOnlyOutput_first_in_gmodule": (NO_GRADIENT, two_linears),
    "InnerOnlyOutput_lookup": (NO_GRADIENT, lambda x, t, w, b: F.linear(F.embedding(x, t), w, b)),
    "InnerOnlyOutput_twice_inside": (
        NO_GRADIENT,
        lambda x, w, b: F.linear(F.linear(x, w, b).tanh(), w, b).tanh(),
    ),
}


def check_differing(case: dict[str, Any], net: Any, compute: Callable[..., torch.Tensor]) -> None:
    """Check a case of `DIFFERS` against plain autograd, and that Torch7 has something else."""
    x, gradOutput = from_zero(value(case["input"])), value(case["gradOutput"])
    x = x.requires_grad_() if x.is_floating_point() else x
    parameters = [p.detach().clone().requires_grad_() for p in net.parameters()]
    output = compute(x, *parameters)
    output.backward(gradOutput)
    net.zeroGradParameters()
    assert_close(net.forward(x.detach()), output, what="output")
    gradInput = net.backward(x.detach(), gradOutput)
    if x.is_floating_point():
        assert_close(gradInput, x.grad, what="gradInput")
    gradients = [p.grad for p in net.parameters()]
    assert_close(gradients, [p.grad for p in parameters], what="gradParams")
    if "backward_error" not in case:
        theirs = [case["output"], *case["gradParams"]]
        with pytest.raises(AssertionError):
            assert_close([output, *gradients], value(theirs))


def parameters_of(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    """All parameters as Torch7 lists them: once for every place of a module."""
    if isinstance(module, nngraph.gModule):
        members = [m for m in module.node_modules if m is not None]
    else:
        members = list(module.members()) if isinstance(module, nn.Module) else []
    if not members:
        return list(module.parameters())
    return [p for member in members for p in parameters_of(member)]


def check_net(case: dict[str, Any], space: dict[str, Any]) -> None:
    """Run two rounds of the golden procedure and compare everything."""
    net, scale = space["net"], case.get("scale", 1)
    input, gradOutput = (
        [from_zero(t) for t in x] if isinstance(x, list) else from_zero(x)
        for x in (value(case["input"]), value(case["gradOutput"]))
    )
    # Torch7 lists the parameters of a module in two places twice.
    unique = {id(p): i for i, p in reversed(list(enumerate(parameters_of(net))))}
    for key in ("params", "gradParams", "gradParams_after_second_round"):
        case[key] = [case[key][i] for i in sorted(unique.values())]
    assert_close(list(net.parameters()), value(case["params"]), 0, "params")
    net.zeroGradParameters()
    assert_close(net.forward(input), value(case["output"]), what="output")
    gradInput = net.backward(input, gradOutput, scale)
    if torch.is_tensor(gradInput) and gradInput.is_floating_point():
        assert_close(gradInput, value(case["gradInput"]), what="gradInput")
    gradients = [p.grad for p in net.parameters()]
    assert_close(gradients, value(case["gradParams"]), what="gradParams")
    net.forward(input)
    net.backward(input, gradOutput, scale)
    assert_close(gradients, value(case["gradParams_after_second_round"]), what="second round")
    if "rate" in case:
        net.updateParameters(case["rate"])
        theirs = value(case["params_after_updateParameters"])
        assert_close(list(net.parameters()), theirs, what="updated")


@pytest.mark.parametrize(
    "case",
    [
        *cases("own_gradients"),
        *cases("own_parameter_gradients"),
        *cases("inner_forward"),
        *cases("own_criteria"),
    ],
)
def test_torch7_does_the_same(case: dict[str, Any]) -> None:
    with default_dtype(torch.float64):
        results: dict[str, Any] = {}
        by_hand = BY_HAND.get(case["name"])
        if by_hand is not None:
            by_hand(results, **inputs_of(case))
            space = {}
        else:
            space = run_code(case, rec=results.__setitem__)
        if "values" in case:
            for name, theirs in case["values"].items():
                assert_close(results[name], value(theirs), what=name)
        elif case["name"] in DIFFERS:
            check_differing(case, space["net"], DIFFERS[case["name"]][1])
        elif "backward_error" in case:
            net, input = space["net"], value(case["input"])
            net.forward(input)
            with pytest.raises(GraphError, match="updateGradInput returned None"):
                net.backward(input, value(case["gradOutput"]))
        else:
            check_net(case, space)


# Cases whose Lua has functions or fields that the translation does not know


def freeze_clone(results: dict[str, Any], x: Any, go2: Any, go3: Any) -> None:
    linear = nn.Linear(3, 2)
    linear.accGradParameters = lambda *_: None  # type: ignore[method-assign]
    copy = graph_of(linear).clone()
    copy.zeroGradParameters()
    copy.forward(x)
    copy.backward(x, go2)
    results["gradParams"] = [p.grad for p in copy.parameters()]
    results["clone_has_override"] = "accGradParameters" in copy.get(1).__dict__


def instance_multi(results: dict[str, Any], x: Any, go2: Any, go3: Any) -> None:
    c = nn.MSECriterion()
    c.updateGradInput = lambda input, target: torch.full_like(input, 7)  # type: ignore[method-assign]
    m = nn.MultiCriterion().add(c, 0.5)
    results["output"] = m.forward(x, go3)
    results["gradInput"] = m.backward(x, go3)


BY_HAND: dict[str, Callable[..., None]] = {
    "freeze_clone": freeze_clone,
    "instance_multi": instance_multi,
}


# Which methods of their members containers call

SPIED = (
    *("forward", "backward", "updateOutput", "updateGradInput", "accGradParameters"),
    *("zeroGradParameters", "updateParameters"),
)


def spy(module: Any, label: str, log: list[str], names: Sequence[str]) -> Any:
    """Replace methods of an object by functions that write their names down and go on."""
    for name in names:

        def watched(name: str, original: Any) -> Callable[..., Any]:
            def method(*args: Any) -> Any:
                log.append(f"{label}.{name}")
                return original(*args)

            return method

        setattr(module, name, watched(name, getattr(module, name)))
    return module


CONTAINERS: dict[str, Callable[..., nn.Module]] = {
    "sequential": lambda a, b: nn.Sequential(a, b),
    "concattable": lambda a, b: nn.ConcatTable(a, b),
    "gmodule": graph_of,
    "gmodule_in_sequential": lambda a, b: nn.Sequential(graph_of(a), b),
}


@pytest.mark.filterwarnings("ignore:.*its own forward is not called here")
@pytest.mark.parametrize("name", [*CONTAINERS, "criterion_node"])
def test_containers_call_the_methods_that_torch7_calls(name: str) -> None:
    """The calls are Torch7's, with the exceptions listed here.

    - `parameters`, `training`, `evaluate`, `clearState` are PyTorch's or walk all modules.
    - A gModule with an own `forward` or `backward` is refused, so these are not watched in one.
    - Autograd calls the two halves of a layer together, and the last branch first; Torch7's
      gModule calls `updateGradInput` of all layers first, and a ConcatTable its first branch first.
      The `updateGradInput` of our criteria runs `updateOutput` again.
    """
    (case,) = (c.values[0] for c in cases("calls") if c.values[0]["name"] == name)
    in_graph = {"gmodule": "ab", "gmodule_in_sequential": "a", "criterion_node": "a"}.get(name, "")
    log: list[str] = []
    with default_dtype(torch.float64):
        x, go3 = inputs_of(case)["x"], inputs_of(case)["go3"]
        members = [
            spy(nn.Linear(3, 3), label, log, SPIED[2 * (label in in_graph) :]) for label in "ab"
        ]
        input, gradOutput = x, [go3, go3] if name == "concattable" else go3
        if name == "criterion_node":
            criterion = spy(nn.MSECriterion(), "c", log, ("updateOutput", "updateGradInput"))
            p, y = node(), node()
            net = nngraph.gModule([p, y], [criterion([members[0](p), y])])
            input, gradOutput = [x, go3], torch.ones(1)
        else:
            net = CONTAINERS[name](*members)
        calls: dict[str, Callable[[], Any]] = {
            "zeroGradParameters": lambda: net.zeroGradParameters(),
            "forward": lambda: net.forward(input),
            "backward": lambda: net.backward(input, gradOutput),
            "updateGradInput": lambda: net.updateGradInput(input, gradOutput),
            "accGradParameters": lambda: net.accGradParameters(input, gradOutput),
            "updateParameters": lambda: net.updateParameters(0.1),
        }
        for method, call in calls.items():
            log.clear()
            call()
            watched = SPIED[2 * bool(in_graph) :]
            ours = [entry for entry in log if entry.split(".")[1] in watched]
            if method != "forward":
                ours = [entry for entry in ours if entry != "c.updateOutput"]
            theirs = [e for e in case["values"][method] if e.split(".")[1] in watched]
            if in_graph or name == "concattable":
                ours, theirs = sorted(ours), sorted(theirs)
            assert ours == theirs, method


def test_an_own_forward_and_backward_of_an_object() -> None:
    (case,) = (c.values[0] for c in cases("calls") if c.values[0]["name"] == "forward_of_object")
    with default_dtype(torch.float64):
        x, go3 = inputs_of(case)["x"], inputs_of(case)["go3"]
        m = nn.Identity()
        m.forward = lambda input: input * 5  # type: ignore[method-assign]
        m.backward = lambda input, gradOutput, scale=1: gradOutput * 7  # type: ignore[method-assign]
        assert_close([m.forward(x), m.backward(x, go3)], value(case["values"]["alone"]))
        s = nn.Sequential(nn.Identity(), m)
        with pytest.warns(RuntimeWarning, match="its own forward is not called here"):
            output = s.forward(x)
        assert_close([output, s.backward(x, go3)], value(case["values"]["sequential"]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            s.forward(x)  # warned of once
        with pytest.raises(GraphError, match=r"own forward is not called.*override updateOutput"):
            graph_of(nn.Identity(), m)
        del m.forward
        with pytest.raises(GraphError, match=r"own backward is not called.*updateGradInput"):
            graph_of(nn.Identity(), nn.Sequential(m))
