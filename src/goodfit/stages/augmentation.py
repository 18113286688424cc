"""Augmentations: OnBatch techniques that turn each training sample into a random variant of the same meaning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.image_warp import FILL_MODES
from goodfit.ops.sampling import bernoulli
from goodfit.stages.common import Draw
from goodfit.stages.on_batch import OnBatch
from goodfit.technique import knob

P_SEARCH, P_DOC = (0.0, 1.0), "probability that a sample is changed at all"
"""The search range and the help text of the knob `p`."""


def probability_knob(default: float) -> Any:
    """Declare the knob `p` as the strength of an augmentation that has no other one."""
    return knob(default, low=0, high=1, search=P_SEARCH, neutral=0.0, unit="probability", doc=P_DOC)


FILL_DOC = "what appears beyond the border: black, grey (the mean of the data), the edge's pixels, reflect or wrap"
"""The help text of the knob `fill`."""


class Augmentation(OnBatch, ABC):
    """Base class of augmentations. Each sample is transformed at random, independently of the others.

    Derive from `ValueTransform` (new values), `MatrixWarp`, `DisplacementWarp` or `Flip` (pixels move), or
    `AugmentationPolicy` (a random choice among several augmentations).
    """

    cheap_when_neutral: ClassVar[bool] = False
    needs_floats: ClassVar[bool] = True
    kinds: ClassVar[tuple[str, ...]] = ("image", "video")
    keeps_masks: ClassVar[bool] = True
    """Whether masks stay correct: pixels keep their places, or move as in a `SpatialTransform`."""

    p: float = knob(default=1.0, low=0, high=1, search=P_SEARCH, kw_only=True, unit="probability", doc=P_DOC)
    classes: str = knob(
        default="", kw_only=True, doc="names of the classes whose samples are changed, separated by commas; empty: all"
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        """Draw which samples are changed (batch,), followed by what `sample` draws."""
        return (bernoulli(self.p, len(x), generator, x.device), *self.sample(x, generator))

    @abstractmethod
    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw everything else that is random: tensors (batch, …) with one entry per sample.

        Args:
            x: inputs (batch, …). Use only their shape, dtype and device.
            generator: the only permitted source of random numbers.
        """


class ValueTransform(Augmentation, ABC):
    """Base class of augmentations that compute new values for a sample.

    The trainer clips images, clips and sounds to the data's value range afterwards.
    """

    independent_samples: ClassVar[bool] = True
    """Whether a sample's result depends on that sample and its draw alone, not on the rest of the batch."""
    may_leave_range: ClassVar[bool] = True
    """Whether values may leave the data's range, so that they have to be clipped."""

    @abstractmethod
    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """Transform samples.

        Args:
            x: the samples (batch, …). They must not be overwritten. They may be a part of the batch, if
                `independent_samples`.
            draw: what `sample` returned, for these samples.
            inputs: what the inputs are: their data kind, value range, sampling rate and vocabulary.

        Returns:
            The transformed samples, of x's shape, dtype and device.
        """


class SpatialTransform(Augmentation, ABC):
    """Base class of augmentations that move the pixels of images and clips. Use one of its subclasses.

    All of those in a recipe are combined into one resampling, so that images are interpolated only once. Masks and
    bounding boxes move along.
    """

    projective: ClassVar[bool] = False
    """Whether the third row of its matrices may differ from (0, 0, 1)."""


class MatrixWarp(SpatialTransform, ABC):
    """Base class of augmentations that move pixels by a matrix, such as rotation, shift and zoom."""

    fill: str = knob(default="black", choices=FILL_MODES, kw_only=True, doc=FILL_DOC)

    @abstractmethod
    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """The matrices (batch, 3, 3) that map the position (x, y, 1) of a pixel to the position of its source.

        Args:
            draw: what `sample` returned.
            size: (height, width) of the images. x is in pixels to the right of the middle, y in pixels downwards.
        """


class Flip(SpatialTransform, ABC):
    """Base class of flips. Where a recipe moves pixels in no other way, nothing is interpolated."""

    p: float = probability_knob(0.5)

    @property
    @abstractmethod
    def axes(self) -> tuple[int, ...]:
        """The dimensions to flip: −1 is the width, −2 the height."""

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw nothing."""
        return ()

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """The flip as a matrix (1, 3, 3) with −1 for each flipped axis; see `MatrixWarp`."""
        return torch.diag(torch.tensor([-1.0 if axis in self.axes else 1.0 for axis in (-1, -2)] + [1.0]))[None]


class DisplacementWarp(SpatialTransform, ABC):
    """Base class of augmentations that move every pixel by its own offset, such as elastic distortion."""

    fill: str = knob(default="black", choices=FILL_MODES, kw_only=True, doc=FILL_DOC)

    @abstractmethod
    def displacement(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """The offset (batch, 2, height, width) from each pixel to its source, in pixels to the right and downwards.

        Args:
            draw: what `sample` returned.
            size: (height, width) of the images.
        """


class AugmentationPolicy(Augmentation, ABC):
    """Base class of policies: each sample is transformed by some of several augmentations, such as RandAugment."""

    @abstractmethod
    def operations(self) -> Sequence[Augmentation]:
        """The augmentations to choose from, each at its largest strength."""

    @abstractmethod
    def assignments(self, draw: Draw) -> Sequence[tuple[Tensor, Draw]]:
        """For each of the `operations`: the mask (batch,) of the samples it changes, and its draw in place of `sample`.

        Args:
            draw: what this policy's own `sample` returned.
        """
