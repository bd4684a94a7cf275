"""The run folder: settings, vocabulary, parameters, metrics and log of one training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..cells import is_importable
from ..config import Settings
from ..errors import UserError
from ..text import CHARACTERS, WORDS, Log, Vocabulary, unit_of
from .checkpoint import (
    Saved,
    copy_tensors,
    read_saved,
    read_tensors,
    write_saved,
    write_tensors,
)
from .files import append_line, reporting_failures, write_whole

FILES = (
    "settings.json",
    "source.json",
    "vocabulary.txt",
    "cell.json",
    "best.safetensors",
    "last.safetensors",
    "metrics.jsonl",
    "train.log",
    "curves.png",
    "curves.svg",
)
"""The names of a run folder's files; the first three define the run.

Only a run with a cell that is not built in has a ``cell.json``.
"""


_RECORD: dict[str, Any] = {"digest": str, "graph": list, "values": (list, type(None))}


class RunFolder:
    """One training on disk. `create` starts a new folder, `open` reads an existing one.

    Methods that write raise RunFailed if the file system refuses; what was saved before is kept.

    Attributes:
        path: the folder.
        settings, vocabulary: of the network.
        data: the name or folder of the text trained on, as `--data` takes it.
        unit: the unit of the text's tokens, "words" or "characters".
        fixed_vocabulary: whether the vocabulary is not that of the text, in its order, but comes
            from elsewhere; training takes any text of its words.
    """

    fixed_vocabulary = False

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
        """Create the folder and write the files that define the run.

        With `force`, a run that is already there is deleted.

        Raises:
            UserError: the folder is not empty and `force` is not given.
        """
        path = Path(path)
        check_free(path, force=force)
        run = cls(path, settings, vocabulary, data)
        with reporting_failures(path):
            path.mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (path / name).unlink(missing_ok=True)
        run.save_definition()
        return run

    def save_definition(self) -> None:
        """Write settings, vocabulary, the name of the text and its unit."""
        fixed = {"fixed_vocabulary": True} if self.fixed_vocabulary else {}
        source = json.dumps({"data": self.data, "unit": self.unit, **fixed}) + "\n"
        write_whole(self.path / "settings.json", self.settings.save)
        write_whole(self.path / "vocabulary.txt", self.vocabulary.save)
        write_whole(
            self.path / "source.json", lambda part: part.write_text(source, encoding="utf-8")
        )

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return the run in folder `path`.

        Raises:
            UserError: the folder holds no run, or one of its files is broken.
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
        run = cls(path, settings, vocabulary, data, unit)
        run.fixed_vocabulary = source.get("fixed_vocabulary") is True
        return run

    def save_cell(self, record: Mapping[str, Any]) -> None:
        """Write the cell's name to the settings, and the record of one that is not built in."""
        path, text = self.path / "cell.json", json.dumps(record, indent=2) + "\n"
        self.settings = self.settings.with_changes({"cell": record["name"]})
        if self.settings.has_own_cell:
            write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))
        else:
            path.unlink(missing_ok=True)
        self.save_definition()

    def load_cell(self) -> dict[str, Any]:
        """Return the record of the cell of its own that the run was trained with.

        Raises:
            UserError: the file is missing or broken, or settings.json names another cell.
        """
        path = self.path / "cell.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            name = record["name"]
            for key, type_ in _RECORD.items():
                if not isinstance(record[key], type_):
                    raise ValueError(f"{key} is malformed")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} records no cell: {error}") from None
        if name != self.settings.cell:
            raise UserError(f"{path} records the cell {name}, settings.json {self.settings.cell}")
        return dict(record)

    def save_best(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write the network's tensors, by name, which have the lowest validation loss so far."""
        write_tensors(self.path / "best.safetensors", tensors)

    def save_last(self, saved: Saved) -> None:
        """Write everything that a training needs to continue."""
        write_saved(self.path / "last.safetensors", saved)

    def has_last(self) -> bool:
        """Return whether `save_last` has written anything to continue from."""
        return (self.path / "last.safetensors").is_file()

    def check_untrained(self) -> None:
        """Check that no training has written to the folder yet.

        Raises:
            UserError: it holds parameters or metrics. Another training would mix its own with them.
        """
        names = ("metrics.jsonl", "last.safetensors", "best.safetensors")
        present = [name for name in names if (self.path / name).is_file()]
        if present:
            raise UserError(
                f"{self.path} holds a training already ({', '.join(present)}): go on with "
                f"resume=True (zaremba train --resume {self.path}), start anew with "
                "RunFolder.create(..., force=True), or create another folder"
            )

    def load_last(self) -> Saved:
        """Return what `save_last` wrote.

        Raises:
            UserError: there is nothing, or the file is broken.
        """
        return read_saved(self.path / "last.safetensors")

    @property
    def resume_options(self) -> str:
        """Return the options of `zaremba train` that continue the run."""
        options = f"--resume {self.path}"
        return options + f" --cell {self.settings.cell}" * is_importable(self.settings.cell)

    def saved_names(self) -> list[str]:
        """Return the names of the saved parameters and buffers; none where nothing is saved yet."""
        return list(self.load_last().network) if self.has_last() else []

    def load_parameters(self, network: torch.nn.Module, which: str = "best") -> None:
        """Copy the saved parameters and buffers, "best" or "last", into `network`.

        "best" falls back on "last" where no validation has taken place yet.

        Raises:
            UserError: nothing is saved, or another network was saved.
        """
        best = self.path / "best.safetensors"
        is_best = which == "best" and best.is_file()
        tensors = read_tensors(best) if is_best else self.load_last().network
        copy_tensors(network, tensors, self.path)

    def add_metrics(self, **values: Any) -> None:
        """Append one line of JSON to ``metrics.jsonl``; floats keep all their digits."""
        append_line(self.path / "metrics.jsonl", json.dumps(values))

    def metrics(self) -> list[dict[str, Any]]:
        """Return the lines that `add_metrics` wrote."""
        path = self.path / "metrics.jsonl"
        if not path.is_file():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def drop_metrics_after(self, step: int) -> None:
        """Remove the lines of later steps, which a resumed training repeats."""
        lines = [json.dumps(line) + "\n" for line in self.metrics() if line["step"] <= step]
        write_whole(
            self.path / "metrics.jsonl",
            lambda part: part.write_text("".join(lines), encoding="utf-8"),
        )

    def add_log(self, line: str) -> None:
        """Append a line to ``train.log``."""
        append_line(self.path / "train.log", line)

    def logging(self, log: Log) -> Log:
        """Return a function that passes a line to `log` and appends it to ``train.log``."""

        def log_both(line: str) -> None:
            log(line)
            self.add_log(line)

        return log_both


def check_free(path: Path, *, force: bool) -> None:
    """Raise UserError if a new run in `path` would overwrite something without `force`."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file: a run needs a folder")
    if path.is_dir() and any(path.iterdir()) and not force:
        raise UserError(
            f"{path} is not empty: go on with --resume {path}, overwrite it with --force, or name "
            "another folder"
        )
