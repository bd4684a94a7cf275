"""The page of a sentence that a trained network reads: predictions, heat maps, the walk."""

from __future__ import annotations

import base64
import functools
from itertools import groupby
from typing import Any

import torch
from jinja2 import Template

import pygraph_nn as nngraph

from ..markup import environment
from .sentence_trace import HeatMap, SentenceTrace
from .symbols import GATES, symbol


def walk_page(trace: SentenceTrace) -> str:
    """Return one HTML page: what the network predicts at each word, gates as heat maps over the
    words, for values and for gradients, and the unrolled network to walk through.
    """
    words = [step.word for step in trace.steps]
    sentence = " ".join([words[0], *(step.target for step in trace.steps)])
    title = f"{trace.run.settings.cell_title} network, {len(words)} steps: {sentence}"
    layers = [
        (layer, [_drawn(heat_map) for heat_map in maps])
        for layer, maps in groupby(trace.heat_maps, lambda m: m.layer)
    ]
    total = sum(step.loss for step in trace.steps)
    walk = nngraph.html_page(trace.clones, title=title, values=trace.traces)
    return _template().render(
        sentence=sentence,
        run=trace.run.path.name,
        steps=trace.steps,
        words=words,
        layers=layers,
        mean=total / len(words),
        perplexity=torch.tensor(total / len(words)).exp().item(),
        walk=walk,
    )


def _drawn(heat_map: HeatMap) -> dict[str, Any]:
    """Return the data of a heat map for the template: bytes from 0 to 255, and what they mean."""
    name = heat_map.name
    paper = symbol(name, "paper").base
    words = (GATES | {"next_c": "memory cell", "next_h": "output"}).get(name, "")
    is_share = name.endswith("gate") and bool((heat_map.values >= 0).all())
    return {
        "name": name,
        "title": f"{words} {paper}".strip() if words else paper,
        "value": _pixels(heat_map.values, 1.0 if is_share else None, signed=not is_share),
        "gradient": _pixels(heat_map.gradients, None, signed=True),
    }


def _pixels(rows: torch.Tensor, limit: float | None, *, signed: bool) -> dict[str, Any]:
    """Return the rows (units, steps) as base64, their scale, and the mean of each step."""
    rows = rows.detach().double()
    limit = limit or float(rows.abs().max()) or 1.0
    low = -limit if signed else 0.0
    numbers = ((rows - low) / (limit - low) * 255).round().clamp(0, 255).to(torch.uint8)
    return {
        "pixels": base64.b64encode(bytes(numbers.flatten().tolist())).decode(),
        "units": rows.shape[0],
        "steps": rows.shape[1],
        "signed": signed,
        "limit": f"{limit:.3g}",
        "low": f"{low:.3g}".replace("-", "−"),
        "means": [f"{mean:.2g}".replace("-", "−") for mean in rows.mean(0).tolist()],
    }


@functools.cache
def _template() -> Template:
    return environment(__package__).get_template("walk.html")
