"""Carrying out an experiment: what is left to train, training it, and reading all results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ..config import PRESETS, Settings
from ..errors import RunFailed, UserError
from ..runs import RunFolder
from ..text import Corpus, Log
from .members import Member, check_settings, identity, is_defined, is_done, run_folders
from .processes import Task, Trainings
from .results import Result, read_result
from .texts import same_text


@dataclass(frozen=True)
class Experiment:
    """Trainings in one folder that read one text.

    Attributes:
        folder: holds a run folder for each training, the logs of the processes, and the results.
        preset: the preset from which the members' settings come.
        members: the trainings.
        free: settings in which other runs in the folder may differ from the members'.
        corpus: what they read.
        arguments: further arguments of ``zaremba train`` for all of them, such as ``--device cpu``.
        share: (i, n): train only every n-th of the members that are left, from the i-th on; the
            others are trained by other processes at the same time.
    """

    folder: Path
    preset: str
    members: Sequence[Member]
    free: Sequence[str]
    corpus: Corpus
    arguments: Sequence[str]
    share: tuple[int, int] = (0, 1)

    def tasks(self, log: Log) -> list[Task]:
        """Return what is left to train.

        Raises:
            UserError: a run in the folder has other settings, or reads another text.
        """
        settings = self.members[0].settings
        paths: dict[tuple[object, ...], Path] = {}
        for run in run_folders(self.folder):
            check_settings(run, settings, self.free)
            if not same_text(run, self.corpus, log):
                raise UserError(
                    f"{run.path} was trained on {run.data}, not on {self.corpus.name}: name "
                    "another folder, or move that run away"
                )
            other = paths.setdefault(identity(run.settings), run.path)
            if other != run.path:
                raise UserError(
                    f"{other} and {run.path} are the same network from the same seed: move one away"
                )
        tasks = (
            self._task(member, paths.get(identity(member.settings), self.folder / member.name))
            for member in self.members
        )
        return [task for task in tasks if task is not None]

    def _task(self, member: Member, path: Path) -> Task | None:
        """Return how to begin or continue the training of a member in the folder `path`.

        Return None if it is done.
        """
        settings = member.settings
        begun = (path / "settings.json").is_file()
        arguments = [str(path), "--preset", self.preset, *_options(settings, PRESETS[self.preset])]
        arguments += ["--data", self.corpus.name, *(["--force"] if begun else [])]
        if is_defined(path):
            run = RunFolder.open(path)
            check_settings(run, settings)
            if is_done(run, settings.max_max_epoch):
                return None
            if run.has_last():
                if run.data != self.corpus.name:  # the same text, which has moved
                    run.data = self.corpus.name
                    run.save_definition()
                # The only setting that check_settings lets differ.
                epochs = str(settings.max_max_epoch)
                arguments = ["--resume", str(path), "--max_max_epoch", epochs]
        return Task(member.name, path, [*arguments, *self.arguments], settings.max_max_epoch)

    def train(self, jobs: int, console: Console) -> None:
        """Train what is left, up to `jobs` at once, and show the progress.

        Raises:
            UserError: a run in the folder does not belong to the experiment, or a training refuses
                its settings.
            RunFailed: a training failed, or Ctrl-C was pressed.
        """

        def log(line: str) -> None:
            console.print(line, markup=False)

        self.folder.mkdir(parents=True, exist_ok=True)
        tasks = self.tasks(log)
        rank, count = self.share
        done = len(self.members) - len(tasks)
        log(f"{self.folder}: {len(self.members)} trainings, {done} of them done before.")
        if not tasks:
            return
        # By the number of the member: the other processes may see others as done by now.
        numbers = {member.name: number for number, member in enumerate(self.members)}
        tasks = [task for task in tasks if numbers[task.name] % count == rank]
        trainings = Trainings(self.folder, jobs, log, f".lock{rank or ''}")
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        is_hidden = not console.is_terminal
        with Progress(
            *columns, TimeRemainingColumn(), console=console, transient=True, disable=is_hidden
        ) as bars:
            _show(trainings, tasks, bars)
        if trainings.failures:
            raise RunFailed(
                f"failed: {', '.join(trainings.failures)}; their output is in "
                f"{self.folder / 'logs'}, and the same command goes on with them"
            )

    def results(self) -> list[Result]:
        """Return the results of all runs in the folder that have been validated, in order."""
        results = [read_result(run) for run in run_folders(self.folder)]
        return sorted(
            (result for result in results if result is not None),
            key=lambda r: (r.settings.layers, r.settings.input_size, r.settings.seed),
        )


def _show(trainings: Trainings, tasks: Sequence[Task], bars: Progress) -> None:
    """Train `tasks` with a bar for all of them, and one for each that is running."""
    total = bars.add_task("all trainings", total=len(tasks))
    shown = {task.name: bars.add_task(task.name, total=1.0, visible=False) for task in tasks}

    def show(finished: int) -> None:
        if bars.disable:
            return
        shares = {task.name: task.share() for task, _ in trainings.running.values()}
        for name, bar in shown.items():
            bars.update(bar, completed=shares.get(name, 0.0), visible=name in shares)
        bars.update(total, completed=finished + sum(shares.values()))

    trainings.run(tasks, show)


def _options(settings: Settings, others: Settings) -> list[str]:
    """Return the options that set what `settings` has and `others` has not."""
    options: list[str] = []
    for setting in fields(Settings):
        value = getattr(settings, setting.name)
        if value == getattr(others, setting.name):
            continue
        if isinstance(value, bool):
            options.append(f"--{setting.name}" if value else f"--no-{setting.name}")
        elif value is not None:
            options += [f"--{setting.name}", str(value)]
    return options
