"""`FlatSGD` beyond its gradients, which the tests of networks over time check."""

from __future__ import annotations

import pytest
import torch
from recurrent_oracle import CLASSES, SIZE, language_model, words

import pygraph_nn as nngraph
from pygraph_nn import nn
from zaremba_port import lstm

pytestmark = pytest.mark.usefixtures("float64_default")


def linear() -> tuple[nn.Linear, nngraph.Recurrent]:
    layer, x = nn.Linear(SIZE, CLASSES), nn.Identity()()
    return layer, nngraph.recurrent(nngraph.gModule([x], [layer(x)]), {})


def test_moved_parameters_are_refused() -> None:
    core = language_model(lstm, 1, 2)
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {"prev_s": "next_s"}))
    core.getParameters()
    with pytest.raises(nngraph.GraphError, match="moved elsewhere"):
        sgd.forward([words(), words(), [torch.zeros(2, SIZE)] * 2])


def test_what_is_changed_after_the_layout_is_refused() -> None:
    x = nn.Identity()()
    table, layer = nn.LookupTable(CLASSES, SIZE), nn.Linear(SIZE, 2)
    sgd = nngraph.FlatSGD(nngraph.recurrent(nngraph.gModule([x], [layer(table(x))]), {}))
    sgd.forward(words())
    for change, back in (
        (lambda: table.setPadding(0), lambda: table.setPadding(None)),
        (lambda: table.setMaxNorm(1.0), lambda: table.setMaxNorm(None)),
        (table.scaleGradByFreq, lambda: None),
    ):
        change()
        with pytest.raises(nngraph.GraphError, match=r"of nn.LookupTable.* was changed"):
            sgd.forward(words())
        back()


def test_tables_tied_and_frozen_afterwards() -> None:
    # Two tables and their sum: rows of gradients, then dense ones, then rows again.
    x = nn.Identity()()
    tables = [nn.LookupTable(CLASSES, SIZE) for _ in range(3)]
    core = nngraph.gModule([x], [nn.CAddTable()([table(x) for table in tables])])
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {}))
    changes = [
        lambda: None,
        lambda: tables[1].requires_grad_(False),
        lambda: tables[0].requires_grad_(False),
        lambda: core.requires_grad_(True),
        lambda: setattr(tables[2], "weight", tables[0].weight),
    ]
    ids, weights = words(), torch.randn(4, 2, SIZE)
    counts = torch.zeros(CLASSES, SIZE).index_add_(0, ids.flatten(), weights.view(-1, SIZE))
    for change in changes:
        change()
        before = [table.weight.detach().clone() for table in tables]
        y = sgd.forward(ids)
        sgd.backward([y], [weights])
        factors = [float(table.weight.requires_grad) for table in tables]
        if tables[2].weight is tables[0].weight:
            factors = [2.0, 1.0, 2.0]
        own = {id(table.weight): f for table, f in zip(tables, factors, strict=True)}.values()
        expected = counts.norm().item() * sum(f * f for f in own) ** 0.5
        assert sgd.norm().item() == pytest.approx(expected, rel=1e-12)
        sgd.update(0.5)
        for table, old, factor in zip(tables, before, factors, strict=True):
            torch.testing.assert_close(table.weight.detach(), old - 0.5 * factor * counts)


def test_parameters_stay_what_they_are() -> None:
    core = language_model(lstm, 2, 2)
    before = {name: p.detach().clone() for name, p in core.named_parameters()}
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {"prev_s": "next_s"}))
    start, end = sgd.parameters.data_ptr(), sgd.parameters.numel() * sgd.parameters.itemsize
    for name, parameter in core.named_parameters():
        assert torch.equal(parameter, before[name])
        assert start <= parameter.data_ptr() < start + end
    assert sgd.parameters.numel() == sum(p.numel() for p in before.values())


def test_a_second_step_allocates_no_buffer() -> None:
    _, net = linear()
    sgd = nngraph.FlatSGD(net)
    x = torch.randn(4, 2, SIZE)
    first = sgd.forward(x).data_ptr()
    assert sgd.forward(x).data_ptr() == first
    assert sgd.forward(torch.randn(3, 2, SIZE)).data_ptr() != first


def test_a_frozen_layer_stays() -> None:
    layer, net = linear()
    layer.weight.requires_grad_(False)
    sgd = nngraph.FlatSGD(net)
    before, bias = layer.weight.clone(), layer.bias.detach().clone()
    y = sgd.forward(torch.randn(4, 2, SIZE))
    sgd.backward([y], [torch.ones_like(y)])
    sgd.update(0.1)
    assert torch.equal(layer.weight, before)
    torch.testing.assert_close(layer.bias.detach(), bias - 0.1 * 8)


def test_no_step_where_it_is_not_wanted() -> None:
    layer, net = linear()
    sgd = nngraph.FlatSGD(net)
    before = sgd.parameters.clone()
    y = sgd.forward(torch.full((4, 2, SIZE), torch.nan))
    sgd.backward([y], [torch.ones_like(y)])
    assert sgd.norm().isnan()
    sgd.update(0.1, unless=torch.tensor(True))
    assert torch.equal(sgd.parameters, before)


def test_gradients_that_others_wrote_are_forgotten() -> None:
    core = language_model(lstm, 1, 2)
    sgd = nngraph.FlatSGD(nngraph.recurrent(core, {"prev_s": "next_s"}))
    input = [words(), words(), [torch.zeros(2, SIZE)] * 2]

    def gradients() -> torch.Tensor:
        err, _ = sgd.forward(input)
        sgd.backward([err], [torch.ones_like(err)])
        return sgd.gradients.clone()

    expected = gradients()
    sgd.gradients.fill_(7)
    assert torch.equal(gradients(), expected)


def test_networks_without_a_single_flat_tensor_are_refused() -> None:
    x = nn.Identity()()
    net = nngraph.recurrent(nngraph.gModule([x], [nn.Tanh()(x)]), {})
    with pytest.raises(nngraph.GraphError, match="of one dtype, on one device"):
        nngraph.FlatSGD(net)
    layer, net = linear()
    layer.bias.data = layer.bias.data.float()
    with pytest.raises(nngraph.GraphError, match="of one dtype, on one device"):
        nngraph.FlatSGD(net)


def test_an_unknown_precision() -> None:
    with pytest.raises(nngraph.GraphError, match="'float8' is unknown"):
        nngraph.FlatSGD(linear()[1]).use_precision("float8")
