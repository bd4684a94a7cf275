"""Errors of modules in a graph: which become a GraphError, which keep their type, and the place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

import pygraph_nn as nngraph
from pygraph_nn import errors, nn
from pygraph_nn.recurrent.buffers import BufferedWorkspace
from zaremba_port import Settings, create_network

WRONG_INPUT = [ValueError, RuntimeError, IndexError, TypeError, KeyError, AttributeError]


class Failing(nn.Module):
    """Raises `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def updateOutput(self, input: Any) -> Any:
        raise self.error


def in_a_graph(error: Exception) -> None:
    x = nn.Identity()()
    node = Failing(error)(nn.Tanh()(x)).annotate(name="failing")
    nngraph.gModule([x], [node])(torch.ones(2))


def in_a_nested_graph(error: Exception) -> None:
    x, outer = nn.Identity()(), nn.Identity()()
    node = Failing(error)(x).annotate(name="failing")
    nngraph.gModule([outer], [nngraph.gModule([x], [node])(outer)])(torch.ones(2))


def over_all_steps(error: Exception, flat: bool = False) -> None:
    x = nn.Identity()()
    node = Failing(error)(nn.Linear(2, 2)(x)).annotate(name="failing")
    net = nngraph.recurrent(nngraph.gModule([x], [node]), {})
    (nngraph.FlatSGD(net).forward if flat else net)(torch.ones(3, 1, 2))


def over_all_steps_flat(error: Exception) -> None:
    over_all_steps(error, flat=True)


def in_a_loop(error: Exception) -> None:
    x, prev = nn.Identity()(), nn.Identity()()
    node = Failing(error)(nn.CAddTable()([x, prev])).annotate(name="failing")
    net = nngraph.recurrent(nngraph.gModule([x, prev], [node]), {1: 0})
    net([torch.ones(3, 1, 2), torch.ones(1, 2)])


def network(cell: str) -> tuple[nngraph.Recurrent, list[Any]]:
    """A language model over time, and an input."""
    core = create_network(Settings(vocab_size=9, rnn_size=4, layers=1, batch_size=2, cell=cell))
    words = torch.zeros(3, 2, dtype=torch.long)
    state = [torch.zeros(2, 4) for _ in range(2 if cell == "lstm" else 1)]
    return nngraph.recurrent(core, {"prev_s": "next_s"}), [words, words, state]


RUNS = [in_a_graph, in_a_nested_graph, over_all_steps, over_all_steps_flat, in_a_loop]


def notes(error: BaseException) -> str:
    """Notes, or the message before Python 3.11."""
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", [*WRONG_INPUT, nngraph.GraphError])
def test_an_error_about_the_input_becomes_a_graph_error(run: Any, kind: Any) -> None:
    error = kind("the reason")
    with pytest.raises(nngraph.GraphError, match="the reason") as caught:
        run(error)
    assert type(caught.value) is nngraph.GraphError
    assert caught.value.__cause__ is error
    assert str(caught.value).count("<Node 'failing'") == 1
    assert isinstance(caught.value.node, nngraph.Node)
    assert caught.value.node.name == "failing"


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "kind",
    [
        torch.OutOfMemoryError,
        NotImplementedError,
        OSError,
        AssertionError,
        UnicodeError,
        *(type(f"Own{base.__name__}", (base,), {}) for base in (Exception, *WRONG_INPUT)),
        type("OwnGraphError", (nngraph.GraphError,), {}),
    ],
)
def test_any_other_exception_keeps_its_type_and_gets_the_place(run: Any, kind: Any) -> None:
    error = kind("the reason")
    with pytest.raises(kind) as caught:
        run(error)
    assert caught.value is error
    assert notes(error).count("<Node 'failing'") == 1


@dataclass(frozen=True)
class FrozenError(Exception):
    number: int


# Not `over_all_steps_flat`: contextlib, which it uses, sets the traceback of an exception.
@pytest.mark.parametrize("run", [in_a_graph, in_a_nested_graph, over_all_steps, in_a_loop])
def test_an_exception_that_takes_no_notes(run: Any) -> None:
    with pytest.raises(FrozenError) as caught:
        run(FrozenError(3))
    assert caught.value.number == 3


def test_before_python_3_11_the_message_gets_the_place() -> None:
    error = OSError("the reason", 5)
    errors._append_to_message(error, "the place")
    assert error.args == ("the reason", 5)  # its text is no argument of its own
    for kind in (MemoryError, type("Own", (RuntimeError,), {})):
        error = kind("the reason")
        errors._append_to_message(error, "the place")
        assert str(error) == "the reason\nthe place"
        assert error.args == ("the reason\nthe place",)
    errors._append_to_message(error := RuntimeError(), "the place")
    assert error.args == ()


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, type("Own", (RuntimeError,), {})])
@pytest.mark.parametrize(
    ("buffer", "node"),
    [("rows", "'embedding'"), ("out", "'i2h'"), ("c", "'next_h'"), ("classes", "'err'")],
)
def test_so_it_is_in_hand_written_functions(
    buffer: str, node: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table, a linear layer, the loop of an LSTM and the loss find no memory."""

    def fail(self: Any, key: Any, shape: Any, like: Any) -> Any:
        if key[1] == buffer:
            raise kind("the reason")
        return allocate(self, key, shape, like)

    net, input = network("lstm")
    sgd = nngraph.FlatSGD(net)
    allocate = BufferedWorkspace.empty
    monkeypatch.setattr(BufferedWorkspace, "empty", fail)
    with pytest.raises(kind) as caught:
        sgd.forward(input)
    assert node in notes(caught.value)


# What the engine refuses itself


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.filterwarnings("ignore:Using backward.. with create_graph=True")
def test_second_derivatives_are_refused(cell: str, flat: bool) -> None:
    net, input = network(cell)
    err, _ = (nngraph.FlatSGD(net).forward if flat else net)(input)
    with pytest.raises(nngraph.GraphError, match=r"second derivatives .* are not available"):
        err.sum().backward(create_graph=True)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("flat", [False, True])
def test_a_state_of_another_precision_is_refused_as_step_by_step(cell: str, flat: bool) -> None:
    net, (x, y, state) = network(cell)
    state = [s.double() for s in state]
    with pytest.raises(nngraph.GraphError, match="dtype"):
        net.core([x[0], y[0], state])
    with pytest.raises(nngraph.GraphError, match="dtype"):
        (nngraph.FlatSGD(net).forward if flat else net)([x, y, state])


def test_an_input_of_another_precision_is_refused_as_step_by_step() -> None:
    x = nn.Identity()()
    net = nngraph.recurrent(nngraph.gModule([x], [nn.Linear(2, 2)(x)]), {})
    for run in (net, nngraph.FlatSGD(net).forward):
        with pytest.raises(nngraph.GraphError, match="dtype"):
            run(torch.ones(3, 1, 2, dtype=torch.float64))
