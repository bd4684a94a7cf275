"""Torch7's random numbers: the golden sequences bit for bit, and what they cannot show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from helpers import assert_close, golden, golden_names, value

from pygraph_nn import nn
from pygraph_nn import torch7_random as rng

D, F = torch.float64, torch.float32


def times(n: int, draw: Callable[[], Any]) -> Callable[[], list[Any]]:
    return lambda: [draw() for _ in range(n)]


def tensor(
    fill: Callable[..., torch.Tensor], shape: Any, *args: Any, dtype: torch.dtype = D
) -> Any:
    return lambda: fill(torch.empty(shape, dtype=dtype), *args)


def typed(dtype: torch.dtype) -> dict[str, Callable[[], Any]]:
    bound = 1 / math.sqrt(7)
    p = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=dtype)
    weights = torch.tensor([1.0, 2, 3, 4, 5], dtype=dtype)
    rows = torch.tensor([[0.5, 0.5, 0], [0, 1, 3]], dtype=dtype)

    def strided(make: Callable[[torch.Tensor], torch.Tensor], base: torch.Tensor) -> torch.Tensor:
        rng.uniform_(make(base))
        return base

    return {
        "uniform_ab": tensor(rng.uniform_, (3, 5), -0.1, 0.1, dtype=dtype),
        "uniform": tensor(rng.uniform_, 7, dtype=dtype),
        "uniform_odd_bounds": tensor(rng.uniform_, 6, -bound, bound, dtype=dtype),
        "normal": tensor(rng.normal_, (3, 3), dtype=dtype),
        "normal_ms": tensor(rng.normal_, 5, 1, 0.1, dtype=dtype),
        "bernoulli": tensor(rng.bernoulli_, (4, 6), dtype=dtype),
        "bernoulli_035": tensor(rng.bernoulli_, (4, 6), 0.35, dtype=dtype),
        "bernoulli_1": lambda: [
            rng.bernoulli_(torch.empty(4, dtype=dtype), 1),
            rng.uniform(),
        ],
        "random": tensor(rng.random_, 8, dtype=dtype),
        "random_n": tensor(rng.random_, 8, 6, dtype=dtype),
        "random_ab": tensor(rng.random_, 8, 3, 9, dtype=dtype),
        "transposed_uniform": lambda: strided(lambda t: t.t(), torch.empty(2, 3, dtype=dtype)),
        "column_uniform": lambda: strided(lambda t: t[:, 1], torch.zeros(3, 4, dtype=dtype)),
        "exponential": lambda: rng.exponential(0.5, 5, dtype),
        "geometric": lambda: rng.geometric(0.4, 8, dtype),
        "multinomial_repl": lambda: rng.multinomial(p, 12, True) + 1,
        "multinomial_norepl": lambda: rng.multinomial(weights, 5, False) + 1,
        "multinomial_default": lambda: rng.multinomial(weights, 3) + 1,
        "multinomial_2d": lambda: rng.multinomial(rows, 6, True) + 1,
    }


def drawers(seed: int) -> dict[str, Callable[[], Any]]:
    """What gives the golden sequence of each name."""

    def mixed() -> list[Any]:
        return [rng.normal(), rng.uniform(), rng.normal(), rng.normal(), rng.bernoulli(0.5),
                rng.normal(), rng.random(), rng.normal()]  # fmt: skip

    def reseed() -> list[Any]:
        first = rng.normal()
        rng.manualSeed(seed)
        return [first, rng.normal(), rng.uniform()]

    def skip() -> list[Any]:
        times(1300, rng.random)()
        return times(10, rng.random)()

    def roundtrip() -> list[Any]:
        times(5, rng.uniform)()
        rng.normal()
        state = rng.RNGState.from_bytes(rng.getRNGState().to_bytes())
        a = [rng.uniform(), rng.normal(), rng.normal()]
        rng.setRNGState(state)
        return [a, [rng.uniform(), rng.normal(), rng.normal()], rng.initialSeed()]

    def own_generator() -> list[Any]:
        own = rng.Generator(77)
        return [own.uniform(), rng.uniform(), own.normal(), own.random(100)]

    def initial(module: torch.nn.Module) -> Any:
        found = [p.detach() for p in module.parameters()]
        return found if len(found) > 1 else found[0]

    def dropped() -> torch.Tensor:
        from pygraph_nn import reference_mode

        with reference_mode():
            return nn.Dropout(0.3).forward(torch.ones(3, 4))

    p = [0, 0.25, 0.5, 0.75, 1]
    made = {
        "uniform": times(20, rng.uniform),
        "uniform_ab": times(20, lambda: rng.uniform(-0.1, 0.1)),
        "random": times(20, rng.random),
        "random_n": times(20, lambda: rng.random(10)),
        "random_ab": times(20, lambda: rng.random(-5, 7)),
        "normal": times(21, rng.normal),
        "normal_ms": times(11, lambda: rng.normal(2, 0.5)),
        "bernoulli": times(20, rng.bernoulli),
        "bernoulli_03": times(30, lambda: rng.bernoulli(0.3)),
        "geometric_03": times(20, lambda: rng.geometric(0.3)),
        "exponential_2": times(20, lambda: rng.exponential(2)),
        "cauchy": times(20, lambda: rng.cauchy(0, 1)),
        "logNormal": times(11, lambda: rng.logNormal(1, 2)),
        "mixed": mixed,
        "reseed_drops_cached_normal": reseed,
        "skip_1300_then_random": skip,
        "byte_bernoulli_05": tensor(rng.bernoulli_, 12, 0.5, dtype=torch.uint8),
        "long_random_ab": tensor(rng.random_, 8, 1, 50, dtype=torch.int64),
        "bernoulli_p_tensor": lambda: rng.bernoulli(torch.tensor(p, dtype=D)),
        "bernoulli_p_float_tensor": lambda: rng.bernoulli(torch.tensor(p, dtype=F)),
        "randperm_10": lambda: rng.randperm(10).double() + 1,
        "randperm_1_then_uniform": lambda: [rng.randperm(1).double() + 1, rng.uniform()],
        "randperm_25": lambda: rng.randperm(25).double() + 1,
        "rand_2x3": lambda: rng.rand(2, 3),
        "randn_3x3": lambda: rng.randn(3, 3),
        "randn_after_odd": lambda: [rng.randn(3), rng.randn(3)],
        "state_roundtrip": roundtrip,
        "own_generator": own_generator,
        "linear_init": lambda: initial(nn.Linear(5, 3)),
        "lookup_init": lambda: initial(nn.LookupTable(4, 3)),
        "dropout_draw": dropped,
    }
    kinds = {"byte": torch.uint8, "char": torch.int8, "short": torch.int16,
             "int": torch.int32, "long": torch.int64}  # fmt: skip
    for name, dtype in kinds.items():
        made[f"{name}_random"] = tensor(rng.random_, 8, dtype=dtype)
    for prefix, dtype in (("double", D), ("float", F)):
        made.update({f"{prefix}_{name}": draw for name, draw in typed(dtype).items()})
    return made


# multinomialAlias draws wrongly in Torch7, and is left out.
LEFT_OUT = {"multinomial_alias"}


@pytest.mark.parametrize("name", golden_names("rng"))
def test_sequences_bit_for_bit(name: str, float64_default: None) -> None:
    data = golden("rng", f"{name}.json")
    draw = drawers(data["seed"])
    assert {s["name"] for s in data["sequences"]} - LEFT_OUT == set(draw)
    for sequence in data["sequences"]:
        if sequence["name"] in LEFT_OUT:
            continue
        rng.manualSeed(data["seed"])
        assert_close(draw[sequence["name"]](), value(sequence["values"]), 0.0, sequence["name"])


def test_one_call_draws_what_many_do() -> None:
    rng.manualSeed(7)
    singly = [rng.normal() for _ in range(1001)] + [rng.uniform() for _ in range(700)]
    rng.manualSeed(7)
    at_once = (
        rng.normal(size=400, dtype=D),
        rng.normal(size=601, dtype=D),
        rng.uniform(size=700, dtype=D),
    )
    assert torch.cat(at_once).tolist() == singly


@pytest.mark.parametrize("fill", [rng.Generator.uniform_, rng.Generator.normal_])
def test_a_large_tensor_is_filled_in_pieces(
    fill: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of an odd number of values: normals come in pairs, one is kept for later."""
    at_once, tensor = torch.empty(4, 10), torch.empty(4, 10)
    fill(rng.Generator(5), at_once)
    monkeypatch.setattr(rng, "_PIECE", 7)
    assert fill(rng.Generator(5), tensor) is tensor
    assert torch.equal(tensor, at_once)


def test_uniforms_are_numpys_words() -> None:
    rng.manualSeed(2**32 + 9)  # seeds count modulo 2**32
    words = np.random.RandomState(9).randint(0, 2**32, 2000, dtype=np.uint32)
    assert rng.uniform(size=2000, dtype=D).tolist() == (words * 2.0**-32).tolist()
    assert rng.initialSeed() == 2**32 + 9


def test_multinomial_without_replacement_takes_each_once() -> None:
    drawn = rng.multinomial(torch.ones(50), 50)
    assert sorted(drawn.tolist()) == list(range(50))


def test_multinomial_follows_the_weights() -> None:
    rng.manualSeed(3)
    p = torch.tensor([1.0, 2, 3, 4])
    drawn = torch.bincount(rng.multinomial(p, 100_000, True), minlength=4) / 100_000
    # Four standard deviations of a frequency of 100,000 draws are below 0.0065.
    assert_close(drawn, p / 10, 0.0065)


@pytest.mark.parametrize(
    ("p", "n", "message"),
    [
        (torch.tensor([0.0, 1.0]), 2, "cannot draw 2"),
        (torch.tensor([-1.0, 1.0]), 1, ">= 0"),
        (torch.tensor([0.0, 0.0]), 1, "sum > 0"),
        (torch.tensor([math.nan, 1.0]), 1, "finite"),
        (torch.ones(2, 2, 2), 1, "rows, classes"),
    ],
)
def test_multinomial_refuses(p: torch.Tensor, n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rng.multinomial(p, n)


def test_bad_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="below the lower"):
        rng.random(3, 1)
    with pytest.raises(ValueError, match="at least 1"):
        rng.randperm(0)
