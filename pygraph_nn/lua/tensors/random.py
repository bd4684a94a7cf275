"""Random numbers, from Torch7's generator: the same seed draws the same numbers as in Lua."""

from __future__ import annotations

from typing import Any

import torch

from ... import torch7_random
from .registry import FUNCTIONS, METHODS, function, method
from .shape import resized
from .types import is_tensor, sizes_of

_generator = torch7_random.default_generator


def _drawn(values: Any, like: torch.Tensor) -> torch.Tensor:
    return values if isinstance(values, torch.Tensor) else torch.as_tensor(values, dtype=like.dtype)


@method("uniform")
def uniform_(x: torch.Tensor, a: float = 0, b: float = 1) -> torch.Tensor:
    """Fill with uniform numbers."""
    torch7_random.uniform_(x.detach(), a, b)
    return x


@method("normal")
def normal_(x: torch.Tensor, mean: float = 0, std: float = 1) -> torch.Tensor:
    """Fill with normal numbers."""
    torch7_random.normal_(x.detach(), mean, std)
    return x


@method("bernoulli")
def bernoulli_(x: torch.Tensor, p: Any = 0.5) -> torch.Tensor:
    """Fill with zeros and ones."""
    torch7_random.bernoulli_(x.detach(), p)
    return x


@method("random")
def random_(x: torch.Tensor, *bounds: int) -> torch.Tensor:
    """Fill with random integers."""
    torch7_random.random_(x.detach(), *map(int, bounds))
    return x


def _distribution(name: str) -> None:
    draw = getattr(_generator, name)

    def fill(x: torch.Tensor, *args: float) -> torch.Tensor:
        flat = draw(*args, size=(x.numel(),), dtype=x.dtype)
        return x.copy_(flat.reshape(x.shape))

    METHODS[name], FUNCTIONS[name] = fill, draw


for _name in ("exponential", "cauchy", "logNormal", "geometric"):
    _distribution(_name)

FUNCTIONS["uniform"] = _generator.uniform
FUNCTIONS["normal"] = _generator.normal
FUNCTIONS["bernoulli"] = _generator.bernoulli
FUNCTIONS["random"] = lambda *bounds: _generator.random(*map(int, bounds))
FUNCTIONS["manualSeed"] = lambda seed: _generator.manualSeed(int(seed))
FUNCTIONS["initialSeed"] = _generator.initialSeed


@function("seed")
def seed() -> int:
    """Seed the generator at random, and return the seed."""
    number = int(torch.randint(0, 2**31, (), dtype=torch.int64))
    _generator.manualSeed(number)
    return number


@function("getRNGState")
def get_rng_state() -> torch.Tensor:
    """Return the state of the generator as bytes."""
    data = torch.tensor(list(_generator.getRNGState().to_bytes()), dtype=torch.uint8)
    return data


@function("setRNGState")
def set_rng_state(state: torch.Tensor) -> None:
    """Restore a state of the generator."""
    _generator.setRNGState(torch7_random.RNGState.from_bytes(bytes(state.tolist())))


def _new(args: tuple[Any, ...], fill: Any) -> torch.Tensor:
    if args and is_tensor(args[0]):
        return fill(resized(args[0], sizes_of(args[1:])))
    return fill(torch.empty(sizes_of(args)))


@function("rand")
def rand(*args: Any) -> torch.Tensor:
    """Return a tensor of uniform numbers."""
    return _new(args, uniform_)


@function("randn")
def randn(*args: Any) -> torch.Tensor:
    """Return a tensor of normal numbers."""
    return _new(args, normal_)


@function("randperm")
def randperm(*args: Any) -> torch.Tensor:
    """Return a random permutation of 1..n."""
    values = _generator.randperm(int(args[-1])) + 1
    if is_tensor(args[0]):
        return resized(args[0], [len(values)]).copy_(values)
    return values.to(torch.get_default_dtype())


@function("multinomial")
def multinomial(*args: Any) -> torch.Tensor:
    """Draw indices with given weights."""
    result = None
    if len(args) > 1 and is_tensor(args[1]):
        result, *args = args  # type: ignore[assignment]
    p, n = args[0], int(args[1])
    drawn = _generator.multinomial(p, n, bool(args[2]) if len(args) > 2 else False) + 1
    return drawn if result is None else resized(result, list(drawn.shape)).copy_(drawn)


METHODS["multinomial"] = multinomial
