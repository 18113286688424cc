"""Jacobian penalty: a penalty on the derivatives of the output with respect to the input."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class JacobianPenalty(OnLoss):
    """Penalizes the squared derivatives of the network's output with respect to its input.

    Formula: cost = loss + strength / 2 · ‖J‖², averaged over the samples, where J = ∂output / ∂x and ‖J‖² is the sum of
    its squares. ‖J‖² is estimated without bias by one random projection per sample: ‖J‖² ≈ ‖vᵀJ‖², where v is √outputs
    times a uniformly random unit vector.

    Shape: x (batch, …), floating point (word ids and codes of categories are an error); output (batch, class or
    outputs).

    Helps when: small changes of the input must not change the prediction, or the training set is small.
    Hurts when: time is short: each step computes one additional forward pass and a second-order gradient (which cuDNN's
    recurrent layers do not support).

    >>> x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]])
    >>> forward = ForwardPass(lambda x: x @ w, x, torch.zeros(1, 1), x @ w)
    >>> JacobianPenalty(0.1).term(forward, (torch.tensor([[1.0]]),))
    tensor(1.2500)
    """

    references = (
        Reference(
            authors=("J. Hoffman", "D. A. Roberts", "S. Yaida"),
            title="Robust learning with Jacobian regularization",
            venue="arXiv",
            year=2019,
            url="https://arxiv.org/abs/1908.02729",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    accumulates_exactly: ClassVar[bool] = False
    needs_floats: ClassVar[bool] = True
    strength: float = knob(
        default=0.01,
        low=0,
        search=(1e-4, 1.0),
        log=True,
        neutral=0.0,
        unit="loss per squared derivative",
        doc="λ, weight of ½ ‖J‖² in the cost",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        outputs = forward.output.detach().flatten(1) if forward.output.ndim > 1 else forward.output.detach()[:, None]
        v = normal_like(outputs, generator)
        return (v / torch.linalg.vector_norm(v, dim=1, keepdim=True) * outputs.shape[1] ** 0.5,)

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        if not forward.x.is_floating_point():
            raise InputError(
                f"JacobianPenalty: the inputs must be floating point, got {forward.x.dtype} (word ids or codes of "
                "categories); leave it out."
            )
        derivatives = _projected_jacobian(forward.network, forward.x.detach(), draw[0])
        return self.strength * 0.5 * derivatives.square().sum() / len(derivatives)


def _projected_jacobian(network: Callable[[Tensor], Tensor], x: Tensor, v: Tensor) -> Tensor:
    """vᵀJ of each sample, in the shape of x; differentiable with respect to the network's weights."""
    try:
        x.requires_grad_()
    except RuntimeError:  # inside a torch.func transform, which does not allow requires_grad_
        output, pull, *_ = torch.func.vjp(network, x)
        return pull(v.reshape(output.shape))[0]  # type: ignore[no-any-return]
    # torch.func does not support networks with checkpoints, old-style autograd functions or state of their own.
    output = network(x)
    return torch.autograd.grad((output.reshape(v.shape) * v).sum(), x, create_graph=True)[0]
