"""Train a small network on Python's documentation, complete three sentences, draw pictures.

    python examples/demo.py [RUN]

It takes some minutes on two CPU cores and keeps the run in the folder RUN, by default runs/demo.
ZAREMBA_QUICK=1 in the environment stops after a few steps.
"""

from __future__ import annotations

import os
import shutil
import sys
import webbrowser
from pathlib import Path

from zaremba_port import Predictor, Sampling, complete
from zaremba_port.cli import main as zaremba

QUICK = bool(os.environ.get("ZAREMBA_QUICK"))
PROMPTS = ("the function returns", "if the file does not", "this module provides")


def main() -> int:
    run = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo")
    limit = ["--max-steps", "30"] if QUICK else []
    code = zaremba(["train", str(run), "--preset", "demo", "--data", "pydoc", "--force", *limit])
    if code:
        return code

    print("\nThree sentences, completed with words that the network draws:")
    predictor = Predictor(run)
    # A temperature below 1 prefers likelier words.
    sampling = Sampling(temperature=0.7, no_unk=True)
    for prompt in PROMPTS:
        words = complete(predictor, prompt.split(), 15, sampling=sampling, seed=2)
        sentence = words[: words.index("<eos>")] if "<eos>" in words else words
        print(f"  {prompt} ... {' '.join(sentence[len(prompt.split()) :])}")

    curves = (run / "curves.png").resolve()
    print(f"\nThe curves: {curves}")
    # A picture needs Graphviz's program dot, an interactive page does not.
    cell = (run / ("lstm_cell.svg" if shutil.which("dot") else "lstm_cell.html")).resolve()
    code = zaremba(["diagram", "cell", "-o", str(cell)])
    if sys.stdout.isatty() and not QUICK:
        for picture in [curves] if code else [curves, cell]:
            webbrowser.open(picture.as_uri())
    return code


if __name__ == "__main__":
    sys.exit(main())
