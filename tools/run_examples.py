"""Runs every example on small settings (``ZAREMBA_QUICK=1``), each in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

# How a file of each kind is run; its path follows. Notebooks get a line here.
COMMANDS = {".py": [sys.executable]}


def main() -> int:
    examples = sorted(path for path in EXAMPLES.glob("*") if path.suffix in COMMANDS)
    if not examples:
        print(f"no examples in {EXAMPLES}")
        return 1
    bin_folder = os.path.dirname(sys.executable)
    environment = os.environ | {
        "MPLBACKEND": "Agg",
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "ZAREMBA_QUICK": "1",
    }
    for path in examples:
        print(f"{path.name:30}", end=" ", flush=True)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            run = subprocess.run(
                [*COMMANDS[path.suffix], str(path)],
                cwd=scratch,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        seconds = time.perf_counter() - start
        print(f"{'failed' if run.returncode else 'ok':8} {seconds:6.1f} s", flush=True)
        if run.returncode:
            print(f"{run.stdout}\n{path.name}: exit status {run.returncode}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
