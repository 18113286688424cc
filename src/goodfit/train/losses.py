"""Data losses per row, and the choice of the one that fits network and targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import TaskSpec
from goodfit.errors import InputError, first_line

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Criterion:
    """A data loss with its name.

    `losses(output, y)` gives one number per row (batch,), for masks one per pixel (batch, height, width); a loss of the
    user's own may give a single number.
    """

    name: str
    losses: Loss

    @property
    def by_row(self) -> bool:
        """Whether the loss of a row is known to depend on that row alone."""
        return self.losses in LOSSES.values()

    def mean(self, output: Tensor, y: Tensor) -> Tensor:
        """The mean over the batch, a scalar."""
        return self.losses(output, y).mean()


def by_row(losses: Tensor) -> Tensor:
    """Losses per row (batch,) from losses per row or per pixel (batch, …); a single number stays a single number."""
    return losses.flatten(1).mean(1) if losses.ndim > 1 else losses


def cross_entropy(output: Tensor, y: Tensor) -> Tensor:
    """Per row: −Σ y log softmax(output). y (batch,) class indices or (batch, class) probabilities, to the same bit.

    Per pixel of masks: output (batch, class, height, width), y (batch, height, width) or probabilities of output's
    shape → (batch, height, width).
    """
    if y.is_floating_point():
        return -(torch.log_softmax(output, 1) * y).sum(1)
    return F.cross_entropy(output, y.long(), reduction="none")


def binary_cross_entropy(output: Tensor, y: Tensor) -> Tensor:
    """Per row, for one logit of the second of two classes; y (batch,) indices or (batch, 2) probabilities.

    Per pixel of masks: output (batch, 1, height, width), y (batch, height, width) or (batch, 2, height, width).
    """
    target = y[:, 1] if y.is_floating_point() and y.ndim > 1 else y
    return F.binary_cross_entropy_with_logits(output.reshape(target.shape), target.to(output.dtype), reduction="none")


def _per_row(loss: Callable[..., Tensor]) -> Loss:
    return lambda output, y: loss(output.reshape(len(y), -1), y.reshape(len(y), -1), reduction="none").mean(1)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": _per_row(F.mse_loss),
    "mae": _per_row(F.l1_loss),
    "huber": _per_row(F.huber_loss),
}


def choose_criterion(name: str, custom: Loss | None, spec: TaskSpec, output: Tensor) -> Criterion:
    """The data loss that fits the task and the network's output for a few rows; `custom`: a loss of the user's own.

    Raises:
        InputError: the output does not fit the targets.
    """
    if custom is not None:
        name = getattr(custom, "__name__", type(custom).__name__)
        return Criterion(f"custom {name}" if name in LOSSES else name, custom)
    masks = spec.task == "segmentation"
    width = output.shape[1] if masks and output.ndim == 4 else output.numel() // max(1, len(output))
    if spec.task == "regression":
        if name in ("cross_entropy", "binary_cross_entropy"):
            raise InputError(f"training: loss={name!r} needs classes; the target '{spec.target}' is a number.")
        _check_output(width == spec.n_outputs, output, f"{spec.n_outputs} value(s)", spec)
        return Criterion(name if name != "auto" else "mse", LOSSES[name if name != "auto" else "mse"])
    if name in ("mse", "mae", "huber"):
        raise InputError(f"training: loss={name!r} needs numbers; the target '{spec.target}' has classes.")
    binary = len(spec.classes) == 2 and width == 1
    chosen = ("binary_cross_entropy" if binary else "cross_entropy") if name == "auto" else name
    needed = 1 if chosen == "binary_cross_entropy" else spec.n_outputs
    if masks:
        space = tuple(spec.input_shape[1:])
        _check_output(
            tuple(output.shape[1:]) == (needed, *space), output, f"{needed} logit(s) for each of {space} pixels", spec
        )
    flat = masks or output.ndim == 2 or (chosen == "binary_cross_entropy" and output.ndim == 1)
    _check_output(width == needed and flat, output, f"{needed} logit(s)", spec)
    return Criterion(chosen, LOSSES[chosen])


def _check_output(fits: bool, output: Tensor, needed: str, spec: TaskSpec) -> None:
    if not fits:
        raise InputError(
            f"model: the output must be {needed} per row for the target '{spec.target}', "
            f"got a tensor of shape (batch{''.join(f', {n}' for n in output.shape[1:])}); change the last layer."
        )


def probe_output(model: nn.Module, x: Tensor) -> Tensor:
    """The network's output for a few rows, in evaluation mode.

    Raises:
        InputError: the network cannot process the rows, or does not return one tensor with a row for each.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            output = model(x)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        reason = first_line(error)
        raise InputError(f"model: it cannot take a batch of shape {tuple(x.shape)}: {reason}") from error
    finally:
        for module, training in modes:
            module.training = training
    if not isinstance(output, Tensor):
        raise InputError(f"model: the output must be one tensor, got {type(output).__name__}; wrap the network.")
    if output.ndim == 0 or len(output) != len(x):
        raise InputError(
            f"model: the output for {len(x)} rows must have a first dimension of {len(x)}, got a tensor of shape "
            f"{tuple(output.shape)}; the first dimension is the batch."
        )
    return output
