"""What every command prints for every kind of bad input, as the table of docs/bad_input.md.

    python tools/bad_input.py -o docs/bad_input.md

Each row is run in this process, in a folder with a text and a few runs, sound and damaged ones.
`tests/application/test_bad_input.py` runs them again and compares them with the document.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from zaremba_port.cli import train as train_command
from zaremba_port.cli.main import main as zaremba
from zaremba_port.runs import lock

SIZES = "--layers 1 --rnn_size 4 --vocab_size 12 --batch_size 3 --seq_length 3 --device cpu"
LONG = "x" * 300
BYTES = "\udcff\udcfe"  # how Python holds a name that is not UTF-8
HEAD = """# Bad input

Every command ends with exit code 0 if it did what was asked, 2 for bad input, and 1 for a run that
failed or was interrupted after it had begun. An error is one line on standard error; nobody meets a
traceback. A command that fails leaves no half-made folder and no half-written file.

The tables below are made by `python tools/bad_input.py -o docs/bad_input.md`, and a test runs every
row. In the folder there are a text `words`, a finished run `run`, an unfinished one `begun`, and
copies of them with one damage each. `XXX…` stands for a name of 300 letters, `\\xff\\xfe` for one
that is not UTF-8, and `SIZES` for `{sizes}`. "…" in a message stands for numbers of this machine.
"""


@dataclass(frozen=True)
class Row:
    """A command line, as it is shown, and as words where a shell's spelling would be long."""

    what: str
    command: str
    words: tuple[str, ...] = ()

    @property
    def arguments(self) -> list[str]:
        words = list(self.words) or shlex.split(self.command.replace("SIZES", SIZES))
        return [
            LONG if word == "XXX…" else BYTES if word == "\\xff\\xfe" else word for word in words
        ]


def rows(command: str, *pairs: tuple[str, str]) -> list[Row]:
    return [Row(what, f"{command} {rest}".strip()) for what, rest in pairs]


TRAIN = rows(
    "train",
    ("an empty argument", '--resume ""'),
    ("an empty name", '""'),
    ("an empty value", "new --data="),
    ("an unknown option", "new --rnn-sise 20"),
    ("an unknown preset", "new --preset smal"),
    ("too many arguments", "new other"),
    ("no number", "new --rnn_size big"),
    ("a fraction of a unit", "new --rnn_size 1.5"),
    ("a size below its range", "new --rnn_size 0"),
    ("an integer beyond 64 bits", "new --seed 9223372036854775808"),
    ("an integer of 300 digits", f"new --seed {'9' * 300}"),
    ("more layers than there can be", "new --layers 1000000"),
    ("a size beyond memory", "new --data words --rnn_size 1000000"),
    ("a batch beyond memory", "new --data words --batch_size 1000000000000"),
    ("a vocabulary beyond memory", "new --data words --vocab_size 1000000000000000"),
    ("no finite number", "new --lr nan"),
    ("a rate beyond float32", "new --lr 1e300"),
    ("initial values beyond float32", "new --init_weight 1e39"),
    ("a dropout of 1", "new --dropout 1"),
    ("a device without values", "new --data words --device meta"),
    ("no such device", "new --data words --device cuda:99"),
    ("no device", "new --data words --device gpu"),
    ("no text", "new --data nowhere SIZES"),
    ("a text too short", "new --data words --batch_size 100 --vocab_size 12"),
    ("a vocabulary too small", "new --data words --vocab_size 5"),
    ("a cell that cannot be imported", "new --data words --cell nowhere:cell"),
    ("no cell", "new --data words --cell os:getcwd"),
    ("a file in the place of a folder", "words/train.txt --data words SIZES"),
    ("a name over 255 bytes", "XXX… --data words SIZES"),
    ("a folder that nobody can write", "/proc/new --data words SIZES"),
    ("a run's name that is not UTF-8", "\\xff\\xfe --data words SIZES".replace("\\", "\\\\")),
    ("a path that is not UTF-8", "new --data \\xff\\xfe SIZES".replace("\\", "\\\\")),
    ("a finished run", "run --data words SIZES"),
    ("an unfinished run", "begun --data words SIZES"),
    ("a folder of other files", "words --data words SIZES"),
    ("a diverging training", "diverges --data words SIZES --lr 1e38"),
    ("no distance of saves", "new --data words --save-every soon"),
    ("a step below 1", "new --data words --max-steps 0"),
    ("--from without --resume", "new --from previous"),
    ("--resume with a preset", "--resume begun --preset small"),
    ("a run that is none", "--resume words"),
    ("no such run", "--resume nowhere"),
    ("another size on resuming", "--resume begun --rnn_size 9"),
    ("a damaged save", "--resume damaged-step"),
    ("damaged best parameters", "--resume damaged-best"),
    ("damaged settings", "--resume damaged-settings"),
    ("a damaged vocabulary", "--resume damaged-vocabulary"),
    ("a damaged manifest", "--resume damaged-manifest"),
    ("a missing manifest", "--resume missing-manifest"),
    ("a newer format", "--resume newer"),
    ("a run in use", "--resume in-use"),
    ("a damaged save, from previous", "--resume damaged-step --from previous --max-steps 30"),
)
READ = [
    *rows(
        "evaluate",
        ("an empty argument", '""'),
        ("no run", "words"),
        ("damaged best parameters", "damaged-best"),
        ("a damaged vocabulary", "damaged-vocabulary"),
        ("a damaged manifest", "damaged-manifest"),
        ("a newer format", "newer"),
        ("a device without values", "run --device meta"),
        ("no such text", "run --data nowhere"),
        ("an unknown word in the text", "run --data others"),
    ),
    *rows(
        "complete",
        ("an empty argument", 'run --file ""'),
        ("no run", "nowhere"),
        ("damaged best parameters", "damaged-best"),
        ("a beam beyond memory", "run --beam 1000000000"),
        ("a beam of 0", "run --beam 0"),
        ("a beam that draws", "run --beam 2 --seed 1"),
        ("a temperature of 0", "run --temperature 0"),
        ("no finite temperature", "run --temperature inf"),
        ("a seed below 0", "run --seed -1"),
        ("no such file", "run --file nowhere"),
        ("a folder for a file", "run --file words"),
        ("a name over 255 bytes", "run --file XXX…"),
        ("a line without end", "run --file /dev/zero"),
        ("unknown words, control characters", "run --file queries.txt"),
    ),
    *rows(
        "predict-chars",
        ("no run", "nowhere"),
        ("a run of words", "run"),
        ("a damaged manifest", "damaged-manifest"),
    ),
]
OTHERS = [
    *rows(
        "ensemble",
        ("no part", ""),
        ("an empty name", 'train ""'),
        ("no members", "train new --members 0"),
        ("a run for a folder of runs", "train run --data words"),
        ("an unknown preset", "train new --preset smal"),
        (
            "a size beyond memory",
            "train new --data words --rnn_size 1000000 --batch_size 3 --seq_length 3",
        ),
        ("a vocabulary too small", "train new --data words --vocab_size 5"),
        ("a folder without runs", "evaluate words"),
        ("no such folder", "evaluate nowhere"),
        ("a run named twice", "evaluate run run"),
        ("damaged best parameters", "evaluate damaged-best"),
        ("an unknown part", "evaluate run --split all"),
    ),
    *rows(
        "report",
        ("no run", ""),
        ("an empty name", '""'),
        ("no such run", "nowhere"),
        ("a run that is none", "words"),
        ("a run named twice", "run run"),
        ("an unknown ending", "run -o report.pdf"),
        ("no folder", "run -o nowhere/report.html"),
        ("a damaged manifest", "damaged-manifest"),
        ("a name over 255 bytes", f"run -o {LONG}.html"),
    ),
    *rows(
        "runs",
        ("no such folder", "nowhere"),
        ("a file", "words/train.txt"),
        ("show without a run", "show"),
        ("two folders", "words run"),
        ("no such run", "show nowhere"),
        ("a damaged manifest", "show damaged-manifest"),
    ),
    *rows(
        "grade",
        ("no program", ""),
        ("no such program", "--text letters.txt --vocabulary letters.vocabulary -- ./nowhere"),
        ("a limit of 0", "--answer-limit 0 -- cat"),
        ("no such text", "--text nowhere -- cat"),
        ("no text of characters", "--text long.txt -- cat"),
        ("a program that dies", "--text letters.txt --vocabulary letters.vocabulary -- false"),
    ),
    *rows(
        "data",
        ("no part", ""),
        ("no such text", "stats nowhere"),
        ("a negative number", "stats words --top -1"),
        ("the text's own folder", "chars --data words -o words"),
        ("a file in the place of a folder", "chars --data words -o words/train.txt"),
        ("a name over 255 bytes", "chars --data words -o XXX…"),
        ("a folder that nobody can write", "chars --data words -o /proc/new"),
    ),
    *rows(
        "diagram",
        ("an unknown kind", "cel"),
        ("an unknown ending", "cell -o cell.txt"),
        ("no folder", "cell -o nowhere/cell.html"),
        ("a name over 255 bytes", f"cell -o {LONG}.html"),
        ("steps without end", "unrolled --steps 1000000000"),
        ("a setting it has no use for", "cell --layers 2"),
        ("a damaged run", "network --run damaged-settings -o x.html"),
        ("a file system that nobody can write", "cell -o /proc/cell.html"),
    ),
    *rows(
        "answers",
        ("an unknown question", "q9"),
        ("sizes beyond memory", "q1 --sizes 1000000000 1000000000 2"),
        ("a size of 0", "q1 --sizes 0 1 1"),
        ("two formats", "q1 --markdown --html"),
        ("a folder for a file", "q1 -o words"),
        ("a name over 255 bytes", "q1 -o XXX…"),
    ),
    *rows(
        "compare",
        ("no folder", ""),
        ("no such folder", "nowhere"),
        ("no folder to write in", "words -o nowhere/x.html"),
    ),
    *rows(
        "reproduce",
        ("an unknown network", "smal"),
        ("an empty argument", '""'),
    ),
    *rows(
        "experiments",
        ("no numbers", "folder --layers one"),
        ("jobs below 1", "folder --jobs 0 --data words"),
    ),
    *rows(
        "import",
        ("no such file", "nowhere.t7 new"),
        ("no Torch7 file", "words/train.txt new"),
        ("a folder", "words new"),
        ("a run in the way", "words/train.txt run"),
        ("an empty name", '"" new'),
    ),
    *rows(
        "export",
        ("no such run", "nowhere x.t7"),
        ("a damaged run", "damaged-best x.t7"),
        ("no folder to write in", "run nowhere/x.t7"),
        ("a name over 255 bytes", "run XXX…"),
    ),
    *rows(
        "t7",
        ("no part", ""),
        ("no such file", "show nowhere.t7"),
        ("no Torch7 file", "show words/train.txt"),
        ("a depth below 0", "show words/train.txt --depth -1"),
    ),
    *rows("sample", ("no such run", "nowhere"), ("a length below 0", "run --length -1")),
    *rows(
        "lua",
        ("no such program", "nowhere.lua"),
        ("a folder", "words"),
        ("a negative time", "--time -1 words/train.txt"),
        ("no memory", "--memory 0 words/train.txt"),
    ),
    *rows("completion", ("an unknown shell", "fish")),
    *rows("presets", ("an argument", "small")),
    *rows("trian", ("an unknown command", "")),
]  # fmt: skip
SECTIONS = {"Training": TRAIN, "Reading a run": READ, "Other commands": OTHERS}


def make_inputs(folder: Path) -> None:
    """Write the text and the runs that the rows name into `folder`, which is the current one."""
    for name, words in (("words", "abcdefghi"), ("others", "xyz")):
        (folder / name).mkdir()
        for split, lines in (("train", 31), ("valid", 8), ("test", 4)):
            text = "".join(
                " ".join(words[(i * 7 + k * k) % len(words)] for k in range(6)) + "\n"
                for i in range(lines)
            )
            (folder / name / f"{split}.txt").write_text(text)
    (folder / "letters.txt").write_text("a b a b <eos>\n" * 3)
    (folder / "long.txt").write_text("the cat\n")
    (folder / "letters.vocabulary").write_text("a\nb\n<eos>\n")
    (folder / "queries.txt").write_bytes(b"2 a b\n1 a \x1b]0;x\x07 b\n-3 a\nx a\n")
    sizes = shlex.split(SIZES)
    for name, more in (("run", "--max_max_epoch 1"), ("begun", "--max-steps 30 --save-every 7")):
        code, err = answer(["train", name, "--data", "words", *sizes, *more.split()])
        assert code == 0, err
    for name, pattern in (
        ("step", "step-30.safetensors"),
        ("best", "best-*.safetensors"),
        ("settings", "settings.json"),
        ("vocabulary", "vocabulary.txt"),
        ("manifest", "manifest.json"),
    ):
        path = next(_copy(folder / "begun", folder / f"damaged-{name}").glob(pattern))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    (_copy(folder / "begun", folder / "missing-manifest") / "manifest.json").unlink()
    path = _copy(folder / "begun", folder / "newer") / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 3, "version": "9.0"}))
    _copy(folder / "begun", folder / "in-use")


def _copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def answer(arguments: list[str]) -> tuple[int, str]:
    """Run a command; return its exit code and what it prints on standard error at last."""
    out, err = io.StringIO(), io.StringIO()
    no_curves = mock.patch.object(train_command, "_draw_curves")  # they take longer than the rest
    with no_curves, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = zaremba(arguments)
    lines = err.getvalue().splitlines()
    if code == 0:
        return code, (out.getvalue().splitlines() or [""])[-1]
    assert "Traceback" not in err.getvalue()
    assert lines[-1].startswith("zaremba: "), err.getvalue()
    return code, lines[-1].removeprefix("zaremba: ")


@contextlib.contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Work in `folder`, with its run `in-use` locked."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        make_inputs(folder)
        with lock.locked(Path("in-use")):
            yield
    finally:
        os.chdir(before)


def table_line(row: Row) -> str:
    """Run a row, and return its line of the table."""
    code, text = answer(row.arguments)
    text = text.encode("utf-8", "backslashreplace").decode()  # as the streams of a process do
    text = text.replace(LONG, "XXX…").replace("9" * 300, "999…").replace("x" * 250, "XXX…")
    text = re.sub(r"has [\d.]+ ?[kMGTPB]* in all", "has … in all", text)
    text = re.sub(r"process \d+ on [^,]+", "process … on …", text)
    text = re.sub(r"(device '(cuda:99|gpu)' cannot be used): .*", r"\1: …", text)
    text = re.sub(r"\(choose from [^)]*\)", "(choose from …)", text)
    text = re.sub(r"kill \d+", "kill …", text)
    text = re.sub(r"(is|norm is|of) -?\d\.\d+e\+\d+", r"\1 …", text)
    shown = row.command.replace("9" * 300, "999…").replace(LONG, "XXX…").replace("\\\\", "\\")
    return f"| {row.what} | `{shown}` | {code} | `{text}` |".replace("||", "|")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    output = parser.parse_args().output.resolve()
    lines = [HEAD.format(sizes=SIZES)]
    with tempfile.TemporaryDirectory() as folder, in_folder(Path(folder)):
        for title, section in SECTIONS.items():
            lines += [
                f"\n## {title}\n",
                "| what is wrong | `zaremba …` | exit | message |",
                "|-|-|-|-|",
            ]
            lines += [table_line(row) for row in section]
    output.write_text("\n".join(lines).replace("\n\n\n", "\n\n") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
