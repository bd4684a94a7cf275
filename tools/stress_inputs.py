"""Damage the files of a run and the arguments of commands at random; nothing may crash or hang.

    python tools/stress_inputs.py --mutations 1000 --configurations 1000 --seed 1

A mutation flips a bit, cuts, empties, deletes, extends or swaps files of a finished run and of an
unfinished one. Then it is evaluated and resumed: each command must either give the numbers of the
undamaged run, or end with one line that names the file. A configuration is a command with options
that are random, of which many are absurd: it must succeed, or end with one line.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import torch

from zaremba_port import RunFolder, Settings
from zaremba_port.cli import train as train_command
from zaremba_port.cli.main import main as zaremba

TINY = [
    "--layers", "1", "--rnn_size", "4", "--vocab_size", "12", "--batch_size", "3", "--seq_length",
    "3", "--max_max_epoch", "2", "--device", "cpu",
]  # fmt: skip
TIMEOUT = 60  # seconds: a command that takes longer hangs
BAD = [
    "", " ", "0", "-1", "1", "2", "3", "1.5", "nan", "inf", "-inf", "1e300", "1e39", "1e-300",
    "9223372036854775807", "9223372036854775808", str(10**30), "9" * 5000, "1000000000", "x",
    "\udcff\udcfe", "é" * 300, "a/b", "/dev/full", "/proc/x", "/", ".", "..", "None", "true", "--",
    "meta", "cuda:99", "lstm", "gru", "a:b", "os:system", "\x01\x1b[31m", "a\0b", "float64",
]  # fmt: skip


class Hang(BaseException):
    """A command takes longer than `TIMEOUT`."""


def run_command(arguments: list[str], stdin: str = "") -> tuple[int | None, str, str]:
    """Run `zaremba` in this process; return its exit code, None after a crash, and its output."""

    def hang(*_: object) -> None:
        raise Hang

    out, err = io.StringIO(), io.StringIO()
    before, stdin_before = signal.signal(signal.SIGALRM, hang), sys.stdin
    sys.stdin = io.StringIO(stdin)
    signal.alarm(TIMEOUT)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code: int | None = zaremba(arguments)
    except SystemExit as end:  # --help
        code = 0 if end.code in (0, None) else None
    except Hang:
        code = None
        err.write("hang")
    except BaseException as error:
        import traceback

        code = None
        err.write(traceback.format_exc()[-1500:] + repr(error)[:500])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        sys.stdin = stdin_before
    return code, out.getvalue(), err.getvalue()


def is_one_line(err: str) -> bool:
    """Return whether standard error ends in one line of the command, without a traceback."""
    lines = [line for line in err.splitlines() if not line.startswith("Loading ")]
    return "Traceback" not in err and bool(lines) and lines[-1].startswith("zaremba: ")


@dataclass
class Stress:
    """Damage that is done at random; `faults` are what went wrong.

    Attributes:
        folder: a folder for texts and runs.
        random: chooses the damage.
        faults: a line for each.
        counts: how often commands ended with which exit code.
    """

    folder: Path
    random: random.Random
    faults: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choose = random.Random(5).choice
        self.text = self.folder / "text"
        self.text.mkdir()
        for name, lines in (("train", 31), ("valid", 8), ("test", 4)):
            words = (" ".join(choose("abcdefghi") for _ in range(6)) for _ in range(lines))
            (self.text / f"{name}.txt").write_text("".join(f"{line}\n" for line in words))
        self.runs = {}
        for name, last in (("finished", []), ("unfinished", ["--max-steps", "30"])):
            path = self.folder / name
            command = ["train", str(path), "--data", str(self.text), *TINY, *last]
            command += ["--save-every", "7"]
            code, _, err = run_command(command)
            assert code == 0, err
            self.runs[name] = path, self.evaluated(path), {}
        copy = self.folder / "copy"
        shutil.copytree(self.runs["unfinished"][0], copy)
        self.resumed(copy)
        self.expected = self.numbers(copy)
        shutil.rmtree(copy)

    def evaluated(self, path: Path) -> dict[str, str]:
        return {w: run_command(["evaluate", str(path), "--which", w])[1] for w in ("best", "last")}

    def resumed(self, path: Path, *more: str) -> tuple[int | None, str, str]:
        return run_command(["train", "--resume", str(path), "--device", "cpu", *more])

    def numbers(self, path: Path) -> list[dict[str, float]]:
        lines = RunFolder.open(path).metrics()
        return [{k: v for k, v in line.items() if k != "wps"} for line in lines]

    def check(self, what: str, code: int | None, err: str) -> None:
        self.counts[str(code)] = self.counts.get(str(code), 0) + 1
        if code not in (0, 1, 2) or (code and not is_one_line(err)):
            self.faults.append(f"{what}: exit code {code}: {err}")

    def mutate(self, path: Path) -> str:
        """Damage a file of a run; return what was done."""
        choose = self.random
        names = sorted(p.name for p in path.iterdir() if p.suffix not in (".png", ".svg"))
        name = choose.choice(names)
        file = path / name
        content = bytearray(file.read_bytes())
        kind = choose.choice(("flip", "flip", "flip", "cut", "empty", "delete", "extend", "swap"))
        if kind == "flip" and content:
            content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
        elif kind == "cut":
            del content[choose.randrange(len(content) + 1) :]
        elif kind == "empty":
            content.clear()
        elif kind == "extend":
            tails = (b"\n", b"{", b"null\n", b"[1]\n", b'{"step": 1}\n', b"\xff\xfe", b"\0" * 9)
            content += choose.choice(tails)
        elif kind == "swap":
            content = bytearray((path / choose.choice(names)).read_bytes())
        if kind == "delete":
            file.unlink()
        else:
            file.write_bytes(content)
        return f"{kind} {name}"

    def mutation(self) -> None:
        """Damage a copy of a run; evaluate and resume it."""
        name = self.random.choice(list(self.runs))
        source, evaluated, _ = self.runs[name]
        path = self.folder / "mutated"
        shutil.copytree(source, path)
        what = f"{name}: {self.mutate(path)}"
        for which, expected in self.random.sample(list(evaluated.items()), 1):
            code, out, err = run_command(["evaluate", str(path), "--which", which])
            self.check(f"{what}: evaluate {which}", code, err)
            if code == 0 and out != expected:
                self.faults.append(f"{what}: evaluate {which} prints {out!r}, not {expected!r}")
        code, _, err = self.resumed(path)
        if code and "--from previous" in err:
            code, _, err = self.resumed(path, "--from", "previous")
            what += ", from previous"
        self.check(f"{what}: resume", code, err)
        is_metrics = "metrics" in what  # a damaged line of the past is lost, and said to be
        if code == 0 and not is_metrics and self.numbers(path) != self.expected:
            self.faults.append(f"{what}: other numbers")
        shutil.rmtree(path)

    def configuration(self) -> None:
        """Run a command with random options."""
        arguments = list(self.arguments())
        made = self.folder / "made"
        code, out, err = run_command(arguments, self.random.choice(["", "3 a b\n", "x\n\x01 \n"]))
        shown = " ".join(map(repr, (a if len(a) < 60 else a[:60] + "…" for a in arguments)))
        self.check(shown, code, err)
        if code and arguments[0] == "train" and made.exists() and not list(made.glob("step-*")):
            self.faults.append(f"{shown}: leaves {sorted(p.name for p in made.iterdir())}")
        del out
        for path in self.folder.iterdir():
            if path not in (self.text, *(run for run, *_ in self.runs.values())):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def arguments(self) -> Iterator[str]:
        """Yield the words of a command."""
        choose = self.random
        run, made = str(self.runs["finished"][0]), str(self.folder / "made")
        command = choose.choice(
            ("train", "train", "evaluate", "complete", "diagram", "data", "other")
        )
        yield (
            command
            if command != "other"
            else choose.choice(
                ("presets", "answers", "compare", "predict-chars", "grade", "experiments", "x")
            )
        )
        bad = lambda: choose.choice(BAD)  # noqa: E731
        if command == "train":
            yield from (made, "--data", str(self.text), "--max-steps", "2", *TINY)
            for setting in choose.sample(fields(Settings), choose.randint(0, 3)):
                if setting.type == "bool":
                    yield f"--{setting.name}"
                else:
                    yield from (f"--{setting.name}", bad())
            if choose.random() < 0.3:
                names = ("--data", "--device", "--engine", "--save-every", "--max-steps", "--cell")
                yield from (choose.choice((*names, "--resume", "--preset", "--from")), bad())
        elif command in ("evaluate", "complete"):
            yield bad() if choose.random() < 0.2 else run
            options = {
                "evaluate": ("--data", "--split", "--mode", "--which", "--device", "--cell"),
                "complete": ("--temperature", "--top-k", "--seed", "--beam", "--file", "--which"),
            }[command]
            for name in choose.sample(options, choose.randint(0, 2)):
                yield from (name, bad())
        elif command == "diagram":
            yield choose.choice(("cell", "network", "unrolled", "gru", bad()))
            yield from ("-o", choose.choice((made + ".html", made + "/x.html", bad())))
            for name in choose.sample(("--steps", "--notation", "--run", "--preset", "--cell"), 1):
                yield from (name, bad())
        elif command == "data":
            yield from choose.choice((
                ("stats", bad()), ("stats", str(self.text), "--top", bad()),
                ("chars", "--data", str(self.text), "-o", choose.choice((made, bad()))),
            ))  # fmt: skip
        else:
            for _ in range(choose.randint(0, 2)):
                yield choose.choice(("x", "q1", "--sizes", "--markdown", "--text", bad()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("mutations", 1000), ("configurations", 1000), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    train_command._draw_curves = lambda folder, log: None  # it takes longer than the rest
    begin = time.monotonic()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="stress-", dir=memory))
    before = os.getcwd()
    os.chdir(folder)
    stress = Stress(folder, random.Random(options.seed))
    for kind, times in (("mutation", options.mutations), ("configuration", options.configurations)):
        stress.counts.clear()
        os.makedirs(folder / kind, exist_ok=True)
        os.chdir(folder / kind)
        for _ in range(times):
            getattr(stress, kind)()
            os.makedirs(folder / kind, exist_ok=True)
            os.chdir(folder / kind)
        codes = ", ".join(f"{n} times {code}" for code, n in sorted(stress.counts.items()))
        print(f"{times} {kind}s: exit codes {codes}; {time.monotonic() - begin:.0f} s", flush=True)
    os.chdir(before)
    for fault in stress.faults:
        print(re.sub(r"\n", "\n    ", fault))
    print(f"{len(stress.faults)} faults")
    shutil.rmtree(folder)
    return bool(stress.faults)


if __name__ == "__main__":
    sys.exit(main())
