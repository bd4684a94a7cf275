"""Torch7's random numbers: the MT19937 generator and its distributions, bit for bit.

A seed produces the same numbers as in Lua. `manualSeed`, `uniform`, `normal`, ... use one default
generator, as in Torch7; `Generator` creates others. `randperm` and `multinomial` return indices
from 0, unlike Torch7; `random(n)` returns a number from 1 to n, as in Torch7.

    >>> manualSeed(1)
    >>> uniform()
    0.4170219984371215
    >>> random(6)
    6

The formulas come from Torch7's ``THRandom.c``. The C library (`math`) computes logarithms, sines
and cosines one by one, because NumPy's vectorised functions may differ in the last bit.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_TWO_PI = 2.0 * math.pi
_WORD = 2.0**-32
# Torch7's t:random() without bounds draws below these: the range that the type holds exactly.
_RANDOM_MODULUS = {
    torch.float16: 2**11 + 1,
    torch.float32: 2**24 + 1,
    torch.float64: 2**53 + 1,
    torch.uint8: 2**8,
    torch.int8: 2**7,
    torch.int16: 2**15,
    torch.int32: 2**31,
    torch.int64: 2**63,
}

Size = int | Sequence[int] | None


class _Pause(threading.local):
    is_on = False


_pause = _Pause()


@contextlib.contextmanager
def no_initial_values() -> Iterator[None]:
    """Leave the tensors of layers that are built inside uninitialised, and draw nothing.

    For parameters that are about to be set, in this thread alone.
    """
    before, _pause.is_on = _pause.is_on, True
    try:
        yield
    finally:
        _pause.is_on = before


@dataclass(frozen=True)
class RNGState:
    """The state of a `Generator`, as returned by `Generator.getRNGState`."""

    seed: int
    key: bytes  # 624 little-endian 32-bit words
    position: int
    cached_normal: float | None

    def to_bytes(self) -> bytes:
        """Return the state as bytes, for a file."""
        cached = b"" if self.cached_normal is None else np.float64(self.cached_normal).tobytes()
        return np.array([self.seed, self.position], "<i8").tobytes() + self.key + cached

    @classmethod
    def from_bytes(cls, data: bytes) -> RNGState:
        """Return the state that `to_bytes` saved."""
        seed, position = np.frombuffer(data[:16], "<i8").tolist()
        key, cached = data[16 : 16 + 4 * 624], data[16 + 4 * 624 :]
        return cls(seed, key, position, float(np.frombuffer(cached)[0]) if cached else None)


class Generator:
    """A random generator like Torch7's ``torch.Generator()``.

    Every distribution returns one Python number, or with `size` a tensor of this shape and of
    `dtype` (torch's default dtype by default), filled in row-major order. Methods ending in ``_``
    fill a tensor in place in the order of its indices, whatever its strides.
    """

    def __init__(self, seed: int = 0) -> None:
        self.manualSeed(seed)

    def manualSeed(self, seed: int) -> None:
        """Reset the generator to `seed`, taken modulo 2**32, and drop a cached normal."""
        self._seed = int(seed)
        self._bits = np.random.MT19937()
        # RandomState seeds as init_genrand does; MT19937(seed) would not.
        seeded: Any = np.random.RandomState(self._seed & 0xFFFFFFFF).get_state(legacy=False)
        self._bits.state = seeded
        self._cached_normal: float | None = None  # rho * sin(angle) of the last pair, unscaled

    def initialSeed(self) -> int:
        """Return the last seed passed to `manualSeed`."""
        return self._seed

    def getRNGState(self) -> RNGState:
        """Return the state of the generator."""
        state = self._bits.state["state"]
        key = state["key"].astype("<u4").tobytes()
        return RNGState(self._seed, key, int(state["pos"]), self._cached_normal)

    def setRNGState(self, state: RNGState) -> None:
        """Restore a state returned by `getRNGState`."""
        self._seed = state.seed
        self._cached_normal = state.cached_normal
        key = np.frombuffer(state.key, "<u4").astype(np.uint32)
        restored: Any = {
            "bit_generator": "MT19937",
            "state": {"key": key, "pos": state.position},
        }
        self._bits.state = restored

    # Raw draws, NumPy arrays (n,)

    def _words(self, n: int) -> np.ndarray:
        return self._bits.random_raw(n)  # 32-bit words, as uint64

    def _uniforms(self, n: int) -> np.ndarray:
        return self._words(n) * _WORD

    def _normals(self, n: int) -> np.ndarray:
        out = np.empty(n)
        filled = 0
        if n and self._cached_normal is not None:
            out[0], self._cached_normal, filled = self._cached_normal, None, 1
        pairs = (n - filled + 1) // 2
        if pairs:
            draws = self._uniforms(2 * pairs)
            angles = (_TWO_PI * draws[0::2]).tolist()
            radii = np.sqrt(-2.0 * _exact(math.log, 1.0 - draws[1::2]))
            both = np.empty(2 * pairs)
            both[0::2] = radii * _exact(math.cos, angles)
            both[1::2] = radii * _exact(math.sin, angles)
            out[filled:] = both[: n - filled]
            if (n - filled) % 2:
                self._cached_normal = float(both[-1])
        return out

    # Distributions

    def uniform(
        self, a: float = 0.0, b: float = 1.0, size: Size = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Draw uniformly from [a, b), with 32 random bits per number."""
        return _draw(lambda n, a, b: self._uniforms(n) * (b - a) + a, size, dtype, a, b)

    def normal(
        self,
        mean: float = 0.0,
        std: float = 1.0,
        size: Size = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """Draw from a normal distribution by Box-Muller; the second of a pair is cached."""
        return _draw(lambda n, mean, std: self._normals(n) * std + mean, size, dtype, mean, std)

    def bernoulli(
        self, p: float | torch.Tensor = 0.5, size: Size = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Draw 1 with probability `p`, else 0; a number is drawn even if `p` is 0 or 1."""
        if isinstance(p, torch.Tensor):
            return self.bernoulli_(torch.empty_like(p), p)
        # Not an argument of _draw: p stays a double whatever the dtype.
        value = _draw(lambda n: self._uniforms(n) <= p, size, dtype)
        return int(value) if size is None else value

    def random(
        self, *bounds: int, size: Size = None, dtype: torch.dtype | None = None
    ) -> int | torch.Tensor:
        """Draw an integer: below 2**32, in 1..n for ``random(n)`` or in a..b for ``random(a, b)``.

        Raises:
            ValueError: If the upper bound is less than the lower bound.
        """
        if size is None:
            return int(_bounded(self._words(1), bounds, 2**32)[0])
        out = torch.empty(size, dtype=dtype)
        return self.random_(out, *bounds)

    def geometric(self, p: float, size: Size = None, dtype: torch.dtype | None = None) -> Any:
        """Draw the number of trials up to the first success.

        `p` is the probability of failure, as in Torch7.
        """

        def draw(n: int) -> np.ndarray:
            return np.trunc(_exact(math.log, 1.0 - self._uniforms(n)) / math.log(p)) + 1

        value = _draw(draw, size, dtype)
        return int(value) if size is None else value

    def exponential(
        self, rate: float = 1.0, size: Size = None, dtype: torch.dtype | None = None
    ) -> Any:
        """Draw from an exponential distribution with mean ``1 / rate``."""

        def draw(n: int, rate: float) -> np.ndarray:
            return -1.0 / rate * _exact(math.log, 1.0 - self._uniforms(n))

        return _draw(draw, size, dtype, rate)

    def cauchy(
        self,
        median: float = 0.0,
        scale: float = 1.0,
        size: Size = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """Draw from a Cauchy distribution."""

        def draw(n: int, median: float, scale: float) -> np.ndarray:
            return median + scale * _exact(math.tan, math.pi * (self._uniforms(n) - 0.5))

        return _draw(draw, size, dtype, median, scale)

    def logNormal(
        self,
        mean: float = 1.0,
        std: float = 2.0,
        size: Size = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """Draw exp(x), where x is normal with mean `mean` and standard deviation `std`."""

        def draw(n: int, mean: float, std: float) -> np.ndarray:
            return _exact(math.exp, self._normals(n) * std + mean)

        return _draw(draw, size, dtype, mean, std)

    def randperm(self, n: int) -> torch.Tensor:
        """Return a random permutation of 0..n-1, int64, (n,); n - 1 words are drawn.

        Raises:
            ValueError: If `n` is not positive.
        """
        if n < 1:
            raise ValueError(f"randperm({n}): n must be at least 1")
        order = list(range(n))
        steps = self._words(n - 1) % np.arange(n, 1, -1, dtype=np.uint64)
        for i, step in enumerate(steps.tolist()):
            order[i], order[i + step] = order[i + step], order[i]
        return torch.tensor(order)

    def multinomial(self, p: torch.Tensor, n: int, replacement: bool = False) -> torch.Tensor:
        """Draw `n` indices, from 0, with weights `p`, which need not sum to one.

        `p` is (classes,) or (rows, classes), the result int64, (n,) or (rows, n). Without
        `replacement` (Torch7's default) an index is drawn at most once per row.

        Raises:
            ValueError: If `p` has another shape, a negative or infinite weight, or too few positive
                weights in a row.
        """
        weights = p.detach().to("cpu", torch.float64).numpy()
        rows = np.atleast_2d(weights)
        if weights.ndim not in (1, 2) or rows.shape[1] == 0:
            raise ValueError(f"multinomial: p must be (classes,) or (rows, classes), got {p.shape}")
        if not (np.isfinite(rows).all() and (rows >= 0).all() and (rows.sum(1) > 0).all()):
            raise ValueError("multinomial: every row of p must be finite, >= 0 and have a sum > 0")
        if not replacement and n > (rows > 0).sum(1).min():
            raise ValueError(f"multinomial: cannot draw {n} without replacement from p")
        draw = self._with_replacement if replacement else self._without_replacement
        indices = np.stack([draw(row, n) for row in rows])
        return torch.from_numpy(indices if weights.ndim == 2 else indices[0])

    def _with_replacement(self, weights: np.ndarray, n: int) -> np.ndarray:
        cumulative = np.cumsum(weights)
        cumulative /= cumulative[-1]
        cumulative[-1] = 1.0
        return np.searchsorted(cumulative, self._uniforms(n), side="left").astype(np.int64)

    def _without_replacement(self, weights: np.ndarray, n: int) -> np.ndarray:
        cumulative = np.cumsum(weights)
        cumulative /= cumulative[-1]
        chosen = np.empty(n, np.int64)
        for k, u in enumerate(self._uniforms(n).tolist()):
            cumulative[-1] = 1.0
            i = chosen[k] = np.searchsorted(cumulative, u, side="left")
            if k == n - 1:
                break  # the remaining mass may be 0
            mass = cumulative[i] - (cumulative[i - 1] if i else 0.0)
            cumulative[i:] -= mass
            cumulative /= 1.0 - mass
        return chosen

    # In-place versions: Torch7's t:uniform(a, b) etc.

    def uniform_(self, tensor: torch.Tensor, a: float = 0.0, b: float = 1.0) -> torch.Tensor:
        """Fill `tensor` by `uniform` and return it."""
        if _pause.is_on:
            return tensor
        for part in _pieces(tensor):
            _fill(part, self.uniform(a, b, part.shape, part.dtype))
        return tensor

    def normal_(self, tensor: torch.Tensor, mean: float = 0.0, std: float = 1.0) -> torch.Tensor:
        """Fill `tensor` by `normal` and return it."""
        if _pause.is_on:
            return tensor
        for part in _pieces(tensor):
            _fill(part, self.normal(mean, std, part.shape, part.dtype))
        return tensor

    def bernoulli_(self, tensor: torch.Tensor, p: float | torch.Tensor = 0.5) -> torch.Tensor:
        """Fill `tensor` by `bernoulli` and return it; `p` may be a tensor of its size."""
        if isinstance(p, torch.Tensor):
            limits = p.detach().to("cpu", torch.float64).numpy().ravel()
            draws = self._uniforms(limits.size) <= limits
            return _fill(tensor, _tensor(draws, tensor.shape, tensor.dtype))
        return _fill(tensor, self.bernoulli(p, tensor.shape, tensor.dtype))

    def random_(self, tensor: torch.Tensor, *bounds: int) -> torch.Tensor:
        """Fill `tensor` by `random` and return it.

        Without bounds, numbers are in the range that the dtype holds exactly.
        """
        words = _bounded(self._words(tensor.numel()), bounds, _RANDOM_MODULUS[tensor.dtype])
        return _fill(tensor, _tensor(words, tensor.shape, tensor.dtype))


def _exact(function: Callable[[float], float], values: Iterable[float] | np.ndarray) -> np.ndarray:
    """Apply a `function` of the C library to each value, as Torch7 does."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    return np.array([function(value) for value in values], dtype=np.float64)


def _bounded(words: np.ndarray, bounds: tuple[int, ...], modulus: int) -> np.ndarray:
    """Map words to the range of Torch7's random(), random(n) or random(a, b), as int64."""
    if len(bounds) > 2:
        raise TypeError(f"random takes at most two bounds, got {bounds}")
    if not bounds:
        return (words % np.uint64(modulus)).astype(np.int64)
    low, high = (1, bounds[0]) if len(bounds) == 1 else bounds
    if high < low:
        raise ValueError(f"random: the upper bound {high} is below the lower bound {low}")
    return (words % np.uint64(high + 1 - low)).astype(np.int64) + low


def _draw(
    draw: Callable[..., np.ndarray], size: Size, dtype: torch.dtype | None, *arguments: float
) -> Any:
    """Return ``draw(n, *arguments)`` as one number or as a tensor of shape `size`."""
    if size is None:
        return draw(1, *arguments)[0].item()
    shape = (size,) if isinstance(size, int) else tuple(size)
    dtype = dtype or torch.get_default_dtype()
    if dtype == torch.float32:  # a FloatTensor's methods take their arguments as floats
        arguments = tuple(float(np.float32(argument)) for argument in arguments)
    return _tensor(draw(math.prod(shape), *arguments), shape, dtype)


def _tensor(values: np.ndarray, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(values).to(dtype).reshape(tuple(shape))


_PIECE = 1 << 20


def _pieces(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Split `tensor` into pieces to fill in turn: drawing takes several times their memory."""
    return tensor.detach().view(-1).split(_PIECE) if tensor.is_contiguous() else (tensor,)


def _fill(tensor: torch.Tensor, values: Any) -> torch.Tensor:
    with torch.no_grad():
        return tensor.copy_(values)


default_generator = Generator()

manualSeed = default_generator.manualSeed
initialSeed = default_generator.initialSeed
getRNGState = default_generator.getRNGState
setRNGState = default_generator.setRNGState
uniform = default_generator.uniform
normal = default_generator.normal
bernoulli = default_generator.bernoulli
random = default_generator.random
geometric = default_generator.geometric
exponential = default_generator.exponential
cauchy = default_generator.cauchy
logNormal = default_generator.logNormal
randperm = default_generator.randperm
multinomial = default_generator.multinomial
uniform_ = default_generator.uniform_
normal_ = default_generator.normal_
bernoulli_ = default_generator.bernoulli_
random_ = default_generator.random_


def rand(*size: int) -> torch.Tensor:
    """Draw uniformly from [0, 1), in the default dtype (``torch.rand``)."""
    return uniform(size=size)


def randn(*size: int) -> torch.Tensor:
    """Draw from the standard normal distribution, in the default dtype (``torch.randn``)."""
    return normal(size=size)
