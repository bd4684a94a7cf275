"""The numbers of `zaremba compare --run`: where the two sides part, and the page with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from zaremba_port.assignment.lua_comparison import Number, Run, compare, html_page, run_both
from zaremba_port.errors import UserError

SAME = Number("nn.Linear(3 -> 4)", 1.25, 1.25 * (1 + 1e-15), "main.lua, line 5: 2×4")
APART = Number("nn.Tanh (here nn.Sigmoid)", 0.5, 0.75, "main.lua, line 6: 2×4")
LOSS, NORM = Number("loss", 9.25, 9.25), Number("norm", 2.5, 2.5)


@pytest.mark.parametrize(
    ("nodes", "steps", "place"),
    [
        ([SAME], [(LOSS, NORM)], ""),
        ([SAME, APART], [(LOSS, NORM)], "the node nn.Tanh (here nn.Sigmoid), main.lua, line 6"),
        ([SAME], [(LOSS, NORM), (LOSS, Number("norm", 2.5, 2.6))], "the norm of step 2"),
        ([SAME, Number("nn.Mul", None, 1.0, "only in Python")], [], "the node nn.Mul"),
    ],
)
def test_the_first_difference(
    nodes: list[Number], steps: list[tuple[Number, Number]], place: str
) -> None:
    run = Run({}, steps, nodes)
    assert run.first_difference.startswith(place)
    assert bool(run.first_difference) == bool(place)


def test_the_page_shows_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "main.lua").write_text("local function bp(state)\nend\n")
    comparison = compare(tmp_path)
    assert 'id="run"' not in html_page(comparison)
    page = html_page(comparison, Run({}, [(LOSS, NORM)], [SAME, APART]))
    assert "The two part at the node nn.Tanh (here nn.Sigmoid), main.lua, line 6" in page
    assert "9.25" in page
    assert page.count('class="apart"') == 1
    assert APART.difference == "3.3e-01"


def test_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--run needs main\.lua"):
        run_both(tmp_path, 1)
    (tmp_path / "main.lua").write_text("")
    with pytest.raises(UserError, match=r"ptb\.train\.txt"):
        run_both(tmp_path, 1)
