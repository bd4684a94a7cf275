"""The names in diagrams, in the paper's notation or in the code's."""

from __future__ import annotations

from dataclasses import dataclass

NOTATIONS = ("paper", "code")

# Zaremba et al. 2014, section 3, and for the GRU Cho et al. 2014.
LETTERS = {
    "in_gate": "i",
    "forget_gate": "f",
    "out_gate": "o",
    "in_transform": "g",
    "update_gate": "z",
    "reset_gate": "r",
    "candidate": "h̃",
}
GATES = {
    "in_gate": "input gate",
    "forget_gate": "forget gate",
    "out_gate": "output gate",
    "in_transform": "input modulation",
    "update_gate": "update gate",
    "reset_gate": "reset gate",
    "candidate": "candidate",
}
"""What the paper calls the values of `LETTERS`, in words."""

PAPER_SYMBOLS = {"x": "x", "y": "y", "err": "loss", "pred": "log p"}
"""What belongs to a step, in the paper's notation: y is the target, p the prediction."""

_RAISED = str.maketrans("0123456789+−l", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˡ")
_LOWERED = str.maketrans("0123456789+−t", "₀₁₂₃₄₅₆₇₈₉₊₋ₜ")


@dataclass(frozen=True)
class Symbol:
    """A name with a lower and an upper index.

    >>> str(Symbol("h", "t−1", "l"))
    'hₜ₋₁ˡ'
    """

    base: str
    low: str = ""
    high: str = ""
    is_code: bool = False

    def __str__(self) -> str:
        return self.base + self.low.translate(_LOWERED) + self.high.translate(_RAISED)


def symbol(name: str, notation: str, layer: str = "l", step: int = 0) -> Symbol:
    """Return the symbol for `name`, a variable of the cell or of the network.

    Args:
        step: relative to t; -1 is the previous step.

    >>> str(symbol("prev_c", "paper")), str(symbol("next_h", "paper", layer="2", step=1))
    ('cₜ₋₁ˡ', 'hₜ₊₁²')
    >>> str(symbol("out_gate", "paper")), str(symbol("out_gate", "code"))
    ('o', 'out_gate')
    """
    if notation == "code":
        return Symbol(name, is_code=True)
    if name.startswith("prev_"):
        return Symbol(name.removeprefix("prev_"), at(step - 1), layer)
    if name.startswith("next_"):
        return Symbol(name.removeprefix("next_"), at(step), layer)
    if name in LETTERS:
        return Symbol(LETTERS[name])
    return Symbol(name, is_code=len(name) > 1)


def at(step: int) -> str:
    """Write a time step relative to t.

    >>> at(0), at(1), at(-2)
    ('t', 't+1', 't−2')
    """
    return f"t{'+' if step > 0 else '−'}{abs(step)}" if step else "t"


def map_sizes(inputs: int, outputs: int, n: int) -> str:
    """Write the sizes of an affine map as multiples of `n`, the units of a layer.

    >>> map_sizes(200, 800, 200), map_sizes(300, 800, 200)
    ('n → 4n', '300 → 4n')
    """
    return f"{_multiple(inputs, n)} → {_multiple(outputs, n)}"


def _multiple(size: int, n: int) -> str:
    times, rest = divmod(size, n)
    if rest or times > 9 or n == 1:
        return str(size)
    return "n" if times == 1 else f"{times}n"
