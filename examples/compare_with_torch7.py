"""Repeat a run of the original Torch7 program and print both programs' numbers side by side.

    python examples/compare_with_torch7.py [FOLDER] [--epochs]

The original trained on the Penn Treebank's validation text, which is small, and used its test text
for validation and test. FOLDER holds ptb.valid.txt and ptb.test.txt; without it they are fetched.
The program compares 50 steps, in double and in single precision; with --epochs it compares the
perplexities of all 13 epochs, which takes some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from zaremba_port import Corpus, RunFolder, Settings, UserError, load_corpus, train

TORCH7 = json.loads((Path(__file__).parent / "torch7_log.json").read_text())
QUICK = bool(os.environ.get("ZAREMBA_QUICK"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", default=os.environ.get("ZAREMBA_PTB_FOLDER"))
    parser.add_argument("--epochs", action="store_true", help="all 13 epochs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            texts = arrange_texts(options.folder, Path(scratch) / "texts")
        except UserError as error:
            print(error)
            return 0 if QUICK else error.exit_code
        corpus = load_corpus(str(texts), log=lambda line: None)
        if options.epochs:
            compare_epochs(corpus, Path(scratch))
        else:
            for dtype in ("float64", "float32"):
                compare_steps(corpus, Path(scratch), dtype)
    return 0


def arrange_texts(folder: str | None, to: Path) -> Path:
    """Fill the folder `to`: the validation text to train on, the test text for both others."""
    if folder:
        paths = list(Path(folder).iterdir())
    else:
        paths = [Path(source) for source in load_corpus("ptb").sources.values()]
    by_name = {path.name: path for path in paths}
    to.mkdir()
    for name, source in (("train", "valid"), ("valid", "test"), ("test", "test")):
        text = by_name.get(f"ptb.{source}.txt")
        if text is None:
            raise UserError(f"{folder} holds no ptb.{source}.txt")
        (to / f"ptb.{name}.txt").write_bytes(text.read_bytes())
    return to


def compare_steps(corpus: Corpus, scratch: Path, dtype: str) -> None:
    """Train some steps and print their losses and gradient norms beside Torch7's."""
    settings = Settings(reference=True, dtype=dtype)
    run = RunFolder.create(scratch / dtype, settings, corpus.vocabulary, corpus.name)
    train(run, corpus, device="cpu", max_steps=5 if QUICK else 50, log=lambda line: None)
    print(f"\n{dtype}: loss and gradient norm of each step, and how far apart relatively")
    print("step     loss, Torch7       loss, here    apart    norm, Torch7     norm, here    apart")
    for line, (loss, norm) in zip(run.metrics(), TORCH7[dtype], strict=False):
        if line["step"] in (1, 2, 3, 4, 5, 10, 20, 30, 40, 50):
            print(
                f"{line['step']:4}  {loss:15.9g}  {line['loss']:15.9g}  "
                f"{abs(line['loss'] / loss - 1):.0e}  {norm:14.9g} {line['grad_norm']:14.9g}  "
                f"{abs(line['grad_norm'] / norm - 1):.0e}"
            )


def compare_epochs(corpus: Corpus, scratch: Path) -> None:
    """Train all epochs and print the perplexity after each beside Torch7's."""
    run = RunFolder.create(
        scratch / "epochs", Settings(reference=True), corpus.vocabulary, corpus.name
    )
    train(run, corpus, device="cpu")
    lines = [line for line in run.metrics() if "split" in line]
    theirs = [*TORCH7["validation_perplexity"], TORCH7["test_perplexity"]]
    print("\nafter epoch    text   Torch7     here   apart")
    for line, perplexity in zip(lines, theirs, strict=True):
        apart = line["perplexity"] / perplexity - 1
        print(
            f"{line['epoch']:11.0f}  {line['split']:>6}  {perplexity:7.3f}  "
            f"{line['perplexity']:7.3f}  {apart:+.1%}"
        )


if __name__ == "__main__":
    sys.exit(main())
