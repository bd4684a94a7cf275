"""docs/bad_input.md: every row of its tables, run again; and what needs a shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bad_input import SECTIONS, SIZES, Row, in_folder, table_line

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "bad_input.md").read_text(encoding="utf-8")
ROWS = [row for section in SECTIONS.values() for row in section]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("bad")
    with in_folder(path):
        yield path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command[:40]}: {row.what}")
def test_what_is_printed(folder: Path, row: Row) -> None:
    before = set(folder.iterdir())
    line = table_line(row)
    assert line in DOCUMENT.splitlines()
    # What failed leaves nothing half-made: only a training that has begun may leave its run.
    left = set(folder.iterdir()) - before
    assert all((path / "manifest.json").is_file() for path in left)


def test_the_document_has_no_other_rows() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| ")]
    assert len(rows) == len(ROWS) + len(SECTIONS)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("presets > /dev/full", 1, "the output cannot be written: No space left on device"),
        ("presets >&-", 0, ""),
        (
            "train new --data words SIZES --max_max_epoch 9999 | head -30 > /dev/null; "
            "exit ${PIPESTATUS[0]}",
            1,
            "stopped, as the output cannot be written (nobody reads it any more), after step ",
        ),
    ],
)
def test_outputs_that_cannot_be_written(
    folder: Path, command: str, code: int, message: str
) -> None:
    zaremba = shlex.join([sys.executable, "-m", "zaremba_port"])
    done = subprocess.run(
        ["bash", "-c", f"{zaremba} {command.replace('SIZES', SIZES)}"],
        cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines)) == (code, bool(message))
    assert not message or lines[0].startswith(f"zaremba: {message}")
