"""Normalization of batches, of samples, of vectors and across planes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ... import torch7_random
from ...errors import GraphError
from ..core.module import Module
from ..core.shapes import at_least_1, expect_dims, expect_image, needs_floats
from ..core.torch7_form import Has, SizeOf, Torch7Form
from .roots import absolute_power


class BatchNormalization(Module):
    """Normalizes each feature over the batch (``nn.BatchNormalization``).

    The input is (batch, nOutput), or during evaluation also (nOutput,), with output (1, nOutput).
    Training uses the mean and the biased variance of the batch, and moves `running_mean` and
    `running_var` towards the mean and the unbiased variance. Evaluation uses the running
    statistics; so does training, as in Torch7, for a batch of one sample.

    Args:
        nOutput: Number of features.
        eps: Added to the variance.
        momentum: Weight of the new batch in the running statistics.
        affine: Scale by `weight`, (nOutput,), uniform on [0, 1) from Torch7's generator, and shift
            by `bias`, (nOutput,), initially 0.

    Raises:
        GraphError: If `nOutput` is not positive or `affine` not a bool, or at run time if the input
            has another shape.
    """

    torch7_form = Torch7Form(
        arguments={"nOutput": SizeOf("running_mean", 0), "affine": Has("weight")}, version=2
    )
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
        """Redraw `weight`, reset `bias` and the running statistics, and return the layer.

        `stdv` is ignored, as in Torch7.
        """
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

    # Torch7 sets these fields in forward; here they are computed from the last recorded pass.

    @property
    def save_mean(self) -> torch.Tensor | None:
        """The mean of the last batch of `forward`, (nOutput,)."""
        batch = self._last_batch()
        return None if batch is None else batch.mean(1)

    @property
    def save_std(self) -> torch.Tensor | None:
        """The inverse deviation of the last batch, 1 / sqrt(variance + eps), (nOutput,)."""
        batch = self._last_batch()
        return None if batch is None else (batch.var(1, unbiased=False) + self.eps).rsqrt()

    def _last_batch(self) -> torch.Tensor | None:
        """Return the last batch by feature, (nOutput, values)."""
        recorded = self.own_last_pass()
        if recorded is None or recorded.input.dim() != self.n_dim:
            return None
        return recorded.input.detach().transpose(0, 1).flatten(1)

    def __repr__(self) -> str:
        return f"{self.torch7_name()} ({self.n_dim}D) ({self.running_mean.numel()})"


class SpatialBatchNormalization(BatchNormalization):
    """Normalizes each plane over batch, height and width (``nn.SpatialBatchNormalization``).

    The input is (batch, nOutput, height, width), or during evaluation also (nOutput, height,
    width), with output (1, nOutput, height, width). All else is as in `BatchNormalization`.
    """

    n_dim = 4


class LayerNormalization(Module):
    """Normalizes each sample over its features (``nn.LayerNormalization``).

    The input is (nOutput,) or (batch, nOutput). The mean of the sample is subtracted, and the
    result is divided by its root mean square. Torch7 subtracts wrong means from a batch; this layer
    subtracts the right ones.

    Args:
        nOutput: Number of features.
        bias: Initial value of the parameter `bias`.
        eps: Added to the sum of the squares.
        affine: Scale by `weight`, (nOutput,), initially 1, and shift by `bias`, (nOutput,).

    Raises:
        GraphError: If `nOutput` is not positive, or at run time if the input has another shape.
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
        torch7_random.uniform_(torch.empty(2 * nOutput))  # Torch7 draws these and overwrites them
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
    """Divides a vector, or each row of a matrix, by its p-norm (``nn.Normalize``).

    `p` is positive and may be infinite. `eps` is added to the sum of the powers, inside the root,
    or for infinite p to the maximum.

    Raises:
        GraphError: If `p` is not positive, or at run time if the input is not a vector or a matrix.
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
    """Applies local response normalization across planes (``nn.SpatialCrossMapLRN``).

    The input is (planes, height, width) or (batch, planes, height, width). Each value is divided by
    (k + alpha / size * (sum of squares in the `size` planes around it)) ** beta.

    Raises:
        GraphError: If `size` is even or not positive, or at run time if the input has another
            number of dimensions.
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
        expect_image(self, input)
        if not input.is_floating_point():
            raise needs_floats(self, input)
        batch = input if input.dim() == 4 else input.unsqueeze(0)
        output = F.local_response_norm(batch, self.size, self.alpha, self.beta, self.k)
        return output if input.dim() == 4 else output.squeeze(0)
