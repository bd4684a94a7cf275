"""Run every example on small settings (``ZAREMBA_QUICK=1``), each in a scratch folder of its own.

    python tools/run_examples.py [--keep] [FILE ...]

Each notebook runs in a kernel of its own, cell by cell; the first cell that fails is shown with its
error. ``--keep`` runs the notebooks on their real settings, as a reader would, and writes the
outputs into the files.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbformat import NotebookNode

PROJECT = Path(__file__).resolve().parent.parent
TEST_DATA = Path(os.environ.get("ZAREMBA_TEST_DATA") or PROJECT.parent / "shared")
TREEBANK = TEST_DATA / "data" / "ptb"
EXAMPLES = PROJECT / "examples"

TERMINAL_COLORS = re.compile(r"\x1b\[[\d;]*m")
CELL_LIMIT = 1200  # seconds


def run_script(path: Path, scratch: str, environment: Mapping[str, str]) -> str:
    """Run a program; return its output and exit status if it failed, else ""."""
    run = subprocess.run(
        [sys.executable, str(path)],
        cwd=scratch,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return f"{run.stdout}\nexit status {run.returncode}" if run.returncode else ""


def run_notebook(path: Path, scratch: str, environment: Mapping[str, str], keep: bool) -> str:
    """Run all cells up to the first that fails; return that cell and its error, or ""."""
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        return f"{error}: notebooks need pip install 'zaremba-port[notebooks]'"
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # several libraries raise exceptions of their own here
        return f"{path.name} is not a valid notebook: {error}"
    client = NotebookClient(
        notebook,
        timeout=CELL_LIMIT,
        kernel_name="python3",
        resources={"metadata": {"path": scratch}},
        record_timing=False,
    )
    with tempfile.TemporaryFile("w+", errors="replace") as messages:  # of the kernel itself
        try:
            client.execute(env=dict(environment), stderr=messages)
        except (CellExecutionError, CellTimeoutError, DeadKernelError, RuntimeError) as error:
            number, cell = last_run(notebook)
            trouble = error_of(cell)
            if not trouble:
                messages.seek(0)
                trouble = f"{messages.read()}{error}"
            source = textwrap.indent(cell.source, "    ")
            return f"cell {number} ({cell.get('id')}) failed:\n\n{source}\n\n{trouble}"
    if keep:
        notebook.metadata.pop("widgets", None)
        notebook.metadata["language_info"] = {"name": "python"}
        path.write_text(nbformat.writes(notebook, indent=1) + "\n", encoding="utf-8")
    return ""


def last_run(notebook: NotebookNode) -> tuple[int, NotebookNode]:
    """Return the last code cell that began to run, and its number in the notebook, from 1."""
    code = [(n, cell) for n, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    begun = [(n, cell) for n, cell in code if cell.get("outputs") or cell.get("execution_count")]
    return (begun or code)[-1]


def error_of(cell: NotebookNode) -> str:
    """Return the traceback in the outputs of a cell, without terminal colours."""
    lines = [
        line
        for output in cell.get("outputs", [])
        if output.output_type == "error"
        for line in output.traceback
    ]
    return TERMINAL_COLORS.sub("", "\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the examples on small settings.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: all")
    parser.add_argument("--keep", action="store_true", help="real settings; outputs stay in FILE")
    options = parser.parse_args()
    examples = options.files or sorted(
        path for path in EXAMPLES.glob("*") if path.suffix in (".py", ".ipynb")
    )
    if not examples:
        print(f"no examples in {EXAMPLES}")
        return 1
    bin_folder = os.path.dirname(sys.executable)
    environment = os.environ | {
        "MPLBACKEND": "Agg",
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        # Import the project from this checkout, whichever is installed.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
        "ZAREMBA_QUICK": "" if options.keep else "1",
    }
    if TREEBANK.is_dir():  # for the example that compares with Torch7
        environment["ZAREMBA_PTB_FOLDER"] = str(TREEBANK)
    failed = False
    for path in map(Path.resolve, examples):
        print(f"{path.name:30}", end=" ", flush=True)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            if path.suffix == ".ipynb":
                # In a notebook, plots go into its outputs.
                own = {name: value for name, value in environment.items() if name != "MPLBACKEND"}
                trouble = run_notebook(path, scratch, own, options.keep)
            else:
                trouble = run_script(path, scratch, environment)
        seconds = time.perf_counter() - start
        print(f"{'failed' if trouble else 'ok':8} {seconds:6.1f} s", flush=True)
        if trouble:
            print(f"{trouble}\n")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
