"""Normalizations: of batches, of samples, of vectors, across planes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1, expect_dims
from .roots import absolute_power


class BatchNormalization(Module):
    """Each feature normalized over the batch, then scaled and shifted (``nn.BatchNormalization``).

    (batch, nOutput), in evaluation also (nOutput,), which gives (1, nOutput). In training by the
    mean and (biased) variance of the batch, which also move `running_mean` and `running_var` (the
    latter by the unbiased variance) by the share `momentum`; in evaluation, and, as in Torch7, for
    a batch of one sample, by these two.

    With `affine`, `weight` is (nOutput,), uniform within 0 and 1 from Torch7's generator, and
    `bias` (nOutput,), 0.

    Raises:
        GraphError: `nOutput` is not positive; at run time, the input has another shape.
    """

    n_dim = 2
    running_mean: torch.Tensor
    running_var: torch.Tensor
    weight: torch.nn.Parameter | None
    bias: torch.nn.Parameter | None

    def __init__(
        self,
        nOutput: int,
        eps: float | None = 1e-5,
        momentum: float | None = 0.1,
        affine: bool | None = True,
    ) -> None:
        super().__init__()
        at_least_1(self.torch7_name(), nOutput=nOutput)
        if affine is not None and not isinstance(affine, bool):
            raise GraphError(f"{self.torch7_name()}: affine has to be a boolean, got {affine!r}")
        self.eps = 1e-5 if eps is None else eps
        self.momentum = 0.1 if momentum is None else momentum
        self.affine = affine is not False
        self.register_buffer("running_mean", torch.zeros(nOutput))
        self.register_buffer("running_var", torch.ones(nOutput))
        for name in ("weight", "bias"):
            parameter = torch.nn.Parameter(torch.zeros(nOutput)) if self.affine else None
            self.register_parameter(name, parameter)
        self.reset()

    def reset(self, stdv: float | None = None) -> BatchNormalization:
        """Draw `weight` anew, and forget the batches seen; `stdv` takes no part, as in Torch7."""
        if self.weight is not None:
            torch7_random.uniform_(self.weight)
        with torch.no_grad():
            if self.bias is not None:
                self.bias.zero_()
            self.running_mean.zero_()
            self.running_var.fill_(1)
        return self

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        batch = self._batch(input)
        return F.batch_norm(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training and batch.shape[0] > 1,
            self.momentum,
            self.eps,
        )

    def _batch(self, input: torch.Tensor) -> torch.Tensor:
        dims, features = input.dim(), self.running_mean.numel()
        if dims != self.n_dim and (self.training or dims != self.n_dim - 1):
            raise GraphError(
                f"{self}: only mini-batch supported ({self.n_dim}D tensor), got shape "
                f"{tuple(input.shape)} instead"
            )
        if input.shape[1 if dims == self.n_dim else 0] != features:
            raise GraphError(f"{self}: expecting {features} features, got {tuple(input.shape)}")
        return input if dims == self.n_dim else input.unsqueeze(0)

    # What Torch7 leaves in these fields is computed from the last recorded forward pass.

    @property
    def save_mean(self) -> torch.Tensor | None:
        """The means of the batch that the last training `forward` normalized, (nOutput,)."""
        batch = self._last_batch()
        return None if batch is None else batch.mean(1)

    @property
    def save_std(self) -> torch.Tensor | None:
        """What that batch was multiplied by: 1 / sqrt(variance + eps), (nOutput,)."""
        batch = self._last_batch()
        return None if batch is None else (batch.var(1, unbiased=False) + self.eps).rsqrt()

    def _last_batch(self) -> torch.Tensor | None:
        """Its values by feature, (nOutput, values)."""
        recorded = self.recorded_pass
        if recorded is None or recorded.input.dim() != self.n_dim:
            return None
        return recorded.input.detach().transpose(0, 1).flatten(1)

    def __repr__(self) -> str:
        return f"{self.torch7_name()} ({self.n_dim}D) ({self.running_mean.numel()})"


class SpatialBatchNormalization(BatchNormalization):
    """`BatchNormalization` of planes, over the batch and all places in a plane.

    (batch, nOutput, height, width), in evaluation also (nOutput, height, width), which gives
    (1, nOutput, height, width).
    """

    n_dim = 4


class LayerNormalization(Module):
    """Each sample normalized over its features (``nn.LayerNormalization``).

    (nOutput,) or (batch, nOutput). The sample minus its mean, divided by the root of its mean
    square, where `eps` is added to the sum of the squares. With `affine`, then times `weight`,
    (nOutput,), which starts at 1, plus `bias`, (nOutput,), which starts at the argument `bias`.

    Torch7 makes this of other layers, which subtract the wrong means from a batch; here they are
    the right ones.

    Raises:
        GraphError: at run time, the input has another shape.
    """

    weight: torch.nn.Parameter | None
    bias: torch.nn.Parameter | None

    def __init__(
        self,
        nOutput: int,
        bias: float | None = 0,
        eps: float | None = 1e-10,
        affine: bool | None = True,
    ) -> None:
        super().__init__()
        at_least_1("nn.LayerNormalization", nOutput=nOutput)
        self.nOutput = nOutput
        self.eps = 1e-10 if eps is None else eps
        if affine is False:
            self.register_parameter("weight", None)
            self.register_parameter("bias", None)
            return
        torch7_random.uniform(size=2 * nOutput)  # Torch7 draws values first that it overwrites
        self.weight = torch.nn.Parameter(torch.ones(nOutput))
        self.bias = torch.nn.Parameter(torch.full((nOutput,), float(bias or 0)))

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (1, 2), "a vector or a matrix")
        if input.shape[-1] != self.nOutput:
            raise GraphError(
                f"{self}: expecting {self.nOutput} features, got shape {tuple(input.shape)}"
            )
        centered = input - input.mean(-1, keepdim=True)
        norm = (centered.square().sum(-1, keepdim=True) + self.eps).sqrt()
        output = centered / norm * math.sqrt(self.nOutput)
        if self.weight is None or self.bias is None:
            return output
        return output * self.weight + self.bias


class Normalize(Module):
    """A vector, or each row of a matrix, divided by its p-norm (``nn.Normalize``).

    `p` is positive, possibly infinite. `eps` is added to the sum of powers before the root is
    taken, and for infinite p to the maximum.

    Raises:
        GraphError: `p` is not positive; at run time, the input is neither.
    """

    def __init__(self, p: float, eps: float | None = 1e-10) -> None:
        super().__init__()
        if not p > 0:
            raise GraphError(f"nn.Normalize({p}): {p}-norm not supported, p must be positive")
        self.p = p
        self.eps = 1e-10 if eps is None else eps

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (1, 2), "a vector or a matrix")
        if math.isinf(self.p):
            largest = input.abs().max(-1, keepdim=True).indices
            return input / (absolute_power(input.gather(-1, largest), 1, self.eps) + self.eps)
        powers = absolute_power(input, self.p, self.eps).sum(-1, keepdim=True) + self.eps
        return input / powers.pow(1 / self.p)

    def __repr__(self) -> str:
        p = f"{self.p:.0f}" if self.p % 1 == 0 else f"{self.p:f}"
        return f"{self.torch7_name()}({p})"


class SpatialCrossMapLRN(Module):
    """Local response normalization across planes (``nn.SpatialCrossMapLRN``).

    (planes, height, width) or a batch of such. Each value is divided by
    (k + alpha / size * (sum of squares in the `size` planes around it)) ** beta.

    Raises:
        GraphError: `size` is even: there is no middle; at run time, the input has another shape.
    """

    def __init__(self, size: int, alpha: float = 0.0001, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise GraphError(f"nn.SpatialCrossMapLRN({size}): the size must be odd and positive")
        self.size = size
        self.alpha = 0.0001 if alpha is None else alpha
        self.beta = 0.75 if beta is None else beta
        self.k = 1 if k is None else k

    def updateOutput(self, input: torch.Tensor) -> torch.Tensor:
        expect_dims(self, input, (3, 4), "(planes, height, width) or a batch of such")
        batch = input if input.dim() == 4 else input.unsqueeze(0)
        output = F.local_response_norm(batch, self.size, self.alpha, self.beta, self.k)
        return output if input.dim() == 4 else output.squeeze(0)
