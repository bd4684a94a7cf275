"""Criterions: losses, which a graph holds through ModuleFromCriterion."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from ..errors import GraphError, type_name
from ..node import Node
from .module import Module


class Criterion(torch.nn.Module):
    """Base of all losses (``nn.Criterion``). A subclass computes in `updateOutput`.

    ``criterion(input, target)`` on tensors is part of autograd. ``criterion()([prediction,
    target])`` on Nodes, spelled as for modules ``nn.MSECriterion()([p, t])``, makes a node. The
    Torch7 pair `forward` and `backward` gives the loss and the gradient of `input`.
    """

    def __call__(self, *args: Any) -> Any:
        if len(args) == 2 and not any(isinstance(argument, Node) for argument in args):
            return super().__call__(*args)
        return ModuleFromCriterion(self)(*args)

    def updateOutput(self, input: Any, target: Any) -> torch.Tensor:
        """The loss, a tensor of no dimensions."""
        raise NotImplementedError(f"{type_name(self)} does not define updateOutput")

    def forward(self, input: Any, target: Any) -> torch.Tensor:
        """The loss of `input` against `target`, a tensor of no dimensions."""
        return self.updateOutput(input, target)

    def updateGradInput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        """The gradient of the loss with respect to `input`, of its shape."""
        with torch.enable_grad():
            entered = input.detach().requires_grad_()
            return torch.autograd.grad(self.updateOutput(entered, target), entered)[0]

    def backward(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        """The same as `updateGradInput`: a criterion has no parameters."""
        return self.updateGradInput(input, target)

    def __repr__(self) -> str:
        return f"nn.{type(self).__name__}"


class ModuleFromCriterion(Module):
    """A criterion as a module of the table [prediction, target] (``nn.ModuleFromCriterion``).

    Gives the loss, of shape (1,). The gradient of the target is zero.
    """

    def __init__(self, criterion: Criterion) -> None:
        super().__init__()
        self.criterion = criterion

    def updateOutput(self, input: Any) -> torch.Tensor:
        if not isinstance(input, (list, tuple)) or len(input) != 2:
            raise GraphError(
                f"{self.criterion}: expecting the table [prediction, target], got "
                f"{type_name(input)}"
            )
        prediction, target = input
        if isinstance(target, torch.Tensor):
            target = target.detach()
        return self.criterion.updateOutput(prediction, target).reshape(1)


class MSECriterion(Criterion):
    """The mean (or with ``sizeAverage=False`` the sum) of squared differences."""

    def __init__(self, sizeAverage: bool = True) -> None:
        super().__init__()
        self.sizeAverage = sizeAverage

    def updateOutput(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        if input.shape != target.shape:
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} against a target of shape "
                f"{tuple(target.shape)}"
            )
        return F.mse_loss(input, target, reduction="mean" if self.sizeAverage else "sum")


class ClassNLLCriterion(Criterion):
    """The negative log-likelihood of classes (``nn.ClassNLLCriterion``).

    `input` holds log-probabilities, (batch, classes) or (classes,); `target` classes from 0,
    (batch,) or one number, of any integer or floating type.

    Args:
        weights: a weight for each class, (classes,).
        sizeAverage: divide by the batch size (with `weights`, by the sum of the targets' weights).
        ignoreIndex: a target that does not count.

    Raises:
        GraphError: at run time, a target is out of range or there are not as many as rows.
    """

    weights: torch.Tensor | None

    def __init__(
        self,
        weights: torch.Tensor | None = None,
        sizeAverage: bool = True,
        ignoreIndex: int = -100,
    ) -> None:
        super().__init__()
        if weights is not None and weights.dim() != 1:
            raise GraphError(f"weights should be 1-D, got shape {tuple(weights.shape)}")
        self.register_buffer("weights", weights)
        self.sizeAverage = sizeAverage
        self.ignoreIndex = ignoreIndex

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        target = torch.as_tensor(target, device=input.device).long()
        target = target.reshape(()) if input.dim() == 1 else target.reshape(-1)
        if input.dim() not in (1, 2) or (input.dim() == 2 and len(target) != len(input)):
            raise GraphError(
                f"{self}: input of shape {tuple(input.shape)} with targets of shape "
                f"{tuple(target.shape)}; expecting (batch, classes) and (batch,)"
            )
        try:
            return F.nll_loss(
                input,
                target,
                self.weights,
                ignore_index=self.ignoreIndex,
                reduction="mean" if self.sizeAverage else "sum",
            )
        except (IndexError, RuntimeError) as error:
            if "out of bounds" not in str(error):
                raise
            raise GraphError(
                f"{self}: a target is out of range: the targets are {target.min().item()}.."
                f"{target.max().item()}, the classes 0..{input.shape[-1] - 1} (they count from 0)"
            ) from error


class CrossEntropyCriterion(Criterion):
    """LogSoftMax and ClassNLLCriterion in one (``nn.CrossEntropyCriterion``).

    `input` holds scores; dimensions of size 1 are dropped, as in Torch7.
    """

    def __init__(self, weights: torch.Tensor | None = None, sizeAverage: bool = True) -> None:
        super().__init__()
        self.nll = ClassNLLCriterion(weights, sizeAverage)

    def updateOutput(self, input: torch.Tensor, target: Any) -> torch.Tensor:
        scores = input.squeeze()
        return self.nll.updateOutput(F.log_softmax(scores, scores.dim() - 1), target)
