"""The network, its unrolled training step and its evaluation against the original program."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import assert_close, golden, golden_names, value

import pygraph_nn as nngraph
from pygraph_nn import nn, torch7_random
from zaremba_port.config import Settings
from zaremba_port.language_model import TextState
from zaremba_port.model import create_network
from zaremba_port.unrolled import Model

# Torch7 fails on a one-element zero gradient; that case shows no training.
NAMES = [name for name in golden_names("lstm") if "one_element_zero" not in name]
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


class Case:
    """A golden case, set up as its Lua program was."""

    def __init__(self, name: str) -> None:
        self.data = golden("lstm", f"{name}.json")
        config = self.data["config"]
        self.settings = Settings(
            layers=config["layers"],
            rnn_size=config["rnn"],
            vocab_size=config["vocab"],
            batch_size=config["batch"],
            seq_length=config["seq"],
            dropout=config["dropout"],
            init_weight=config["init_weight"],
            lr=config["lr"],
            max_grad_norm=config["max_grad_norm"],
            seed=config["seed"],
            dtype="float64" if config["tensor_type"] == "torch.DoubleTensor" else "float32",
            reference=True,
        )
        self.tolerance = TOLERANCE[self.settings.dtype]
        nngraph.manualSeed(config["seed"])
        self.network = create_network(self.settings, predictions=bool(config["pred_output"]))
        self.uniform_after = torch7_random.uniform()
        self.model = Model(self.network, self.settings)
        self.state = TextState((value(self.data["data"]) - 1).long())

    def close(self, ours: Any, key: str) -> None:
        assert_close(ours, value(self.data[key]), self.tolerance, key)


@pytest.mark.parametrize("name", NAMES)
def test_network(name: str) -> None:
    case = Case(name)
    modules = [str(n.module) for n in case.network.forwardnodes if n.module is not None]
    theirs = [m.replace("SelectTable(4)", "SelectTable(3*)") for m in case.data["modules_in_order"]]
    assert [m.split("(")[0] for m in modules] == [m.split("(")[0] for m in theirs]
    layout = [tuple(p["size"]) for p in case.data["parameter_layout"]]
    assert [tuple(p.shape) for p in case.network.parameters()] == layout
    assert case.model.paramx.numel() == case.data["nparams"]
    assert_close(case.model.paramx, value(case.data["initial_params"]), 0.0, "bit for bit")
    assert case.uniform_after == case.data["uniform_drawn_after_init"]


@pytest.mark.parametrize("name", NAMES)
def test_training(name: str) -> None:
    case = Case(name)
    model, state, data = case.model, case.state, case.data
    nngraph.manualSeed(data["config"]["seed"])
    create_network(case.settings)  # draws what came before the first dropout mask
    torch7_random.uniform()
    with nngraph.reference_mode():
        loss = model.fp(state)
        case.close(model.err, "fp1_errors")
        assert loss == pytest.approx(data["fp1_loss"], rel=case.tolerance)
        case.close(model.s[1:], "fp1_next_states")
        if "fp1_dropout_noise_by_time_then_dropout" in data:
            noise = [
                m.noise for rnn in model.rnns for m in rnn.children() if isinstance(m, nn.Dropout)
            ]
            theirs = value(data["fp1_dropout_noise_by_time_then_dropout"])
            if theirs and not isinstance(theirs[0], list):
                assert_close(noise, theirs, 1e-7, "noise")
        gradients = gradients_of_step(model, state)
        assert_close(gradients, value(data["bp1_gradients"]), case.tolerance, "bp1_gradients")
        case.close(model.ds, "bp1_gradient_of_initial_state")
        if "params_after_step_1" in data:
            case.close(model.paramx, "params_after_step_1")
        for i, step in enumerate(data["training"]):
            if i:
                loss = model.fp(state)
                model.bp(state, case.settings.lr)
            tolerance = case.tolerance * 10
            assert loss == pytest.approx(step["loss"], rel=tolerance), i
            assert model.norm_dw == pytest.approx(step["grad_norm"], rel=tolerance), i
            assert (model.norm_dw > case.settings.max_grad_norm) == step["clipped"], i
            assert state.pos + 1 == step["pos_after"], i
    case.close(model.paramx, "final_params")
    check_evaluation(case)


def gradients_of_step(model: Model, state: TextState) -> torch.Tensor:
    """bp, giving the gradients before they are scaled; the step is made, too."""
    before = model.paramx.clone()
    model.bp(state, 1.0)
    shrink = min(1.0, model.settings.max_grad_norm / model.norm_dw)
    step = model.paramdx / -shrink
    model.paramx.copy_(before + model.paramdx * model.settings.lr)
    return step


def check_evaluation(case: Case) -> None:
    model, state = case.model, case.state
    model.disable_dropout()
    model.reset_state(state)
    loss = model.fp(state)
    assert loss == pytest.approx(case.data["eval_loss_first_window"], rel=case.tolerance * 10)
    case.close(model.err, "eval_errors_first_window")
    steps = [
        next_step for _, next_step in zip(range(6), model.read_words(state.data), strict=False)
    ]
    case.close([err.item() for err, _ in steps], "test_loop_errors_first_6")
    case.close(steps[-1][1], "test_loop_state_after")
