"""The lines that a training logs, and the metrics that it writes beside them."""

from __future__ import annotations

import math
import time
from typing import Any

import torch

from ..text import perplexity
from .training import Training

TITLES = {"valid": "Validation", "test": "Test"}


def report(training: Training) -> None:
    """Log the line that the original prints ten times an epoch; write the metrics of the step.

    `wps`, words per second, and the minutes count from the beginning of the training.
    """
    progress, settings = training.progress, training.model.settings
    seconds = time.monotonic() - training.beginning_time
    train_perplexity = perplexity(training.perps.mean().item(), training.run.unit)
    words_per_step = settings.seq_length * training.run.settings.batch_size
    wps = math.floor(progress.step * words_per_step / seconds)
    training.log(
        f"epoch = {training.epoch:.3f}, train perp. = {train_perplexity:.3f}, wps = {wps}, "
        f"dw:norm() = {training.norm_dw:.3f}, lr = {progress.lr:.3f}, "
        f"since beginning = {math.floor(seconds / 60 + 0.5)} mins."
    )
    write_step(training, train_perplexity=train_perplexity, wps=wps)


def write_step(training: Training, **more: Any) -> None:
    """Write a line of metrics for the last step: its loss, gradient norm and rate, and `more`.

    With ``settings.record_norms``, `layer_norms` are the norms of the gradient in every layer.
    """
    if training.model.settings.record_norms:
        more["layer_norms"] = layer_norms(training.model.core_network, training.norm_dw)
    training.run.add_metrics(
        step=training.progress.step,
        epoch=training.epoch,
        loss=training.loss,
        grad_norm=training.norm_dw,
        lr=training.progress.lr,
        **more,
    )


def layer_norms(network: torch.nn.Module, norm: float) -> dict[str, float]:
    """Return the 2-norm of the last step's gradient, before clipping, in each layer by its name.

    Args:
        network: the network; the graph engine has scaled its gradients by the learning rate since.
        norm: of the whole gradient before clipping. Its square is the sum of those of the layers.
    """
    squares: dict[str, float] = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            layer = name.rpartition(".")[0] or name
            square = parameter.grad.double().square().sum().item()
            squares[layer] = squares.get(layer, 0.0) + square
    total = math.sqrt(sum(squares.values()))
    scale = norm / total if total else 0.0
    return {layer: math.sqrt(square) * scale for layer, square in squares.items()}


def report_evaluation(training: Training, split: str, loss: float) -> None:
    """Log the perplexity of the text `split`, "valid" or "test", and write it to the metrics.

    `loss` is its mean loss, in nats per word or character. After a validation, which ends an epoch,
    the line of metrics also describes the training in that epoch; see `epoch_statistics`.
    """
    shown = perplexity(loss, training.run.unit)
    training.log(f"{TITLES[split]} set perplexity : {shown:.3f}")
    more = epoch_statistics(training) if split == "valid" else {}
    training.run.add_metrics(
        step=training.progress.step,
        epoch=training.epoch,
        split=split,
        loss=loss,
        perplexity=shown,
        **more,
    )


def epoch_statistics(training: Training) -> dict[str, float]:
    """Return the mean training loss over the last epoch, and statistics of the gradient's norm.

    These are the mean and the largest norm before clipping, and the share of the steps whose
    gradient was clipped. They are missing if the run continues one whose norms were not saved.
    """
    statistics = {"train_loss": training.perps.mean().item()}
    norms = training.norms
    if not norms.isnan().any():
        statistics["grad_norm_mean"] = norms.mean().item()
        statistics["grad_norm_max"] = norms.max().item()
        is_clipped = norms > training.model.settings.max_grad_norm
        statistics["clipped"] = is_clipped.double().mean().item()
    return statistics
