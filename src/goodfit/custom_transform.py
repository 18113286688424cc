"""A user's function as an augmentation, including transforms of torchvision, Kornia and audiomentations."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.errors import InputError
from goodfit.stages import Draw, ValueTransform


class CustomTransform(ValueTransform):
    """Applies a function of the user to each sample (with `batched`, to each batch), as a technique of a recipe.

    The function receives a tensor of the sample's shape, channels first, and returns a tensor or an array of the same
    shape. It may draw from the global random generators of torch, NumPy and Python: they are seeded from the run's seed
    for each sample and epoch, and restored afterwards. A batched function must draw random numbers for each sample.

    Runs with this technique are not trained in populations, and the text of a recipe cannot contain it. Such runs and
    recipes cannot be saved, because a file holds no code.

    Args:
        function: the function of one sample, or of a batch.
        batched: whether the function takes a batch (batch, channels, …).
        unit_range: whether to scale the values from the range of the data to [0, 1], as most image transforms expect,
            and back afterwards.
        moves_pixels: whether the function may move pixels. In segmentation, only functions that do not (colours,
            noise) are accepted, because masks are not transformed.
        p: the probability that a sample is changed.
        classes: the classes whose samples are changed.

    >>> flip = CustomTransform(lambda image: image.flip(-1))
    >>> flip.transform(torch.tensor([[[[0.0, 1.0]]]]), (torch.zeros(1).long(),), Inputs("image"))
    tensor([[[[1., 0.]]]])

    Raises:
        InputError: the function is not callable, or returns another shape.
    """

    not_vectorizable: ClassVar[str] = "a user's function draws from the global random generators"
    not_storable: ClassVar[str] = (
        "a function cannot be stored in a file; leave it out, or write a technique of your own (see goodfit.register)"
    )
    needs_floats: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ()

    function: Any
    batched: bool = False
    unit_range: bool = True
    moves_pixels: bool = True

    def __post_init__(self) -> None:
        """Check that the function is callable."""
        super().__post_init__()
        if not callable(self.function):
            raise InputError(
                f"CustomTransform: function must be callable, got function={self.function!r}; pass a "
                "function of one sample."
            )

    @property
    def keeps_masks(self) -> bool:  # type: ignore[override]
        """Whether segmentation masks stay correct."""
        return not self.moves_pixels

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """Draw a seed for each sample."""
        return (torch.randint(2**31, (len(x),), generator=generator, device=x.device),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """The transformed samples (batch, channels, …)."""
        scaled = self.unit_range and x.is_floating_point()
        samples = inputs.unit(x) if scaled else x
        with _restored_generators():
            if self.batched:
                outputs = self._call(samples, int(draw[0][0]))
            else:
                outputs = torch.stack([self._call(*pair) for pair in zip(samples, draw[0].tolist(), strict=True)])
        outputs = outputs.to(device=x.device, dtype=x.dtype)
        return inputs.back(outputs) if scaled else outputs

    def _call(self, x: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        output = torch.as_tensor(self.function(x.clone()))
        if output.shape != x.shape:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            raise InputError(
                f"CustomTransform: {name} must return the shape of its {'batch' if self.batched else 'sample'}, "
                f"{tuple(x.shape)}, got {tuple(output.shape)}; crop or pad its result."
            )
        return output


@contextmanager
def _restored_generators() -> Iterator[None]:
    """Restore the global random generators of torch, NumPy and Python on exit."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
