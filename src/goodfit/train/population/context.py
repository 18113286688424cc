"""The context of a population's step: each member's strengths at each site, and random numbers drawn in advance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from goodfit.recipe import Recipe
from goodfit.stages import (
    Attack,
    Augmentation,
    BatchTransform,
    Draw,
    ForwardPass,
    HiddenMix,
    OnEval,
    OnGrads,
    OnLoss,
    OnModel,
    OnWeights,
    Scheduled,
    is_scheduled,
)
from goodfit.technique import Technique
from goodfit.train.population.grouping import neutral
from goodfit.train.stages.hooks import LearnedStrengths, SiteKey, StepContext, T
from goodfit.train.stages.on_model import Attachment

EVAL = SiteKey("eval", 0)
"""The site of the OnEval technique."""
Strengths = Mapping[SiteKey, Mapping[str, Tensor]]
"""Site → knob → value."""


@dataclass(frozen=True)
class DropoutMask:
    """The dropout of torch's own layers; draws the same numbers as torch does."""

    rate: float

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Draw:
        """A mask of x's shape: 0 for dropped units, 1 / (1 − rate) for the others."""
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=generator)
        return (kept if self.rate == 1 else kept.div_(1 - self.rate),)


@dataclass(frozen=True)
class DrawRequest:
    """One request for random numbers in a step."""

    site: SiteKey
    like: tuple[Any, ...]  # arguments of the technique's `draw`, without values
    layers: int = 0  # the layers from which a HiddenMix chooses one
    dropout: DropoutMask | None = None  # set if a layer of the network requests the numbers, not a technique

    def draw(self, technique: Any, generator: torch.Generator) -> Draw:
        """A member's random numbers for this request."""
        draw: Draw = technique.draw(*self.like, generator)
        if not self.layers:
            return draw
        layer = technique.layer_index(draw, self.layers)
        return torch.tensor(layer, device=self.like[0].device), *draw


@dataclass
class StackedContext(StepContext):
    """A step context that returns strengths and random numbers set in advance, or records the requests for them."""

    eager: ClassVar[bool] = False

    strengths: Strengths = field(default_factory=dict)
    draws: Iterator[Draw] = field(default_factory=lambda: iter(()))
    learned: Mapping[int, Tensor] = field(default_factory=dict)  # id of a parameter of the template → its value
    requests: list[DrawRequest] | None = None  # None: not recorded
    deterministic: set[SiteKey] = field(default_factory=set)  # sites that draw nothing

    def set_inputs(self, strengths: Strengths, draws: Sequence[Draw]) -> None:
        """Set the strengths and, in the order of the requests, the random numbers of the next pass."""
        self.strengths, self.draws = strengths, iter(draws)

    def reset(self) -> None:
        """Remove everything that a step has set."""
        self.generator, self.activations, self.requests, self.strengths, self.draws = None, None, None, {}, iter(())
        self.hidden_mixes.clear()

    def resolve(self, technique: T, site: SiteKey, learned: LearnedStrengths | None = None) -> T:
        """The technique with each member's strengths."""
        values = {knob: self.learned[id(parameter)] for knob, parameter in (learned or {}).items()}
        return technique.with_values(**{**self.strengths.get(site, {}), **values})

    def draw(self, technique: Any, site: SiteKey, *like: Any) -> Draw:
        """The next random numbers."""
        if self.requests is None:
            return () if site in self.deterministic else next(self.draws)
        draw = super().draw(technique, site, *like)
        if draw:
            dropout = technique if isinstance(technique, DropoutMask) else None
            self.requests.append(DrawRequest(site, tuple(map(without_values, like)), dropout=dropout))
        else:
            self.deterministic.add(site)
        return draw

    def draw_mix(self, technique: HiddenMix, site: SiteKey, layers: int, x: Tensor, y: Tensor) -> tuple[Any, Draw]:
        """The layer at which each member's samples are mixed, and the random numbers for it."""
        if self.requests is None:
            layer, *numbers = next(self.draws)
            return layer, tuple(numbers)
        self.requests.append(DrawRequest(site, (without_values(x), without_values(y)), layers))
        draw: Draw = technique.draw(x, y, self.generator or torch.default_generator)
        return technique.layer_index(draw, layers), draw


def without_values(argument: Any) -> Any:
    """An argument of `draw` without its values: random numbers may depend only on shapes, dtypes and devices."""
    if isinstance(argument, Tensor):
        return torch.empty_like(argument)  # with the same memory layout: the order in which numbers are filled in
    if isinstance(argument, ForwardPass):
        losses = None if argument.row_losses is None else without_values(argument.row_losses)
        x, y, output = (without_values(t) for t in (argument.x, argument.y, argument.output))
        activations = tuple(map(without_values, argument.activations))
        return ForwardPass(argument.network, x, y, output, losses, activations, argument.frequencies)
    return [without_values(a) for a in argument] if isinstance(argument, list | tuple) else argument


# ---- the techniques of a member --------------------------------------------------------------------


@dataclass(frozen=True)
class SiteTechnique:
    """The technique of a member at a site."""

    technique: Technique
    draws: bool  # whether a solo run of the member would draw random numbers here

    @property
    def scheduled(self) -> bool:
        """Whether its strengths change during training."""
        return is_scheduled(self.technique)

    def at(self, progress: float) -> Any:
        """The technique when a share `progress` of training is completed."""
        return self.technique.at(progress) if isinstance(self.technique, Scheduled) else self.technique


def techniques_by_site(attachment: Attachment, aligned: Recipe, own: tuple[bool, ...]) -> dict[SiteKey, SiteTechnique]:
    """The technique of a member at each site of its population; `own`: which ones its own recipe has."""
    is_own = {id(technique): flag for technique, flag in zip(aligned, own, strict=True)}
    by_stage: dict[str, list[Any]] = {
        "augment": aligned.at(Augmentation), "batch": [t for t in aligned if isinstance(t, BatchTransform | Attack)],
        "mix": aligned.at(HiddenMix), "loss": aligned.at(OnLoss), "grads": aligned.at(OnGrads),
        "weights": aligned.at(OnWeights), EVAL.stage: aligned.at(OnEval),
    }  # fmt: skip
    by_site = {
        SiteKey(stage, number): SiteTechnique(technique, is_own[id(technique)])
        for stage, techniques in by_stage.items()
        for number, technique in enumerate(techniques)
    }
    in_model = aligned.at(OnModel)
    for key, site in attachment.sites.items():
        technique = in_model[site.number]
        here = site.at_site(technique)
        by_site[key] = SiteTechnique(here or neutral(technique), is_own[id(technique)] and here is not None)
    return by_site


# ---- dropout of torch's own layers -----------------------------------------------------------------

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
