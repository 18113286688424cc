"""Augmentation: other examples made from those that there are, each sample by a draw of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.stages.common import Draw
from goodfit.stages.draws import chosen
from goodfit.stages.on_batch import OnBatch
from goodfit.stages.warp import FILLS
from goodfit.technique import knob


def likelihood(default: float) -> Any:
    """The knob `p` of an augmentation that has no other strength."""
    return knob(
        default=default,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="probability",
        doc="probability that a sample is changed at all",
    )


BEYOND = "what is seen beyond the border: black, grey (the mean of the data), the edge's pixels, reflect or wrap"
"""What the knob `fill` of whatever moves pixels is for."""


class Augmentation(OnBatch, ABC):
    """Changes training samples, each by a draw of its own, into others of the same meaning."""

    light: ClassVar[bool] = False
    inputs: ClassVar[str] = "floats"
    kinds: ClassVar[tuple[str, ...]] = ("image", "video")
    """The kinds of inputs that it can change; see `goodfit.data.inputs`."""
    coloured: ClassVar[bool] = False
    """Whether it needs images of three colours."""
    keeps_masks: ClassVar[bool] = True
    """Whether masks of images stay true: it moves pixels as `Moving` does, or leaves them where they are."""
    worded: ClassVar[bool] = False
    """Whether it needs to know which words the numbers of a text stand for."""

    p: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        kw_only=True,
        unit="probability",
        doc="probability that a sample is changed at all",
    )
    classes: str = knob(
        default="", kw_only=True, doc="names of the classes whose samples are changed, separated by commas; empty: all"
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        """Which samples are changed (batch,), and what `sample` drew."""
        return (chosen(self.p, len(x), generator, x.device), *self.sample(x, generator))

    @abstractmethod
    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Everything else that is random, one row (batch, …) per sample."""


class Alteration(Augmentation, ABC):
    """Changes the values of samples; those of images, clips and sounds are cut off to the data's range afterwards."""

    by_itself: ClassVar[bool] = True
    """Whether what becomes of a sample depends on that sample and its draw alone, not on others of the batch."""
    leaves: ClassVar[bool] = True
    """Whether values may leave the data's range, to which they are then cut off."""

    @abstractmethod
    def alter(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """The changed samples, of x's shape, dtype and device. draw: what `sample` drew."""


class Moving(Augmentation, ABC):
    """Moves the pixels of images. All that a recipe moves is one resampling, so that nothing is blurred twice."""


class Geometry(Moving, ABC):
    """Moves the pixels of images by a matrix each."""

    fill: str = knob(default="black", choices=FILLS, kw_only=True, doc=BEYOND)

    @abstractmethod
    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """From where each pixel is taken, as a matrix (batch, 3, 3) on (x, y, 1).

        x is counted in pixels to the right and y in pixels downwards from the middle of an image of `size` (height,
        width).
        """


class Mirror(Moving, ABC):
    """Mirrors images: where nothing else moves them, their pixels are only sorted anew."""

    p: float = likelihood(0.5)

    @property
    @abstractmethod
    def axes(self) -> tuple[int, ...]:
        """The dimensions that are turned round: −1 is the width, −2 the height."""

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Nothing."""
        return ()

    def matrix(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """The mirrored axes with a minus sign (1, 3, 3); see `Geometry`."""
        return torch.diag(torch.tensor([-1.0 if axis in self.axes else 1.0 for axis in (-1, -2)] + [1.0]))[None]


class Distortion(Moving, ABC):
    """Moves each pixel of images by a way of its own."""

    fill: str = knob(default="black", choices=FILLS, kw_only=True, doc=BEYOND)

    @abstractmethod
    def field(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        """How far (batch, 2, height, width) each pixel is taken from elsewhere: pixels to the right, and downwards."""


class Policy(Augmentation, ABC):
    """Several augmentations, of which each sample gets some."""

    @abstractmethod
    def parts(self) -> Sequence[Augmentation]:
        """The augmentations, as strong as they can become."""

    @abstractmethod
    def shares(self, draw: Draw) -> Sequence[tuple[Tensor, Draw]]:
        """For each part: the samples that it changes (batch,), and what it is told in place of its own drawing."""
