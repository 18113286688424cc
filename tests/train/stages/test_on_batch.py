"""The OnBatch stage: order of the transforms, class probabilities, and what techniques require of the data."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Inputs, Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import BatchTransform, Draw
from goodfit.technique import knob
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_batch import BatchTransforms, DataStats, check_batch, check_targets, input_scale
from goodfit.train.stages.on_model import Attachment


class Affine(BatchTransform):
    """x → factor · x + 1."""

    factor: float = knob(2.0)

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return self.factor * x + 1, y


class Negate(Affine):
    """x → −x."""

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return -x, y


def transforms(
    recipe: Recipe, classes: int = 2, scale: Tensor | None = None, inputs: Inputs | None = None
) -> BatchTransforms:
    stats = DataStats([str(i) for i in range(classes)], torch.ones(()) if scale is None else scale, inputs or Inputs())
    attachment = Attachment(nn.Identity(), StepContext(torch.Generator().manual_seed(0)))
    return BatchTransforms(recipe, attachment, stats)


def no_gradient(x: Tensor, y: Tensor) -> Tensor:
    raise AssertionError("no technique needs the gradient of the inputs")


def test_transforms_act_in_the_order_of_the_recipe_on_class_probabilities() -> None:
    x, y = torch.tensor([[3.0], [0.0]]), torch.tensor([1, 0])
    first, soft = transforms(Recipe((Affine(2.0), Negate())))(x, y, no_gradient)
    assert first.tolist() == [[-7.0], [-1.0]]
    assert soft.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    second, _ = transforms(Recipe((Negate(), Affine(2.0))))(x, y, no_gradient)
    assert second.tolist() == [[-5.0], [1.0]]


def test_augmentations_come_first_and_keep_class_indices() -> None:
    x, y = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([1])
    images = Inputs("image", 0.0, 1.0)
    flipped, same = transforms(Recipe.of("horizontal_flip=1.0"), inputs=images)(x, y, no_gradient)
    assert flipped.tolist() == [[[[2.0, 1.0]]]]
    assert same is y
    mask = torch.tensor([False])
    unchanged, _ = transforms(Recipe.of("horizontal_flip=1.0"), inputs=images)(x, y, no_gradient, mask)
    assert torch.equal(unchanged, x)


def test_an_attack_moves_inputs_along_the_sign_of_the_gradient_in_units_of_the_scale() -> None:
    x, y = torch.tensor([[1.0, 1.0]]), torch.tensor([0])
    moved, _ = transforms(Recipe.of("fgsm=0.5"), scale=torch.tensor([2.0, 4.0]))(
        x, y, lambda x, y: torch.tensor([[3.0, -0.1]])
    )
    assert moved.tolist() == [[1.0 + 0.5 * 2.0, 1.0 - 0.5 * 4.0]]


def test_masks_become_probabilities_of_pixels() -> None:
    y = torch.tensor([[[0, 1], [2, 0]]])
    soft = transforms(Recipe.of("label_smoothing=0.1"), classes=3).probabilities(torch.zeros(1, 1, 2, 2), y)
    assert soft.shape == (1, 3, 2, 2)
    assert torch.equal(soft.argmax(1), y)


def test_the_scale_of_inputs() -> None:
    assert input_scale(torch.tensor([[0.0, 5.0], [4.0, 5.0]])).tolist() == [2.0, 0.0]
    assert float(input_scale(torch.tensor([[[0.0], [2.0]]]))) == 1.0  # one number unless the inputs are a table
    assert float(input_scale(torch.tensor([[1, 2]]))) == 1.0  # integers


def test_statistics_of_the_training_rows(three_class_split: Split, regression_split: Split) -> None:
    stats = DataStats.of(three_class_split, Recipe.of("fgsm"))
    assert stats.class_shares is not None
    assert float(stats.class_shares.sum()) == pytest.approx(1.0)
    assert torch.equal(stats.scale, three_class_split.train.x.std(0, correction=0))
    plain = DataStats.of(regression_split, Recipe())
    assert (plain.classes, plain.class_shares, plain.scale.shape) == ((), None, ())


def test_techniques_that_do_not_fit_the_data_are_refused() -> None:
    numbers = DataStats([], torch.ones(()), Inputs())
    labels = DataStats(["a", "b"], torch.ones(()), Inputs())
    with pytest.raises(InputError, match="LabelSmoothing: it acts on class labels; the target is a number"):
        check_targets(Recipe.of("label_smoothing"), numbers)
    with pytest.raises(InputError, match="TargetNoise: it acts on numbers; the target has classes"):
        check_targets(Recipe.of("target_noise"), labels)
    with pytest.raises(InputError, match=r"MixUp: the inputs must be numbers that can be blended, got torch\.int64"):
        check_batch(transforms(Recipe.of("mixup")), torch.zeros(2, 3, dtype=torch.long), torch.zeros(2))
    grouped = transforms(Recipe.of("swap_noise"), inputs=Inputs(groups=((0, 2), (2, 5))))
    with pytest.raises(
        InputError, match=r"inputs: groups must be ranges of columns .*, got groups=.* for inputs of shape \(2, 3\)"
    ):
        check_batch(grouped, torch.zeros(2, 3), torch.zeros(2))
