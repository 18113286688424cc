"""The network's own dropout, whose random numbers a population draws beforehand like those of techniques."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from goodfit.stages import Draw
from goodfit.train.population.context import StackedContext

PLACE = "own"
ATTENTION = F.scaled_dot_product_attention


@dataclass(frozen=True)
class Mask:
    """torch's dropout: which units stay, from torch's own stream of random numbers."""

    rate: float

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Draw:
        """One over the share of units that stay, or 0, of x's shape: as `torch.dropout` draws it."""
        return (torch.empty_like(x).bernoulli_(1 - self.rate, generator=generator).div_(1 - self.rate),)


class DropoutMode(TorchFunctionMode):
    """Inside, the dropout that a network does by itself takes its random numbers from a source."""

    def __init__(self, source: StackedContext) -> None:
        super().__init__()
        self.source = source

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
        if func is F.multi_head_attention_forward:  # what it calls asks no mode: its names are changed instead
            with patch.object(F, "dropout", self._dropout), patch.object(F, ATTENTION.__name__, self._attention):
                return func(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return self._masked(input, input, p) if training and p else input

    def _dropout_channels(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        whole = input.new_empty((*input.shape[:2], *[1] * (input.ndim - 2)))
        return self._masked(input, whole, p) if training and p else input

    def _masked(self, x: Tensor, like: Tensor, p: float) -> Tensor:
        (mask,) = self.source.draw(Mask(p), f"{PLACE} {p!r}", like)
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
        """torch's attention, written out: there is no rule by which its kernels could be mapped over members."""
        if enable_gqa:
            key, value = (t.repeat_interleave(query.shape[-3] // t.shape[-3], -3) for t in (key, value))
        scores = query @ key.transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
        if is_causal:
            ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~ahead, -math.inf)
        if attn_mask is not None:
            blocked = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -math.inf) if blocked else scores + attn_mask
        return self._dropout(torch.softmax(scores, -1), dropout_p) @ value
