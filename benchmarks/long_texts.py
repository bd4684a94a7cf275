"""Long texts: how fast a text of a gigabyte is read, and how much memory reading and training take.

Makes a text of words with Zipf's distribution in a temporary folder, and deletes it afterwards.
Each phase is a process of its own, whose peak memory the kernel counts::

    python -m benchmarks.long_texts --gigabytes 1
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WORDS = 9_990
LINE = 20  # words
STEPS = 100  # of training
PHASES = {
    "build": "first load: read, encode, write the ids",
    "open": "later load",
    "scan": "read all columns once, as an epoch does",
    "train": f"load, and train for {STEPS} steps (preset small)",
    "stats": "zaremba data stats",
}


def main() -> None:
    """Run all phases on a text of the size asked for, and on a tenth of it; print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=None, help="for the text; default /tmp")
    parser.add_argument("--phase", choices=[*PHASES], help=argparse.SUPPRESS)
    parser.add_argument("--text", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        print(json.dumps(measure(options.phase, options.text)))
        return
    print("| text | phase | seconds | tokens a second | peak memory |\n|---|---|---:|---:|---:|")
    for size in (options.gigabytes / 10, options.gigabytes):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            text = Path(folder) / "text"
            make_text(text, int(size * 1e9))
            for phase, title in PHASES.items():
                command = [sys.executable, "-m", "benchmarks.long_texts"]
                command += ["--phase", phase, "--text", str(text)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                row = json.loads(output.splitlines()[-1])
                rate = f"{row['tokens'] / row['seconds']:,.0f}" if row["tokens"] else ""
                print(
                    f"| {size:g} GB | {title} | {row['seconds']:.1f} | {rate} "
                    f"| {row['peak'] / 1e6:,.0f} MB |",
                    flush=True,
                )


def make_text(folder: Path, size: int) -> None:
    """Write a training text of `size` bytes; validation and test have a megabyte each."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(1)
    weights = 1 / np.arange(1, WORDS + 1)
    words = np.array([f"w{i}" for i in range(WORDS)])
    for name, limit in (("train", size), ("valid", 10**6), ("test", 10**6)):
        with (folder / f"{name}.txt").open("w") as file:
            while file.tell() < limit:
                ids = generator.choice(WORDS, 50_000 * LINE, p=weights / weights.sum())
                lines = words[ids].reshape(-1, LINE)
                file.write("".join(" ".join(line) + "\n" for line in lines.tolist()))


def measure(phase: str, text: Path) -> dict[str, float]:
    """Carry out a phase in this process; return its seconds, tokens and peak memory in bytes."""
    from zaremba_port.config import preset
    from zaremba_port.engines import make_model, start_generators
    from zaremba_port.language_model import text_states
    from zaremba_port.model import create_network
    from zaremba_port.text import TextStatistics, load_corpus

    cache = text.parent / "cache"
    start = time.monotonic()
    corpus = load_corpus(str(text), cache=cache, log=lambda line: None, stream_from=0)
    tokens = 0
    settings = preset("small")
    if phase == "build":
        tokens = sum(corpus.sizes.values())
    elif phase == "scan":
        start = time.monotonic()
        data = text_states(settings, corpus)["train"].data
        length = settings.seq_length
        for row in range(0, len(data) - 1, length):
            tokens += data[row : row + length + 1][1:].numel()
    elif phase == "train":
        start_generators(1)
        model = make_model(None, create_network(settings), settings)
        state = text_states(settings, corpus)["train"]
        start = time.monotonic()
        for _ in range(STEPS):
            model.fp(state)
            model.bp(state, 1.0)
        tokens = STEPS * settings.batch_size * settings.seq_length
    elif phase == "stats":
        TextStatistics(corpus)
        tokens = sum(corpus.sizes.values())
    seconds = time.monotonic() - start
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {"seconds": seconds, "tokens": tokens, "peak": int(peak.split()[1]) * 1024}


if __name__ == "__main__":
    main()
