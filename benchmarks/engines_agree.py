"""Measure how far the two engines drift apart in double precision, on the small preset.

Run it from the repository: ``python -m benchmarks.engines_agree FOLDER``. Both engines train on
ptb.valid.txt in FOLDER. Training is chaotic, so rounding errors grow: the loss, the gradient's norm
and the parameters may differ by 1e-11 after 10 steps and by 1e-6 after 50, relatively. The program
exits with 1 if they differ by more. ``--device cuda`` runs the fast engine there; the graph engine
always runs on the CPU.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from zaremba_port import Settings, create_network
from zaremba_port.engines import make_model, start_generators
from zaremba_port.language_model import TextState
from zaremba_port.text import Vocabulary, read_tokens, replicate
from zaremba_port.train import train_steps

ALLOWED = {10: 1e-11, 50: 1e-6}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--device", default="cpu", help="where the fast engine trains")
    options = parser.parse_args()
    ids = Vocabulary().encode(read_tokens(options.folder / "ptb.valid.txt"), grow=True)
    settings = Settings(dtype="float64")
    models, texts = [], []
    for engine, device in (("graph", "cpu"), ("fast", options.device)):
        start_generators(settings.seed)
        models.append(make_model(engine, create_network(settings).to(device), settings))
        texts.append(TextState(replicate(ids, settings.batch_size).to(device)))
    parameters = [dict(model.core_network.named_parameters()) for model in models]
    print("step         loss, graph          loss, fast    apart    norm  parameters, apart")
    most = 0.0
    failed = False
    for step in range(1, options.steps + 1):
        results: list[tuple[float, float]] = []
        for model, text in zip(models, texts, strict=True):
            results += train_steps(model, text, settings.lr, at_most=1)
        losses, norms = zip(*results, strict=True)
        loss_apart = abs(losses[0] - losses[1]) / losses[0]
        norm_apart = abs(norms[0] - norms[1]) / norms[0]
        parameters_apart = max(
            ((parameters[1][name].cpu() - p).norm() / p.norm()).item()
            for name, p in parameters[0].items()
        )
        most = max(most, loss_apart, norm_apart, parameters_apart)
        if step in (1, 2, 5) or step % 10 == 0:
            print(
                f"{step:4d}  {losses[0]:18.15f}  {losses[1]:18.15f}  {loss_apart:.0e}  "
                f"{norm_apart:.0e}  {parameters_apart:.0e}",
                flush=True,
            )
        if step in ALLOWED and most > ALLOWED[step]:
            print(f"after {step} steps they are {most:.1e} apart, {ALLOWED[step]:g} is allowed")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
