"""Parameters, buffers and progress in safetensors files, and copying them into a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        validated: the step after which the last epoch ended that has been validated.
        rollbacks: how often the training went back to the start of an epoch since it diverged.
    """

    step: int
    lr: float
    pos: int = 0
    seconds: float = 0.0
    best: float | None = None
    test: float | None = None
    validated: int = 0
    rollbacks: int = 0

    @classmethod
    def from_json(cls, text: str) -> Progress:
        """Read the progress that a save holds.

        Raises:
            ValueError: a value is missing or has the wrong type.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("it is not an object")
        # Version 0.1.0 saved at the end of an epoch after its validation only.
        values.setdefault("validated", values.get("step"))
        for name, value in values.items():
            types = _PROGRESS_TYPES.get(name)
            if types is None:
                raise ValueError(f"it holds an unknown value, {name}")
            if isinstance(value, bool) or not isinstance(value, types):
                raise ValueError(f"{name} is {value!r}")
            if isinstance(value, int) and not 0 <= value < 2**63:
                raise ValueError(f"{name} is {value!r}")
        if missing := {"step", "lr"} - values.keys():
            raise ValueError(f"it holds no {min(missing)}")
        return cls(**values)


_PROGRESS_TYPES: dict[str, tuple[type, ...]] = {
    "step": (int,),
    "lr": (int, float),
    "pos": (int,),
    "seconds": (int, float),
    "best": (int, float, type(None)),
    "test": (int, float, type(None)),
    "validated": (int,),
    "rollbacks": (int,),
}


@dataclass
class Saved:
    """The contents of a save: everything that a training needs to continue.

    Attributes:
        parameters: the network's parameters, by name.
        buffers: other tensors by name, such as the state and the random generators.
        progress: the step, the learning rate, and so on.
        network_buffers: the network's buffers, by name; see `buffers_of`.
    """

    parameters: Mapping[str, torch.Tensor]
    buffers: Mapping[str, torch.Tensor]
    progress: Progress
    network_buffers: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def network(self) -> dict[str, torch.Tensor]:
        """Return the parameters and buffers of the network, by name; see `tensors_of`."""
        return {**self.parameters, **self.network_buffers}


def buffers_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the buffers of a network, by name, such as the statistics of a batch normalization.

    Buffers that their module declares with ``persistent=False`` are left out.
    """
    saved = network.state_dict().keys()
    return {name: buffer for name, buffer in network.named_buffers() if name in saved}


def tensors_of(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return what a network has learnt, by name: its parameters and its buffers."""
    return {**dict(network.named_parameters()), **buffers_of(network)}


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> str:
    """Write `tensors`, by name, to `path`; return the SHA-256 of the file.

    Raises:
        RunFailed: the file could not be written; what was there is kept.
    """
    stored = _storable(tensors)
    return write_whole(path, lambda part: save_file(stored, part))


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors that `write_tensors` wrote, by name.

    Raises:
        UserError: the file is missing or broken.
    """
    return _read(path)[0]


def write_saved(path: Path, saved: Saved) -> str:
    """Write parameters, buffers and progress to one file, so that they belong to one step.

    Returns:
        The SHA-256 of the file.

    Raises:
        RunFailed: the file could not be written; what was there is kept.
    """
    tensors = _storable({
        **{f"parameters.{name}": value for name, value in saved.parameters.items()},
        **{f"network_buffers.{name}": value for name, value in saved.network_buffers.items()},
        **{f"buffers.{name}": value for name, value in saved.buffers.items()},
    })  # fmt: skip
    metadata = {"progress": json.dumps(vars(saved.progress))}
    return write_whole(path, lambda part: save_file(tensors, part, metadata))


def read_saved(path: Path) -> Saved:
    """Return what `write_saved` wrote.

    Raises:
        UserError: the file is missing or broken.
    """
    tensors, metadata = _read(path)

    def section(prefix: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    try:
        progress = Progress.from_json(metadata["progress"])
    except (KeyError, ValueError, RecursionError) as error:
        raise UserError(f"{path} holds no progress: {error}") from None
    return Saved(section("parameters."), section("buffers."), progress, section("network_buffers."))


def read_progress(path: Path) -> Progress:
    """Return the progress in a file that `write_saved` wrote; only its head is read.

    Raises:
        UserError: the file is missing or broken.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return Progress.from_json((file.metadata() or {})["progress"])
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} cannot be read: {reason}") from None


def copy_tensors(
    network: torch.nn.Module, tensors: Mapping[str, torch.Tensor], source: Path
) -> None:
    """Copy `tensors`, by name, into the parameters and buffers of `network`.

    Args:
        network: the network to fill.
        tensors: tensors with the names and shapes of the network's own; see `tensors_of`.
        source: the run folder they come from, for messages.

    Raises:
        UserError: names or shapes differ, so the settings are not those of the saved network.
    """
    own = tensors_of(network)
    for name in sorted(own.keys() ^ tensors.keys()):
        kind = "parameter" if isinstance(own.get(name), torch.nn.Parameter) else "tensor"
        if name in tensors:
            raise UserError(f"{source}: the {kind} {name} is only saved, not in the network")
        hint = "" if kind == "parameter" else "; before version 0.2, runs saved no buffers"
        raise UserError(f"{source}: the {kind} {name} is only in the network, not saved{hint}")
    for name, tensor in own.items():
        if tensor.shape != tensors[name].shape:
            raise UserError(
                f"{source}: the saved {name} is {tuple(tensors[name].shape)}, the "
                f"network's {tuple(tensor.shape)}: settings.json is of another network"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a safetensors file."""
    if not path.is_file():
        raise UserError(f"{path.parent} holds no parameters yet: {path.name} is missing")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in list(file.keys())}
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} cannot be read: {reason}") from None


def _storable(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return contiguous copies on the CPU, which share no storage, as safetensors requires."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
