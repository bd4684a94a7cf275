"""Training by several processes gives the numbers of one, and sends less than all gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from workers import run_workers

from pygraph_nn.recurrent import functions
from zaremba_port import Settings, TextState, UserError, create_network
from zaremba_port.engines import make_model, start_generators
from zaremba_port.parallel import ALONE, GradientExchange, Workers, workers_started
from zaremba_port.parallel.environment import started_by_torchrun
from zaremba_port.text import replicate

SMALL: dict[str, Any] = {
    "dtype": "float64",
    "rnn_size": 12,
    "vocab_size": 300,
    "batch_size": 7,
    "seq_length": 6,
}
SMALL["max_grad_norm"] = 1.0
OPTIONS = ("engine", "early", "steps")
CASES: list[dict[str, Any]] = [
    {"engine": "fast", "steps": 50},
    {"engine": "graph", "steps": 50},
    {"engine": "fast", "steps": 12, "early": False},
    {"engine": "fast", "steps": 12, "cell": "gru", "embedding_size": 5},
    {"engine": "fast", "steps": 12, "vocab_size": 20, "layers": 1},  # a table that is sent whole
]


def train(case: dict[str, Any], workers: Workers) -> dict[str, Any]:
    """Train the network of a case; return its losses, norms, parameters and states."""
    settings = Settings(**{**SMALL, **{k: v for k, v in case.items() if k not in OPTIONS}})
    words = torch.randint(settings.vocab_size, (7 * 90,), generator=torch.manual_seed(3))
    start_generators(1)
    text = TextState(replicate(words, settings.batch_size, workers.columns(settings.batch_size)))
    network = create_network(settings)
    if not workers.is_first:  # the first worker's parameters count
        next(network.parameters()).data.zero_()
    local = settings.with_changes({"batch_size": text.data.shape[1]})
    model = make_model(case["engine"], network, local)
    model.join(workers, settings.batch_size, early=case.get("early", True))
    sent, steps_done = workers.sent, []
    for _ in range(case["steps"]):
        model.fp(text)
        model.bp(text, 1.0)
        steps_done.append((model.loss, model.norm_dw))
    return {
        "steps": torch.tensor(steps_done, dtype=torch.float64),
        "parameters": {n: p.detach().clone() for n, p in model.core_network.named_parameters()},
        "state": [torch.cat(workers.gather(part)) for part in model.start_s],
        "sent": workers.sent - sent,
        "size": model.paramx.numel() * model.paramx.element_size(),
    }


def train_all(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with workers_started("cpu") as (workers, _):
        return [train(case, workers) for case in cases]


def test_two_workers_give_the_numbers_of_one_process():
    """7 columns: the workers read 3 and 4. The rate is high enough for clipped steps."""
    first, second = run_workers(2, train_all, CASES)
    for case, ours, others in zip(CASES, first, second, strict=True):
        one = train(case, ALONE)
        is_clipped = one["steps"][:, 1] > SMALL["max_grad_norm"]
        assert is_clipped.any() or case["steps"] < 50
        difference = (ours["steps"] - one["steps"]).abs()
        assert difference[:10].max() < 1e-11
        assert difference.max() < 1e-6
        for name, parameter in one["parameters"].items():
            assert (parameter - ours["parameters"][name]).abs().max() < 1e-6
        for state, expected in zip(ours["state"], one["state"], strict=True):
            assert (state - expected).abs().max() < 1e-6
        # All workers have the same bits.
        assert torch.equal(ours["steps"], others["steps"])
        assert all(torch.equal(p, others["parameters"][n]) for n, p in ours["parameters"].items())


def test_of_embeddings_only_the_rows_in_use_are_sent():
    """At most 4 * 6 rows of 300 by each worker."""
    case = {"engine": "fast", "steps": 3, "vocab_size": 3000}
    (result,), _ = run_workers(2, train_all, [case])
    table = 3000 * 12 * 8
    rest = result["size"] - table  # two workers send each gradient once: 2 (n - 1) / n
    assert rest * 3 < result["sent"] < (rest + 4 * 6 * (12 * 8 + 8)) * 3 + 1000


def order_of_events() -> list[str]:
    """Train two steps; return what the fast engine and the exchange did in the second."""
    events: list[str] = []
    settings = Settings(**SMALL)
    words = torch.randint(settings.vocab_size, (7 * 90,), generator=torch.manual_seed(3))
    with workers_started("cpu") as (workers, _):
        text = TextState(replicate(words, 7, workers.columns(7)))
        local = settings.with_changes({"batch_size": text.data.shape[1]})
        model: Any = make_model("fast", create_network(settings), local)
        model.join(workers, 7)
        exchange: GradientExchange = model._exchange
        finish, add_rows = exchange.finish, functions.Slot.add_rows

        def noting_send(part: Any) -> None:
            exchange.send(part)
            events.append(f"{len(exchange._running)} under way")

        def noting_rows(*arguments: Any) -> None:
            events.append("embedding's backward")
            add_rows(*arguments)

        def noting_finish() -> None:
            events.append("backward is over")
            finish()

        model._sgd.report_gradients(noting_send)
        functions.Slot.add_rows = noting_rows  # type: ignore[method-assign]
        exchange.finish = noting_finish  # type: ignore[method-assign]
        for _ in range(2):
            events.clear()
            model.fp(text)
            model.bp(text, 0.1)
    return events


def test_gradients_are_sent_while_backward_goes_on():
    """When the backward pass reaches the embedding, all gradients but its own are under way."""
    for events in run_workers(2, order_of_events):
        assert events == [
            *(f"{number} under way" for number in (1, 2, 3, 4, 5)),
            "embedding's backward",
            "6 under way",
            "backward is over",
        ]


def test_columns_are_shared_out():
    for count in (1, 2, 3, 7):
        slices = [Workers(rank, count).columns(7) for rank in range(count)]
        assert [i for each in slices for i in range(7)[each]] == list(range(7))
        assert sum(Workers(rank, count).share(7) for rank in range(count)) == pytest.approx(1)


def test_more_workers_than_columns_are_refused():
    with pytest.raises(UserError, match="batch_size is 7, but there are 8 workers"):
        Workers(0, 8).columns(7)


def test_a_process_alone_needs_no_connection():
    assert ALONE.total([1.5]) == [1.5]
    assert ALONE.from_first("x") == "x"
    assert ALONE.any(True)
    assert not ALONE.any(False)


@pytest.mark.parametrize("variables", [{}, {"RANK": "0"}, {"WORLD_SIZE": "2"}])
def test_other_processes_are_alone(variables):
    assert started_by_torchrun(variables) is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "2"}, "but not LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR"),
        (
            dict.fromkeys(("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"), "x")
            | {"MASTER_ADDR": "a", "MASTER_PORT": "1"},
            "no numbers",
        ),
    ],
)
def test_broken_variables_are_refused(variables, message):
    with pytest.raises(UserError, match=message):
        started_by_torchrun(variables)
