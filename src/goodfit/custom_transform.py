"""Any function of the user's own as an augmentation: torchvision's, Kornia's and audiomentations' transforms too."""

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
    """A function that changes one sample (with `batched`: a batch of them), as part of a recipe.

    It is given a tensor of the sample's shape (channels in front) and returns a tensor or an array of that shape. With
    `unit` (the default) values between the ends of the data's range arrive as [0, 1], as most transforms want images,
    and are put back afterwards. Whatever the function draws from the global generators of torch, NumPy and Python
    follows from the run's seed, anew for each sample and epoch, and leaves those generators as they were; batched
    functions must draw per sample by themselves.

    `still`: it leaves pixels where they are (colours, noise), so that masks stay true; without it, it is refused there.

    Runs with it are trained one by one, and a recipe that holds it cannot be read back from its text.

    >>> mirrored = CustomTransform(lambda image: image.flip(-1))
    >>> mirrored.transform(torch.tensor([[[[0.0, 1.0]]]]), (torch.zeros(1).long(),), Inputs("image"))
    tensor([[[[1., 0.]]]])

    Raises:
        InputError: what it is given cannot be called, or what it returns has another shape.
    """

    not_vectorizable: ClassVar[str] = "a function of the user's own draws its random numbers by itself"
    needs_floats: ClassVar[bool] = False
    kinds: ClassVar[tuple[str, ...]] = ()

    call: Any
    batched: bool = False
    unit: bool = True
    still: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        super().__post_init__()
        if not callable(self.call):
            raise InputError(f"CustomTransform: call must be a function of one sample, got {self.call!r}.")

    @property
    def keeps_masks(self) -> bool:  # type: ignore[override]
        """Whether masks of images stay true."""
        return self.still

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        """A seed per sample."""
        return (torch.randint(2**31, (len(x),), generator=generator, device=x.device),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """The changed samples."""
        given = inputs.unit(x) if self.unit and x.is_floating_point() else x
        with _own_generators():
            if self.batched:
                made = self._called(given, int(draw[0][0]))
            else:
                made = torch.stack([self._called(*pair) for pair in zip(given, draw[0].tolist(), strict=True)])
        made = made.to(device=x.device, dtype=x.dtype)
        return inputs.back(made) if self.unit and x.is_floating_point() else made

    def _called(self, given: Tensor, seed: int) -> Tensor:
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        made = torch.as_tensor(self.call(given.clone()))
        if made.shape != given.shape:
            what, shapes = "a batch" if self.batched else "a sample", (tuple(given.shape), tuple(made.shape))
            raise InputError(
                f"CustomTransform: {self._name()} must keep the shape of {what}, {shapes[0]}, got {shapes[1]}."
            )
        return made

    def _name(self) -> str:
        return getattr(self.call, "__name__", type(self.call).__name__)


@contextmanager
def _own_generators() -> Iterator[None]:
    """Put the global generators of torch, NumPy and Python back at the end."""
    numpy, python = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            np.random.set_state(numpy)
            random.setstate(python)
