"""Augmentation in `fit`, in populations and with `attach`: only training rows change, differently in each epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Inputs, Split
from goodfit.errors import InputError
from goodfit.ops.image_warp import warp_images
from goodfit.recipe import Recipe
from goodfit.stages import MatrixWarp
from goodfit.techniques import Brightness, Contrast, CutOut, HorizontalFlip, Perspective
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.manual_loop.attach import attach
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

MOVING = "rotation=25, shift=0.2, elastic=10.0, brightness=0.4, blur=1.0, cut_out"


class InputRecorder(nn.Module):
    """Records its mode and inputs; copies record in the same list."""

    inputs: ClassVar[list[tuple[bool, Tensor]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))

    def forward(self, x: Tensor) -> Tensor:
        self.inputs.append((self.training, x.detach().clone()))
        return self.net(x)  # type: ignore[no-any-return]


def test_evaluation_uses_raw_data_and_every_epoch_new_random_numbers(image_split: Split) -> None:
    model = InputRecorder()
    model.inputs.clear()
    fit(model, image_split, MOVING, Training(epochs=2, batch_size=96), progress=False)
    raw = {tuple(image.flatten().tolist()) for part in image_split.parts.values() for image in part.x}
    assert all(tuple(image.flatten().tolist()) in raw for training, x in model.inputs if not training for image in x)
    first, second = (x for training, x in model.inputs if training and len(x) == 96)
    augmented = {tuple(image.flatten().tolist()) for image in (*first, *second)}
    assert len(augmented) == 192
    assert not augmented & raw


def test_attach_trains_like_fit(image_split: Split) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    training = Training(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.1, momentum=0.0)
    run = fit(model, image_split, MOVING, training, progress=False)
    train, optimizer = image_split.train, torch.optim.SGD(model.parameters(), 0.1)
    with attach(model, MOVING, optimizer, data=(train.x, train.y), inputs=image_split.spec.inputs) as reg:
        for _ in range(2):
            for rows in reg.rows().split(32):
                x, y = reg.batch(train.x[rows], train.y[rows])
                nn.functional.cross_entropy(model(x), y).backward()
                reg.step()
            reg.end_epoch()
    for name, weights in run.last.items():
        torch.testing.assert_close(model.state_dict()[name], weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("inputs", [None, Inputs("image", 0.0, 1.0)])
def test_attach_requires_the_data_kind_of_the_inputs(inputs: Inputs | None) -> None:
    model: Any = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    if inputs is None:
        with pytest.raises(
            InputError, match=r"Rotation: it must know the data kind and the range of the .* give attach\(…, inputs="
        ):
            attach(model, "rotation")
        return
    with attach(model, "rotation", inputs=inputs) as reg:
        x, y = torch.rand(4, 1, 4, 4), torch.tensor([0, 1, 0, 1])
        changed, same = reg.batch(x, y)
    assert same is y  # the classes need not be known, because no technique changes targets
    assert not torch.equal(changed, x)


def test_members_of_a_population_are_augmented_as_in_fit(image_split: Split) -> None:
    recipes = [MOVING, MOVING.replace("25", "5").replace("0.4", "0.1"), "rand_augment=0.5", "rand_augment=0.9"]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).double()
    double = doubled_split(image_split)
    training = Training(epochs=2, batch_size=32, optimizer="sgd", learning_rate=0.05)
    runs = fit_many(model, double, recipes, training, population=True, progress=False)
    for run, recipe in zip(runs, recipes, strict=True):
        solo = fit(model, double, recipe, training, progress=False)
        for name, weights in solo.last.items():
            torch.testing.assert_close(run.last[name], weights, rtol=1e-8, atol=1e-10)


def doubled_split(split: Split) -> Split:
    parts = {name: replace(part, x=part.x.double()) for name, part in split.parts.items()}
    return replace(split, **parts)


# ---- which samples are changed --------------------------------------------------------------------------


def test_only_chosen_samples_that_are_drawn_are_changed() -> None:
    x, y, chosen = torch.zeros(64, 1, 4, 4), torch.zeros(64), torch.arange(64) < 32
    masks = []
    for augment_mask in (None, chosen):
        context = StepContext(torch.Generator().manual_seed(0))
        augmenter = BatchAugmenter(Recipe((HorizontalFlip(0.5),)), context, Inputs("image"), ())
        (applied,) = augmenter.draw(x, y, augment_mask)
        masks.append(applied.mask)
    drawn, both = masks
    assert torch.equal(both, drawn & chosen)
    assert 0 < both.sum() < 32


def test_soft_labels_select_samples_that_are_probably_of_the_classes(augment: Callable[..., Tensor]) -> None:
    images, y = torch.rand(2, 1, 4, 4), torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    changed = augment(HorizontalFlip(1.0, classes="a"), images, y, classes=("a", "b"))
    assert torch.equal(changed[0], images[0].flip(-1))
    assert torch.equal(changed[1], images[1])


# ---- order, perspective, memory ------------------------------------------------------------------------


class ShiftRight(MatrixWarp):
    """Shifts images three pixels to the right."""

    def sample(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return ()

    def matrix(self, draw: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
        return torch.tensor([[1.0, 0.0, -3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])[None]


class Enlarge(MatrixWarp):
    """Doubles the size of images."""

    def sample(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return ()

    def matrix(self, draw: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
        return torch.diag(torch.tensor([0.5, 0.5, 1.0]))[None]


@pytest.mark.parametrize(
    ("recipe", "position"), [([ShiftRight(), Enlarge()], 16 + 6), ([Enlarge(), ShiftRight()], 16 + 3)]
)
def test_spatial_transforms_act_in_the_order_of_the_recipe(
    recipe: Any, position: int, augment: Callable[..., Tensor]
) -> None:
    pixel = torch.zeros(1, 1, 33, 33, dtype=torch.float64)
    pixel[..., 16, 16] = 1.0
    columns = augment(recipe, pixel)[0, 0].sum(0)
    assert int(columns.argmax()) == position


def test_perspective_is_not_replaced_by_an_affine_map(augment: Callable[..., Tensor]) -> None:
    images = torch.rand(5, 1, 9, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    technique = Perspective(0.5)
    _, *draw = technique.draw(images, images, torch.Generator().manual_seed(0))
    matrix = technique.matrix(tuple(d.double() for d in draw), (9, 12))
    expected = warp_images(images, matrix, None, "black", 0.0, affine=False)
    torch.testing.assert_close(augment(technique, images), expected, rtol=0, atol=1e-12)


def test_the_batch_of_the_user_is_not_overwritten(augment: Callable[..., Tensor]) -> None:
    images = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    before = images.clone()
    halves = [Brightness(0.5, p=0.5), Contrast(0.5, p=0.5), CutOut(0.5, p=0.5)]
    for recipe in (halves, halves[::-1], [HorizontalFlip(0.5), *halves]):
        assert not torch.equal(augment(recipe, images), before)
        assert torch.equal(images, before)
