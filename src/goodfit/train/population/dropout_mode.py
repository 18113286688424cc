"""Dropout of torch's own layers in a population: its random numbers are drawn in advance, as for techniques."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from goodfit.train.population.context import DropoutMask, StackedContext
from goodfit.train.stages.hooks import SiteKey

ATTENTION = F.scaled_dot_product_attention


class DropoutMode(TorchFunctionMode):
    """Inside, the functions by which torch's layers apply dropout take their masks from a context."""

    def __init__(self, context: StackedContext) -> None:
        super().__init__()
        self.context = context

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The function's result."""
        kwargs = kwargs or {}
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func in (F.dropout1d, F.dropout2d, F.dropout3d):
            return self._dropout_channels(*args, **kwargs)
        if func is ATTENTION:
            return self._attention(*args, **kwargs)
        if func is F.multi_head_attention_forward:  # the functions that it calls bypass the mode: patch their names
            with patch.object(F, "dropout", self._dropout), patch.object(F, ATTENTION.__name__, self._attention):
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return self._masked(input, input, p) if training and p else input

    def _dropout_channels(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        whole = input.new_empty((*input.shape[:2], *[1] * (input.ndim - 2)))
        return self._masked(input, whole, p) if training and p else input

    def _masked(self, x: Tensor, like: Tensor, p: float) -> Tensor:
        (mask,) = self.context.draw(DropoutMask(p), SiteKey("dropout", 0, repr(p)), like)
        return x * mask

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Attention in plain operations, because torch's kernels for it cannot be mapped over members."""
        if enable_gqa:
            key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
        scores = query @ key.transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
        if is_causal:
            visible = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~visible, -math.inf)
        if attn_mask is not None:
            blocked = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -math.inf) if blocked else scores + attn_mask
        return self._dropout(torch.softmax(scores, -1), dropout_p) @ value
