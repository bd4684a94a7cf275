"""Time and memory of a Lua program of Zaremba's kind beside the graph engine, on the same text.

``python tools/measure_lua.py FOLDER [--dtype float] [--steps 25]``, where FOLDER has main.lua and
data/ptb.*.txt. Each side runs in a process of its own; time is that of the processor.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WARM_UP = 5  # steps before the time counts


def main() -> None:
    """Measure each side, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dtype", choices=("double", "float"), default="float")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--side", choices=("graph", "luajit21", "lua51"))
    options = parser.parse_args()
    if options.side is not None:
        measure = graph if options.side == "graph" else lua
        seconds = measure(options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": 1000 * seconds, "MiB": peak}))
        return
    base: dict[str, Any] = {}
    for side in ("graph", "luajit21", "lua51"):
        command = [sys.executable, *sys.argv, "--side", side]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        result = json.loads(output.splitlines()[-1])
        base = base or result
        print(
            f"{side:9} {result['ms']:7.1f} ms a step ({result['ms'] / base['ms']:.2f}x), "
            f"peak {result['MiB']:6.0f} MiB ({result['MiB'] / base['MiB']:.2f}x)"
        )


def graph(options: argparse.Namespace) -> float:
    """Return the seconds of a step of the graph engine."""
    import torch

    from zaremba_port import Settings, load_corpus
    from zaremba_port.language_model import text_states
    from zaremba_port.train import setup

    dtype = {"double": "float64", "float": "float32"}[options.dtype]
    settings = Settings(reference=True).with_changes({"dtype": dtype})
    corpus = load_corpus(str(options.folder / "data"), log=lambda line: None)
    torch.set_default_dtype(getattr(torch, dtype))
    model = setup(settings, torch.device("cpu"), None, "graph", "float32", lambda line: None)
    text = text_states(settings, corpus)["train"]
    for step in range(options.steps):
        if step == WARM_UP:
            start = time.process_time()
        model.fp(text)
        model.bp(text, settings.lr)
    return (time.process_time() - start) / (options.steps - WARM_UP)


def lua(options: argparse.Namespace) -> float:
    """Return the seconds of a step of main.lua."""
    from pygraph_nn.lua import run
    from pygraph_nn.lua.watching import Watch

    times: list[float] = []

    class Clock(Watch):
        def _step(self, model: Any, params: Any, flat: Any) -> None:
            times.append(time.process_time())
            super()._step(model, params, flat)

        def _first_run(self, module: Any, run: Any) -> Any:
            return run()

    # Not by ProgramEnd of the watch alone: the time of the last step must be there.
    clock = Clock(options.steps)
    run(
        options.folder / "main.lua",
        lua=options.side,
        cuda=options.dtype,
        prepare=clock.attach,
    )
    return (times[-1] - times[WARM_UP - 1]) / (len(times) - WARM_UP)


if __name__ == "__main__":
    main()
