"""The run folder: settings, vocabulary, parameters, metrics and log of one training."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..config import Settings
from ..errors import RunFailed, UserError
from ..text import (
    CHARACTERS,
    WORDS,
    Vocabulary,
    unit_of,
)

FILES = (
    "settings.json",
    "source.json",
    "vocabulary.txt",
    "best.safetensors",
    "last.safetensors",
    "metrics.jsonl",
    "train.log",
    "curves.png",
    "curves.svg",
)


@dataclass
class Progress:
    """Where a training stands: what `--resume` needs beside parameters and state.

    Attributes:
        step: sequences trained on; `epoch` of the log is this through the steps of an epoch.
        lr: the learning rate of the next step.
        pos: the row of the training text to be read next.
        seconds: time spent in training so far.
        best: the lowest mean validation loss in nats, if there was one.
        test: the mean test loss in nats, once the training is over.
    """

    step: int
    lr: float
    pos: int = 0
    seconds: float = 0.0
    best: float | None = None
    test: float | None = None


@dataclass
class Saved:
    """What ``last.safetensors`` holds; `buffers` are tensors by name, such as the state."""

    parameters: dict[str, torch.Tensor]
    buffers: dict[str, torch.Tensor]
    progress: Progress


class RunFolder:
    """One training on disk. `create` makes a new one, `open` reads one that is there.

    Attributes:
        path: the folder.
        settings, vocabulary: what the network was made with.
        data: the text trained on, as `--data` takes it.
        unit: what its tokens are, "words" or "characters"; told from the vocabulary at first.
    """

    def __init__(
        self,
        path: Path,
        settings: Settings,
        vocabulary: Vocabulary,
        data: str,
        unit: str | None = None,
    ) -> None:
        self.path = path
        self.settings = settings
        self.vocabulary = vocabulary
        self.data = data
        self.unit = unit or unit_of(vocabulary)

    @classmethod
    def create(
        cls,
        path: str | Path,
        settings: Settings,
        vocabulary: Vocabulary,
        data: str,
        *,
        force: bool = False,
    ) -> RunFolder:
        """Make the folder and write what defines the run.

        Raises:
            UserError: the folder is not empty and `force` is not given.
        """
        path = Path(path)
        check_free(path, force=force)
        run = cls(path, settings, vocabulary, data)
        with _disk(path):
            path.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (path / name).unlink(missing_ok=True)
        run.save_definition()
        return run

    def save_definition(self) -> None:
        """Write settings, vocabulary, the name of the text and its unit."""
        source = json.dumps({"data": self.data, "unit": self.unit}) + "\n"
        self._aside("settings.json", self.settings.save)
        self._aside("vocabulary.txt", self.vocabulary.save)
        self._aside("source.json", lambda path: path.write_text(source, encoding="utf-8"))

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """The run in folder `path`.

        Raises:
            UserError: there is none.
        """
        path = Path(path)
        if not path.is_dir():
            raise UserError(f"{path} is not a run folder: no such folder")
        missing = [name for name in FILES[:3] if not (path / name).is_file()]
        if missing:
            raise UserError(f"{path} is not a run folder: it holds no {missing[0]}")
        settings = Settings.load(path / "settings.json")
        vocabulary = Vocabulary.load(path / "vocabulary.txt")
        try:
            source = json.loads((path / "source.json").read_text(encoding="utf-8"))
            data, unit = source["data"], source.get("unit")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path / 'source.json'} does not name a text: {error}") from None
        if unit not in (WORDS, CHARACTERS, None):
            raise UserError(f"{path / 'source.json'}: unit is {unit!r}, not words or characters")
        return cls(path, settings, vocabulary, data, unit)

    # Parameters

    def save_best(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Keep `parameters`, by name, as the best so far."""
        tensors = _storable(parameters)
        self._aside("best.safetensors", lambda path: save_file(tensors, path))

    def save_last(self, saved: Saved) -> None:
        """Keep all that going on needs, in one file, so that it is all of one moment."""
        tensors = _storable({
            **{f"parameters.{name}": value for name, value in saved.parameters.items()},
            **{f"buffers.{name}": value for name, value in saved.buffers.items()},
        })  # fmt: skip
        notes = {"progress": json.dumps(vars(saved.progress))}
        self._aside("last.safetensors", lambda path: save_file(tensors, path, notes))

    def has_last(self) -> bool:
        """Whether anything is saved to go on from."""
        return (self.path / "last.safetensors").is_file()

    def load_last(self) -> Saved:
        """What `save_last` kept.

        Raises:
            UserError: there is nothing, or the file is broken.
        """
        tensors, notes = self._read("last.safetensors")

        def section(name: str) -> dict[str, torch.Tensor]:
            start = f"{name}."
            return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}

        try:
            progress = Progress(**json.loads(notes["progress"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.path / 'last.safetensors'} holds no progress: {error}"
            ) from None
        return Saved(section("parameters"), section("buffers"), progress)

    def load_parameters(self, network: torch.nn.Module, which: str = "best") -> None:
        """Give `network` the saved parameters, "best" or "last"; best falls back on last.

        Raises:
            UserError: nothing is saved, or it is of another network.
        """
        if which == "best" and (self.path / "best.safetensors").is_file():
            self.fill(network, self._read("best.safetensors")[0])
        else:
            self.fill(network, self.load_last().parameters)

    def fill(self, network: torch.nn.Module, parameters: Mapping[str, torch.Tensor]) -> None:
        """Copy `parameters`, by name, into those of `network`.

        Raises:
            UserError: names or shapes differ; the settings are not those of the saved network.
        """
        mine = dict(network.named_parameters())
        for name in mine.keys() | parameters.keys():
            if name not in mine or name not in parameters:
                where = "saved" if name in parameters else "in the network"
                raise UserError(f"{self.path}: the parameter {name} is only {where}")
            if mine[name].shape != parameters[name].shape:
                raise UserError(
                    f"{self.path}: the saved {name} is {tuple(parameters[name].shape)}, the "
                    f"network's {tuple(mine[name].shape)}: settings.json is of another network"
                )
        with torch.no_grad():
            for name, parameter in mine.items():
                parameter.copy_(parameters[name])

    def _read(self, name: str) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        path = self.path / name
        if not path.is_file():
            raise UserError(f"{self.path} holds no parameters yet: {name} is missing")
        try:
            with safe_open(path, framework="pt") as file:
                return {
                    key: file.get_tensor(key) for key in list(file.keys())
                }, file.metadata() or {}
        except (SafetensorError, OSError, ValueError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None

    # Metrics and log

    def add_metrics(self, **values: Any) -> None:
        """Append one JSON line; floats keep all their digits."""
        self._append("metrics.jsonl", json.dumps(values))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines that `add_metrics` wrote."""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def drop_metrics_after(self, step: int) -> None:
        """Forget lines of steps that are to be made again."""
        kept = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
        self._aside("metrics.jsonl", lambda path: path.write_text("".join(kept), encoding="utf-8"))

    def add_log(self, line: str) -> None:
        """Append a line to ``train.log``."""
        self._append("train.log", line)

    def _append(self, name: str, line: str) -> None:
        with _disk(self.path / name), (self.path / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _aside(self, name: str, write: Callable[[Path], Any]) -> None:
        """Write a file beside its place and move it there, so that it is whole or not there."""
        part = self.path / f"{name}.part"
        try:
            with _disk(self.path / name):
                write(part)
                os.replace(part, self.path / name)
        finally:
            part.unlink(missing_ok=True)


def check_free(path: Path, *, force: bool) -> None:
    """Raise UserError if a new run in `path` would overwrite something without `force`."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file: a run needs a folder")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise UserError(
            f"{path} is not empty: go on with --resume {path}, overwrite it with --force, or name "
            "another folder"
        )


@contextlib.contextmanager
def _disk(path: Path) -> Any:
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunFailed(
            f"{path} could not be written: {reason}; what was saved before is kept"
        ) from None


def _storable(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
