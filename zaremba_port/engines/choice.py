"""The choice of an engine and of its precision, by the names that the command line takes."""

from __future__ import annotations

import torch

import pygraph_nn as nngraph

from ..cells import Cell
from ..config import ENGINES, PRECISIONS, Settings
from ..errors import UserError
from ..language_model import LanguageModel
from ..unrolled import Model
from .fast import FastModel


def check_engine(engine: str | None, settings: Settings) -> None:
    """Raise UserError if there is no such engine, or it cannot follow the settings."""
    if engine not in (None, *ENGINES):
        raise UserError(f"engine is {engine!r}, it must be one of {', '.join(ENGINES)}")
    if engine == "fast" and settings.reference:
        raise UserError(
            "--reference draws dropout masks in the order of the Lua program, step by step: it "
            "takes --engine graph"
        )


def check_precision(
    precision: str, engine: str | None, settings: Settings, device: torch.device
) -> None:
    """Raise UserError if the engine cannot compute products in `precision` on `device`."""
    if precision not in PRECISIONS:
        raise UserError(f"precision is {precision!r}, it must be one of {', '.join(PRECISIONS)}")
    if precision == "float32":
        return
    if engine == "graph" or settings.reference or settings.dtype != "float32":
        raise UserError(f"--precision {precision} needs the fast engine and dtype float32")
    if precision == "tf32" and device.type != "cuda":
        raise UserError(f"--precision tf32 needs a CUDA device, this one is {device}")
    if precision == "bfloat16" and device.type == "cpu":
        reason = nngraph.bfloat16_unavailable()
        if reason is not None:
            raise UserError(
                "--precision bfloat16 needs compiled kernels for a CPU with AVX512-BF16, or a CUDA "
                f"device: {reason}. Use --precision float32, which is faster here"
            )


def make_model(
    engine: str | None,
    core_network: nngraph.gModule,
    settings: Settings,
    cell: Cell | None = None,
    precision: str = "float32",
) -> LanguageModel:
    """Return a language model of `core_network`, run by `engine`.

    Args:
        engine: "fast" or "graph"; None for "graph" under ``settings.reference``, else "fast".
        core_network: the network for one time step, from `create_network`.
        cell: the recurrent cell it was created with, if not ``settings.cell``.
        precision: the precision of the fast engine's products, one of `PRECISIONS`.

    Raises:
        UserError: there is no such engine, or it cannot follow the settings or the precision.
    """
    check_engine(engine, settings)
    check_precision(precision, engine, settings, next(core_network.parameters()).device)
    if engine == "graph" or settings.reference:
        return Model(core_network, settings, cell)
    return FastModel(core_network, settings, cell, precision)
