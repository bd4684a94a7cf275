"""Measure how fast a trained network reads a text and completes a sentence.

Run it from the repository on an idle machine: ``python -m benchmarks.reading_speed``. Every
candidate does the same work once a round, in turn, and the table holds the medians of the rounds.
``--docs`` writes it into docs/speed.md.

Reading is `zaremba evaluate`: the losses of a text, as one text word by word (batch 1, the test) or
in 20 columns (validation). torch.nn.LSTM gets 1,000 words in a call. Completing is `zaremba
complete`: milliseconds for each word that is chosen.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.documents import DOCS, replace_between
from benchmarks.training_candidates import Peer, random_words
from benchmarks.training_report import processor
from zaremba_port import Predictor, RunFolder, Sampling, Settings, Vocabulary, complete, preset
from zaremba_port.engines import make_model
from zaremba_port.model import create_network

READERS = {"fast": "fast engine", "graph": "graph engine", "lstm": "`nn.LSTM`"}
COMPLETIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "one": ("most probable word", {"sampling": Sampling(argmax=True)}),
    "top_k": ("`--top-k 10`", {"sampling": Sampling(top_k=10), "seed": 1}),
    "beam": ("`--beam 10`", {"beam": 10}),
}
Work = Callable[[], object]


def reader(name: str, settings: Settings, batch: int, rows: int) -> Work:
    """Return the work of computing the losses of a random text, (rows, batch)."""
    text = random_words(settings.with_changes({"batch_size": batch}), rows + 1)
    if name == "lstm":
        peer = Peer(settings, by_steps=False).eval()
        return lambda: read_by_torch(peer, text)
    network = create_network(settings)
    model = make_model(name, network, settings)
    network.evaluate()
    return lambda: [losses.sum() for losses, _ in model.read_words(text)]


def read_by_torch(model: Peer, text: torch.Tensor) -> None:
    """Compute the losses of `text` by torch.nn.LSTM, 1,000 words in a call."""
    state = None
    length = 1000 // text.shape[1]
    with torch.inference_mode():
        for start in range(0, len(text) - 1, length):
            y = text[start + 1 : start + length + 1]
            h, state = model.lstm(model.embedding(text[start : start + len(y)]), state)
            scores = model.linear(h).flatten(0, 1)
            F.cross_entropy(scores, y.flatten(), reduction="none")


def new_predictor(settings: Settings, folder: Path) -> Predictor:
    """Return a predictor of an untrained network, which is as fast as a trained one."""
    vocabulary = Vocabulary([f"w{i}" for i in range(settings.vocab_size)])
    run = RunFolder.create(folder, settings, vocabulary, "benchmark")
    run.save_best(create_network(settings).state_dict())
    return Predictor(run)


def medians(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Return the median time of each work, in seconds, over interleaved rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure(config: str, rounds: int, words: int) -> list[str]:
    """Return the rows of the table for one preset."""
    settings, rows = preset(config), []
    for batch, what in ((1, "one text"), (20, "20 columns")):
        works = {name: reader(name, settings, batch, words // batch) for name in READERS}
        rate = {name: words / seconds for name, seconds in medians(works, rounds).items()}
        numbers = " | ".join(f"{rate[name]:,.0f}" for name in READERS)
        ratio = f"{rate['fast'] / rate['lstm']:.2f}"
        rows.append(f"| {config}, {what}: words/s | {numbers} | {ratio} |")
    return rows


def measure_completion(config: str, rounds: int, words: int) -> str:
    """Return the row of the table of completions for one preset."""
    with tempfile.TemporaryDirectory() as folder:
        predictor = new_predictor(preset(config), Path(folder) / "run")
        works: dict[str, Work] = {
            name: functools.partial(complete, predictor, ["w1"], words, **options)
            for name, (_, options) in COMPLETIONS.items()
        }
        times = medians(works, rounds)
    return f"| {config} | " + " | ".join(f"{times[n] / words * 1e3:.2f}" for n in works) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=["small", "large"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--words", type=int, default=4000, help="words to read in a round")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/speed.md")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = [
        f"| | {' | '.join(READERS.values())} | fast / `nn.LSTM` |",
        "|---|---:|---:|---:|---:|",
        *(row for c in options.configs for row in measure(c, options.rounds, options.words)),
        "",
        f"| milliseconds a word | {' | '.join(title for title, _ in COMPLETIONS.values())} |",
        "|---|---:|---:|---:|",
        *(measure_completion(c, options.rounds, 50) for c in options.configs),
    ]
    text = "\n".join(lines)
    print(text)
    if options.docs:
        threads = f"{options.threads} thread{'s' * (options.threads > 1)}"
        machine = f"Measured on {processor()}, torch {torch.__version__}, {threads}."
        marks = "<!-- reading -->", "<!-- end of reading -->"
        replace_between(DOCS / "speed.md", *marks, f"{machine}\n\n{text}")


if __name__ == "__main__":
    main()
