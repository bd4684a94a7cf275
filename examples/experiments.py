"""Try out two questions of the course with 16 small networks.

Do more layers and larger embeddings help a model of words? Do more layers and smaller embeddings
help a model of characters?

    python examples/experiments.py [-o FOLDER] [--data TEXT] [--words N] [--epochs N]
        [--init_weight X] [--lr X]

The program trains 8 networks on the words and 8 on the characters of one text, prints a table, and
draws it into FOLDER, by default runs/experiments. With the default options it takes some six
minutes on one CPU core; docs/experiments.md discusses such a run. ZAREMBA_QUICK=1 in the
environment only shows that the program works.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zaremba_port import Corpus, RunFolder, Settings, UserError, load_corpus, preset, train
from zaremba_port.text import CHARACTERS, WORDS, bits, perplexity, write_characters

QUICK = bool(os.environ.get("ZAREMBA_QUICK"))
SIZE = 16 if QUICK else 100  # units of a layer
LAYERS = (1, 2) if QUICK else (1, 2, 3)
PRESETS = {WORDS: "small", CHARACTERS: "char-small"}
# The usual embedding is as large as a layer; the other one is the subject of the question.
EMBEDDINGS = {WORDS: (SIZE, 3 * SIZE), CHARACTERS: (SIZE, 8)}
USUAL = (2, SIZE)  # layers and embedding of the network to train from several seeds
SEEDS = (1, 2) if QUICK else (1, 2, 3)


@dataclass(frozen=True)
class Result:
    """A trained network. The losses `valid` and `test` are in nats per word or per character."""

    unit: str
    layers: int
    embedding: int
    seed: int
    parameters: int
    valid: float
    test: float
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare depths and embeddings.")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/experiments"))
    parser.add_argument("--data", default="pydoc", help="ptb, pydoc, or a folder of three texts")
    words = 2000 if QUICK else 80_000
    parser.add_argument("--words", type=int, default=words, help="words to train on")
    parser.add_argument("--epochs", type=int, default=1 if QUICK else 3)
    for name, value in (("init_weight", 0.1), ("lr", 1.0)):
        parser.add_argument(f"--{name}", type=float, default=value, help="as in zaremba train")
    options = parser.parse_args()
    more = {name: getattr(options, name) for name in ("init_weight", "lr")}
    more["max_max_epoch"] = options.epochs
    try:
        texts = both_texts(options.data, options.words, options.output)
        results = []
        for unit, corpus in texts.items():
            print(f"\n{describe(unit, corpus)}\n\n{HEAD}")
            for result in train_all(unit, corpus, more, options.output):
                print(row(result), flush=True)
                results.append(result)
            print(f"\n{verdict([result for result in results if result.unit == unit])}")
    except UserError as error:
        print(error)
        return error.exit_code
    print(f"\nThe picture: {draw(results, options.output)}")
    return 0


def both_texts(data: str, words: int, folder: Path) -> dict[str, Corpus]:
    """Return the words and the characters of the same text.

    They train on the first `words` words, and test on a tenth as many.
    """
    whole = load_corpus(data, log=lambda line: None)
    corpus = replace(
        whole, train=whole.train[:words], valid=whole.valid[:words], test=whole.test[: words // 10]
    )
    parts = {name: getattr(corpus, name) for name in corpus.sizes}
    write_characters(
        folder / "characters",
        {name: corpus.vocabulary.decode(ids) for name, ids in parts.items()},
        force=True,
    )
    characters = load_corpus(str(folder / "characters"), log=lambda line: None)
    return {
        unit: replace(text, valid=whole_sequences(text.valid, preset(PRESETS[unit])))
        for unit, text in ((WORDS, corpus), (CHARACTERS, characters))
    }


def whole_sequences(ids: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Return `ids` cut to whole sequences.

    Validation divides by the fractional number of sequences, as the original does. On a text this
    short the loss would come out some per cent too small.
    """
    rows = len(ids) // settings.batch_size
    sequences = (rows - 1) // settings.seq_length
    return ids[: (sequences * settings.seq_length + 1) * settings.batch_size]


def train_all(
    unit: str, corpus: Corpus, more: Mapping[str, float], folder: Path
) -> Iterator[Result]:
    """Train every depth with every embedding, and the usual network from the other seeds, too."""
    # All epochs but the last have the initial learning rate; the last has half of it.
    usual = preset(PRESETS[unit]).with_changes({
        "rnn_size": SIZE,
        "vocab_size": len(corpus.vocabulary),
        "max_epoch": max(more["max_max_epoch"] - 2, 0),
        **more,
    })  # fmt: skip
    for embedding in EMBEDDINGS[unit]:
        for layers in LAYERS:
            for seed in SEEDS if (layers, embedding) == USUAL else SEEDS[:1]:
                changes = {"layers": layers, "embedding_size": embedding, "seed": seed}
                yield train_one(unit, corpus, usual.with_changes(changes), folder)


def train_one(unit: str, corpus: Corpus, settings: Settings, folder: Path) -> Result:
    """Train one network in a run folder of its own below `folder`."""
    name = f"{unit}-{settings.layers}-{settings.embedding_size}-seed{settings.seed}"
    run = RunFolder.create(folder / name, settings, corpus.vocabulary, corpus.name, force=True)
    start = time.perf_counter()
    train(run, corpus, log=lambda line: None)
    loss = {line["split"]: line["loss"] for line in run.metrics() if "split" in line}
    return Result(
        unit,
        settings.layers,
        settings.input_size,
        settings.seed,
        sum(value.numel() for value in run.load_last().parameters.values()),
        loss["valid"],  # of the last epoch
        loss["test"],
        time.perf_counter() - start,
    )


HEAD = """\
| layers | embedding | seed | parameters | validation |    test | seconds |
|-------:|----------:|-----:|-----------:|-----------:|--------:|--------:|"""


def usual_measure(unit: str, nats: float) -> float:
    """Convert a loss to its usual measure: perplexity for words, bits for characters."""
    return perplexity(nats) if unit == WORDS else bits(nats)


def row(result: Result) -> str:
    valid, test = (usual_measure(result.unit, nats) for nats in (result.valid, result.test))
    digits = 1 if result.unit == WORDS else 3
    return (
        f"| {result.layers:6} | {result.embedding:9} | {result.seed:4} | {result.parameters:10,} "
        f"| {valid:10.{digits}f} | {test:7.{digits}f} | {result.seconds:7.0f} |"
    )


def describe(unit: str, corpus: Corpus) -> str:
    sizes = ", ".join(f"{size:,} in {name}" for name, size in corpus.sizes.items())
    measure = "perplexity per word" if unit == WORDS else "bits per character"
    return f"{unit.capitalize()}: {sizes}; {len(corpus.vocabulary):,} different. Shown: {measure}."


def verdict(results: list[Result]) -> str:
    """Name the best network, and how far chance alone moves a result."""
    best = min(results, key=lambda result: result.valid)
    low, high = spread(results)
    return (
        f"Lowest on validation: {best.layers} of {SIZE} units, embedding {best.embedding}.\n"
        f"{USUAL[0]} of {SIZE}, embedding {SIZE}, from {len(SEEDS)} seeds: {low:.4g} to {high:.4g}."
        "\nA difference no larger than that may be chance."
    )


def spread(results: list[Result]) -> tuple[float, float]:
    again = [usual_measure(r.unit, r.valid) for r in results if (r.layers, r.embedding) == USUAL]
    return min(again), max(again)


def draw(results: list[Result], folder: Path) -> Path:
    """Draw the validation result over the depth, a line for each embedding, a bar for the seeds."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, unit in zip(figure.subplots(1, 2), (WORDS, CHARACTERS), strict=True):
        of_unit = [result for result in results if result.unit == unit]
        for embedding, style in zip(EMBEDDINGS[unit], ("o-", "s--"), strict=True):
            line = [r for r in of_unit if r.embedding == embedding and r.seed == SEEDS[0]]
            axes.plot(
                [result.layers for result in line],
                [usual_measure(unit, result.valid) for result in line],
                style,
                label=f"embedding {embedding}" + (", as a layer" if embedding == SIZE else ""),
            )
            for result in line:
                rivals = [r for r in of_unit if r.layers == result.layers]
                # The lowest of the points has its value below, the others above.
                is_lowest = result.valid < min(r.valid for r in rivals if r.embedding != embedding)
                write_value(axes, result, -14 if is_lowest else 8)
        low, high = spread(of_unit)
        axes.errorbar(
            USUAL[0],
            (low + high) / 2,
            (high - low) / 2,
            color="gray",
            capsize=9,
            linewidth=1.5,
            label=f"the same from {len(SEEDS)} seeds",
        )
        axes.set_title(unit.capitalize())
        axes.set_xlabel(f"layers of {SIZE}")
        axes.set_xticks(LAYERS)
        axes.margins(0.12, 0.15)
        axes.set_ylabel("perplexity per word" if unit == WORDS else "bits per character")
        axes.grid(alpha=0.25)
        axes.legend()
    figure.suptitle("Validation after the last epoch (lower is better)")
    for ending in ("png", "svg"):
        figure.savefig(folder / f"experiments.{ending}", dpi=150)
    return (folder / "experiments.png").resolve()


def write_value(axes: Axes, result: Result, above: int) -> None:
    """Write the validation result beside its point, `above` points higher."""
    value = usual_measure(result.unit, result.valid)
    axes.annotate(
        f"{value:.0f}" if result.unit == WORDS else f"{value:.2f}",
        (result.layers, value),
        (0, above),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )


if __name__ == "__main__":
    sys.exit(main())
