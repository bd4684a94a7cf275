"""Estimate by arithmetic what training on several GPUs costs, and what their network must carry.

Prints the tables of docs/scale.md; the page explains the formulas::

    python -m benchmarks.scaling_arithmetic
"""

from __future__ import annotations

from zaremba_port.config import PRESETS, Settings

FLOATS = 15e12
"""Operations a second that one GPU sustains, an assumption: under a quarter of an H100's 67e12."""
MEMORY = 3.35e12
"""Bytes a second between a GPU and its memory: an H100 (SXM)."""
TREEBANK = 929_589
BILLION = 10**9
LINKS = {"NVLink": 450e9, "PCIe 4": 25e9, "100 Gb/s": 12.5e9, "10 Gb/s": 1.25e9}
COUNTS = (1, 2, 8)


def dense_parameters(settings: Settings) -> int:
    """Return the number of parameters but the embedding's: what is multiplied for every word.

    >>> dense_parameters(PRESETS["small"]), dense_parameters(PRESETS["large"])
    (2653200, 51034000)
    """
    n, first = settings.rnn_size, settings.input_size
    layers = sum(4 * n * ((n if layer else first) + n + 2) for layer in range(settings.layers))
    return layers + (n + 1) * settings.vocab_size


def sent(settings: Settings, workers: int, columns: float) -> float:
    """Return the bytes that each worker sends in a step, at most."""
    dense = 2 * (workers - 1) / workers * 4 * dense_parameters(settings)
    rows = min(settings.vocab_size, settings.seq_length * columns)
    return dense + (workers - 1) * rows * (4 * settings.input_size + 8)


def step_seconds(settings: Settings, columns: float) -> float:
    """Return the time of a step on one GPU that reads so many columns.

    It is bounded by the operations, 6 for each parameter and word; or by reading the weights from
    memory at every time step, once forward and twice backward.
    """
    dense, length = dense_parameters(settings), settings.seq_length
    return max(6 * dense * length * columns / FLOATS, 3 * 4 * dense * length / MEMORY)


def visible(seconds: float, sending: float) -> float:
    """Return the time of a step with what sending adds: it hides behind the backward pass."""
    return max(seconds, seconds / 3 + sending)


def row(settings: Settings, words: int, workers: int, columns: float) -> str:
    """Return a row: the GPUs, the time of all epochs, bytes, and the rate that hides them."""
    steps = words / (settings.seq_length * columns * workers) * settings.max_max_epoch
    compute, load = step_seconds(settings, columns), sent(settings, workers, columns)
    cells = [f"{workers}", f"{columns:g}", f"{1000 * compute:.3g} ms", hours(steps * compute)]
    if workers == 1:
        return " | ".join([*cells, "–", "–", *["–"] * len(LINKS)])
    cells += [f"{load / 1e6:,.0f} MB", f"{load / (compute * 2 / 3) / 1e9:,.2g} GB/s"]
    cells += [hours(steps * visible(compute, load / rate)) for rate in LINKS.values()]
    return " | ".join(cells)


def hours(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def main() -> None:
    """Print the tables."""
    heading = "GPUs | columns each | step | all epochs, no sending | sent by each | hidden from"
    heading += "".join(f" | over {link}" for link in LINKS)
    for title, words, presets, columns in (
        ("The paper's runs", TREEBANK, ("small", "medium", "large"), None),
        ("A billion words, one epoch", BILLION, ("large",), 128),
    ):
        print(f"\n{title}\n\n| preset | {heading} |")
        print("|---|" + "---:|" * (heading.count("|") + 1))
        for name in presets:
            settings = PRESETS[name]
            if columns is not None:
                settings = settings.with_changes({"max_max_epoch": 1})
            for count in COUNTS:
                own = columns or settings.batch_size / count
                print(f"| {name} | {row(settings, words, count, own)} |")


if __name__ == "__main__":
    main()
