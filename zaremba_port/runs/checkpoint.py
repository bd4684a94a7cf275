"""Parameters and progress in safetensors files, and copying parameters into a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import UserError
from .files import write_whole


@dataclass
class Progress:
    """The state of a training in numbers.

    Attributes:
        step: sequences trained on; the log's epoch is `step` divided by the steps of an epoch.
        lr: the learning rate of the next step.
        pos: the next row of the training text to read.
        seconds: time spent in training so far.
        best: the lowest mean validation loss so far, in nats per word; None before the first.
        test: the mean test loss, in nats per word, once the training is over.
    """

    step: int
    lr: float
    pos: int = 0
    seconds: float = 0.0
    best: float | None = None
    test: float | None = None


@dataclass
class Saved:
    """The contents of ``last.safetensors``: everything that a training needs to continue.

    Attributes:
        parameters: the network's parameters, by name.
        buffers: other tensors by name, such as the state and the random generators.
        progress: the step, the learning rate, and so on.
    """

    parameters: Mapping[str, torch.Tensor]
    buffers: Mapping[str, torch.Tensor]
    progress: Progress


def write_parameters(path: Path, parameters: Mapping[str, torch.Tensor]) -> None:
    """Write `parameters`, by name, to `path`.

    Raises:
        RunFailed: the file could not be written; what was there is kept.
    """
    tensors = _storable(parameters)
    write_whole(path, lambda part: save_file(tensors, part))


def read_parameters(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `write_parameters` wrote, by name.

    Raises:
        UserError: the file is missing or broken.
    """
    return _read(path)[0]


def write_saved(path: Path, saved: Saved) -> None:
    """Write parameters, buffers and progress to one file, so that they belong to one step.

    Raises:
        RunFailed: the file could not be written; what was there is kept.
    """
    tensors = _storable({
        **{f"parameters.{name}": value for name, value in saved.parameters.items()},
        **{f"buffers.{name}": value for name, value in saved.buffers.items()},
    })  # fmt: skip
    metadata = {"progress": json.dumps(vars(saved.progress))}
    write_whole(path, lambda part: save_file(tensors, part, metadata))


def read_saved(path: Path) -> Saved:
    """Return what `write_saved` wrote.

    Raises:
        UserError: the file is missing or broken.
    """
    tensors, metadata = _read(path)

    def section(prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        progress = Progress(**json.loads(metadata["progress"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} holds no progress: {error}") from None
    return Saved(section("parameters."), section("buffers."), progress)


def copy_parameters(
    network: torch.nn.Module, parameters: Mapping[str, torch.Tensor], source: Path
) -> None:
    """Copy `parameters`, by name, into those of `network`.

    Args:
        network: the network to fill.
        parameters: tensors with the names and shapes of the network's.
        source: the run folder they come from, for messages.

    Raises:
        UserError: names or shapes differ, so the settings are not those of the saved network.
    """
    own = dict(network.named_parameters())
    for name in own.keys() | parameters.keys():
        if name not in own or name not in parameters:
            where = "saved" if name in parameters else "in the network"
            raise UserError(f"{source}: the parameter {name} is only {where}")
        if own[name].shape != parameters[name].shape:
            raise UserError(
                f"{source}: the saved {name} is {tuple(parameters[name].shape)}, the "
                f"network's {tuple(own[name].shape)}: settings.json is of another network"
            )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(parameters[name])


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file."""
    if not path.is_file():
        raise UserError(f"{path.parent} holds no parameters yet: {path.name} is missing")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _storable(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return contiguous copies on the CPU, which share no storage, as safetensors requires."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
