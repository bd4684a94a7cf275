"""The members of an experiment: trainings in ordinary run folders, each done or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..config import Settings
from ..errors import UserError
from ..runs import RunFolder

DEFINITION = ("settings.json", "source.json", "vocabulary.txt")

AXES = ("layers", "embedding_size", "seed")
"""The settings in which the members of a grid differ."""


@dataclass(frozen=True)
class Member:
    """One training of an experiment.

    Attributes:
        name: the name of its run folder, inside the experiment's folder.
        settings: of its network and training.
    """

    name: str
    settings: Settings


def repetitions(settings: Settings, seeds: int) -> list[Member]:
    """Return members that differ only in their seeds, 1 to `seeds`."""
    numbers = range(1, seeds + 1)
    return [Member(f"seed{n}", settings.with_changes({"seed": n})) for n in numbers]


def grid(
    settings: Settings, layers: Iterable[int], embeddings: Iterable[int], seeds: int
) -> list[Member]:
    """Return a member for each number of layers, size of the embedding, and seed from 1."""
    embeddings = list(embeddings)
    return [
        Member(
            f"layers{depth}-embedding{size}-seed{seed}",
            settings.with_changes({"layers": depth, "embedding_size": size, "seed": seed}),
        )
        for seed in range(1, seeds + 1)  # the whole grid once, before its repetitions
        for depth in dict.fromkeys(layers)
        for size in dict.fromkeys(embeddings)
    ]


def is_defined(path: Path) -> bool:
    """Return whether the folder has all files that define a run.

    A process that was killed while it began may have left fewer; then its training begins anew.
    """
    return all((path / name).is_file() for name in DEFINITION)


def run_folders(folder: Path) -> Iterator[RunFolder]:
    """Yield the runs in the folders directly inside `folder`, by name.

    Raises:
        UserError: one of them is broken.
    """
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if is_defined(path):
                yield RunFolder.open(path)


def is_done(run: RunFolder, epochs: int) -> bool:
    """Return whether the run has been trained for `epochs` epochs and tested after the last."""
    tests = [line["epoch"] for line in run.metrics() if line.get("split") == "test"]
    return bool(tests) and tests[-1] >= epochs


def check_settings(run: RunFolder, expected: Settings, free: Sequence[str] = ()) -> None:
    """Check that a run has the settings of its experiment; those named in `free` may differ.

    The number of epochs may be smaller than expected: then the run goes on.

    Raises:
        UserError: a setting differs. The message names the first.
    """
    actual, wanted = _comparable(run.settings), _comparable(expected)
    if "max_max_epoch" not in free and run.settings.max_max_epoch < expected.max_max_epoch:
        free = (*free, "max_max_epoch")
    for name, value in actual.items():
        if name not in free and value != wanted[name]:
            raise UserError(
                f"{run.path} was trained with {name} {value}, this experiment takes "
                f"{wanted[name]}: name another folder, or move that run away"
            )


def identity(settings: Settings) -> tuple[int, int, int]:
    """Return what tells one member from another: layers, embedding and seed."""
    return settings.layers, settings.input_size, settings.seed


def _comparable(settings: Settings) -> dict[str, Any]:
    """Return the settings by name, the default size of the embedding written as a number."""
    return {**asdict(settings), "embedding_size": settings.input_size}
