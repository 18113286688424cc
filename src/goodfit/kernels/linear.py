"""Linear layers computed by oneDNN, which torch contains: on some processors it is faster than MKL, torch's default.

torch's operator for it is private and has no derivative. Here it is checked before its first use and made
differentiable, to any order; whatever it does not support is computed by `torch.nn.functional.linear`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

TORCH_LINEAR = F.linear
Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""x (rows, in), weight (out, in), bias (out,) or None → x @ weight.T + bias (rows, out), without derivative."""


@cache
def onednn_product() -> Product | None:
    """oneDNN's product, if this build of torch has it and it computes what it should."""

    def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]

    x = torch.arange(6.0).reshape(2, 3)
    weight, bias = torch.arange(12.0).reshape(3, 4).t(), torch.arange(4.0)
    try:
        computed = product(x, weight, bias)
    except (AttributeError, RuntimeError, TypeError):
        return None
    return product if torch.equal(computed, TORCH_LINEAR(x, weight, bias)) else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Like `torch.nn.functional.linear`, computed by oneDNN where that is possible.

    Shape: x (…, in), weight (out, in), bias (out,) → (…, out).

    >>> linear(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [5.0, 6.0]]), torch.tensor([0.0, 1.0]))
    tensor([[11., 18.]])
    """
    if not supports(x, weight, bias):
        return TORCH_LINEAR(x, weight, bias)
    rows = x.reshape(-1, x.shape[-1])
    return _linear(rows, weight, bias).reshape(*x.shape[:-1], len(weight))


def supports(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether oneDNN can compute the layer: ordinary float32 tensors in main memory, not empty, outside transforms."""
    tensors = (x, weight) if bias is None else (x, weight, bias)
    return (
        not torch.compiler.is_compiling()
        and onednn_product() is not None
        and all(_is_plain(t) for t in tensors)
        and x.ndim >= 1
        and weight.ndim == 2
        and x.shape[-1] == weight.shape[1]
        and x.numel() > 0
        and weight.numel() > 0
        and (bias is None or bias.shape == weight.shape[:1])
        and not (torch.is_autocast_enabled("cpu") or _is_transformed())
    )


def _is_plain(t: Tensor) -> bool:
    return (
        t.dtype == torch.float32
        and t.device.type == "cpu"
        and t.layout == torch.strided
        and type(t) in (Tensor, nn.Parameter)
    )


def _is_transformed() -> bool:
    """Whether a transform of `torch.func`, forward-mode differentiation or the recording of a script is active."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
        or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, weight, bias)):
        return _Linear.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
    product = onednn_product()
    assert product is not None
    x, weight = (t.contiguous() if _overlaps(t) else t for t in (x, weight))
    return product(x, weight, None if bias is None else bias.contiguous())  # the operator ignores a bias's stride


def _overlaps(t: Tensor) -> bool:
    """Whether rows share memory, as windows of `unfold` do; the operator refuses them."""
    (inner, length), (outer, count) = sorted(zip(t.stride(), t.shape, strict=True))
    return length > 1 and count > 1 and 0 < outer < inner * length


class _Linear(torch.autograd.Function):
    """The product with its derivative, which consists of the same products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        return (
            _linear(gradient, weight.t(), None) if needs_x else None,
            _linear(gradient.t(), x.t(), None) if needs_weight else None,
            gradient.sum(0) if needs_bias else None,
        )
