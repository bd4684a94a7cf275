"""The curves of a run: single steps under the original's smoothed perplexity, legends aside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from zaremba_port import RunFolder
from zaremba_port.runs import draw_curves


def test_steps_are_dots_and_legends_cover_no_line(
    new_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    run = new_run("run")
    losses = [5.0, 4.0, 3.5]
    for step, loss in enumerate(losses):
        run.add_metrics(
            step=step, epoch=step / 2, loss=loss, grad_norm=3.0, lr=1.0, train_perplexity=150.0
        )
    run.add_metrics(step=2, epoch=1.0, split="valid", loss=4.0, perplexity=math.exp(4))
    figures: list[Any] = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), save(self, *a, **k))
    )
    draw_curves(run)
    above, below = figures[0].axes[:2]
    (dots,) = [line for line in above.lines if line.get_label() == "single steps"]
    assert list(dots.get_ydata()) == pytest.approx([math.exp(loss) for loss in losses])
    assert dots.get_linestyle() == "None"
    texts = " ".join(text.get_text() for text in above.get_legend().get_texts())
    assert "the loss of the first step" in texts.replace("\n", " ")
    for axes in (above, below):
        legend = axes.get_legend().get_window_extent()
        assert not legend.overlaps(axes.get_window_extent())
