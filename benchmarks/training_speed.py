"""Words per second of training: our two engines beside torch.nn.LSTM, and how near to the limit.

Run it from the repository on an idle machine: ``python -m benchmarks.training_speed``. Every
candidate is a process of its own, so that its peak memory is its own and memory settings are
its own; in each round every candidate trains for a while, in turn, so that whatever slows the
machine slows all alike. The table gives medians over the rounds. ``--docs`` writes docs/speed.md.

"PTB run" is how long the paper's training takes at that rate: 929,589 words an epoch, and as many
epochs as the preset has.

"products" is no training: it makes the matrix products of a step and nothing else, each in the
fastest of the layouts tried, in float32 at the speed of the faster library. It is the roofline.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.training_candidates import make_step, wait
from zaremba_port import Settings, preset

CANDIDATES = {
    "products": "roofline: the products alone",
    "fast": "zaremba --engine fast",
    "tf32": "zaremba --precision tf32",
    "bfloat16": "zaremba --precision bfloat16",
    "graph": "zaremba --engine graph",
    "lstm": "torch.nn.LSTM as it comes",
    "remedies": "torch.nn.LSTM, both remedies",
    "lstm-tf32": "torch.nn.LSTM, precision high",
    "compiled": "torch.nn.LSTM, torch.compile",
    "steps": "PyTorch, one step at a time",
}
ON_THE_CHART = {
    "products": "roofline",
    "fast": "engine fast",
    "graph": "engine graph",
    "lstm": "nn.LSTM",
    "remedies": "nn.LSTM, remedies",
    "lstm-tf32": "nn.LSTM, high",
    "compiled": "nn.LSTM, compiled",
    "steps": "step by step",
}
ONLY_ON = {"tf32": "cuda", "bfloat16": "cuda", "lstm-tf32": "cuda", "remedies": "cpu"}
PAPER_WORDS = 929_589  # of the Penn Treebank's training text
# Freed memory stays with the process, so that no page has to be mapped and zeroed again.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
DOCS = Path(__file__).parent.parent / "docs"


def flops(settings: Settings) -> float:
    """Floating-point operations of the products of one step, forward and backward."""
    size, words = settings.rnn_size, settings.seq_length * settings.batch_size
    total = size * settings.vocab_size
    for layer in range(settings.layers):
        total += ((size if layer else settings.input_size) + size) * 4 * size
    return 2.0 * 3 * total * words


def profile(settings: Settings, threads: int, steps: int = 40) -> str:
    """What the steps of the fast engine on the CPU spend their time on, milliseconds a step."""
    torch.set_num_threads(threads)
    step = make_step("fast", settings, torch.device("cpu"))
    for _ in range(5):
        step()
    with torch.profiler.profile() as profiler:
        for _ in range(steps):
            step()
    parts = sorted(profiler.key_averages(), key=lambda part: -part.self_cpu_time_total)
    lines = ["| | calls | ms a step |", "|---|---:|---:|"]
    for part in parts[:10]:
        spent = part.self_cpu_time_total / steps / 1e3
        lines.append(f"| {part.key} | {part.count / steps:.0f} | {spent:.2f} |")
    rest = sum(part.self_cpu_time_total for part in parts[10:]) / steps / 1e3
    calls = sum(part.count for part in parts[10:]) / steps
    return "\n".join([*lines, f"| the rest | {calls:.0f} | {rest:.2f} |"])


def work(name: str, settings: Settings, threads: int, device: torch.device) -> None:
    """A worker: for every number of steps on its input, the seconds that they took."""
    torch.set_num_threads(threads)
    step = make_step(name, settings, device)
    for _ in range(2):
        step()
    wait()
    for line in sys.stdin:
        start, own, all_ = time.perf_counter(), time.process_time(), busy_seconds()
        for _ in range(int(line)):
            step()
        wait()
        seconds = time.perf_counter() - start
        others = busy_seconds() - all_ - (time.process_time() - own)
        peak: float = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if device.type == "cuda":
            peak, others = torch.cuda.max_memory_allocated(), 0.0
        print(json.dumps([seconds, max(0.0, others) / seconds, peak]), flush=True)


def busy_seconds() -> float:
    """Seconds that all processors have worked, for whomever; 0 where it cannot be told."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n")[0].split()[1:]
    except OSError:
        return 0.0
    user, nice, system = (int(field) for field in fields[:3])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


class Worker:
    def __init__(self, name: str, config: str, threads: int, device: str) -> None:
        command = [sys.executable, "-m", "benchmarks.training_speed", "--worker", name]
        command += ["--configs", config, "--threads", str(threads), "--device", device]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        if name == "remedies":
            environment |= KEEP_MEMORY
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.rates: list[float] = []
        self.others: list[float] = []
        self.peak = 0.0

    def train(self, steps: int) -> tuple[float, float]:
        """Seconds for `steps` steps, and how many processors others kept busy meanwhile."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"a worker ended with {self.process.wait()}")
        seconds, others, self.peak = json.loads(answer)
        return seconds, others

    def measure(self, steps: int, words: int, patience: float) -> None:
        """Add a rate; as long as there is `patience`, in seconds, one that nobody disturbed."""
        until = time.monotonic() + patience
        best = self.train(steps)
        while best[1] > 0.05 and time.monotonic() < until:
            time.sleep(0.5)
            best = min(best, self.train(steps), key=lambda found: found[1])
        self.rates.append(steps * words / best[0])
        self.others.append(best[1])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measure(
    config: str, threads: int, names: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Words per second and peak memory of every candidate."""
    settings = preset(config)
    words = settings.seq_length * settings.batch_size
    workers: dict[str, Worker] = {}
    steps = {}
    for name in names:
        worker = Worker(name, config, threads, options.device)
        try:
            steps[name] = max(1, round(options.seconds / worker.train(1)[0]))
            workers[name] = worker
        except RuntimeError as error:
            print(f"{config}: {name} is left out: {error}", file=sys.stderr)
    for _ in range(options.rounds):
        for name, worker in workers.items():  # in turn
            worker.measure(steps[name], words, options.patience)
    result = {}
    for name, worker in workers.items():
        worker.close()
        result[name] = {
            "words_per_second": statistics.median(worker.rates),
            "rounds": worker.rates,
            "others": worker.others,
            "peak_bytes": worker.peak,
            "gflops": statistics.median(worker.rates) / words * flops(settings) / 1e9,
        }
    return result


def table(results: list[dict[str, Any]]) -> str:
    """The results as a table of Markdown."""
    lines = [
        "| preset | threads | | words/s | × nn.LSTM | of the roofline | peak memory | PTB run |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        found = result["candidates"]
        for name, one in found.items():
            rate = one["words_per_second"]

            def share(of: str, rate: float = rate, found: Any = found) -> float | None:
                return rate / found[of]["words_per_second"] if of in found else None

            times, part = share("lstm"), share("products")
            hours = preset(result["config"]).max_max_epoch * PAPER_WORDS / rate / 3600
            whole = f"{hours:,.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"
            whole = "" if name == "products" else whole
            lines.append(
                f"| {result['config']} | {result['threads']} | {CANDIDATES[name]} | {rate:,.0f} | "
                f"{'' if times is None else f'{times:.2f}'} | "
                f"{'' if part is None else f'{part:.0%}'} | {one['peak_bytes'] / 2**20:,.0f} MiB | "
                f"{whole} |"
            )
    return "\n".join(lines)


def chart(results: list[dict[str, Any]], path: Path) -> None:
    """Words per second as bars, a panel for every preset."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "training_speed"  # the same file for the same numbers
    import matplotlib.pyplot as plt

    most = max(result["threads"] for result in results)
    chosen = [result for result in results if result["threads"] == most]
    figure, panels = plt.subplots(1, len(chosen), figsize=(4 * len(chosen), 3.2), squeeze=False)
    for panel, result in zip(panels[0], chosen, strict=True):
        names = list(reversed(result["candidates"]))
        rates = [result["candidates"][name]["words_per_second"] for name in names]
        colours = {"products": "#bbbbbb", "fast": "#d95f02"}
        bars = panel.barh(names, rates, color=[colours.get(name, "#7570b3") for name in names])
        panel.set_yticks(range(len(names)), [ON_THE_CHART.get(name, name) for name in names])
        panel.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=2, fontsize=8)
        panel.set_title(result["config"], fontsize=10)
        panel.set_xlim(0, max(rates) * 1.25)
        panel.set_xticks([])
        for side in ("top", "right", "bottom"):
            panel.spines[side].set_visible(False)
    figure.suptitle(f"Words per second of training, {most} threads", fontsize=11)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
        wide = any("avx512f" in line for line in lines)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
    return f"{name}{', AVX-512' if wide else ''}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--configs", nargs="+", default=["small", "medium", "large"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each candidate in a round")
    parser.add_argument(
        "--patience",
        type=float,
        default=20.0,
        help="seconds to try for each measurement that no other process disturbs",
    )
    parser.add_argument("--json", type=Path, help="add the results to this file, one line a config")
    parser.add_argument(
        "--profile", action="store_true", help="what a step of the fast engine spends its time on"
    )
    parser.add_argument("--docs", action="store_true", help="write docs/speed.md and its chart")
    options = parser.parse_args()
    if options.worker:
        where = torch.device(options.device)
        work(options.worker, preset(options.configs[0]), options.threads[0], where)
        return
    if options.profile:
        for config in options.configs:
            print(f"{config}, {options.threads[-1]} threads")
            print(profile(preset(config), options.threads[-1]))
        return
    names = [n for n in options.only if n != "compiled" or shutil.which("c++")]
    names = [n for n in names if ONLY_ON.get(n, options.device) == options.device]
    results = []
    for threads in options.threads:
        for config in options.configs:
            found = measure(config, threads, names, options)
            results.append({"config": config, "threads": threads, "candidates": found})
            print(table(results[-1:]), flush=True)
            if options.json:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    if options.docs:
        write_docs(results)


def write_docs(results: list[dict[str, Any]]) -> None:
    """Put the table into docs/speed.md between its marks, and draw the chart beside it."""
    page = DOCS / "speed.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->\n")
    machine = f"Measured on {processor()}, torch {torch.__version__}."
    middle = f"<!-- table -->\n{machine}\n\n{table(results)}\n<!-- end of table -->\n"
    page.write_text(before + middle + after, encoding="utf-8")
    chart(results, DOCS / "pictures" / "training_speed.svg")


if __name__ == "__main__":
    main()
