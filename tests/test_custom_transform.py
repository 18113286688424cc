"""A user's functions as techniques."""

from __future__ import annotations

import random
from collections.abc import Callable as Function
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.custom_transform import CustomTransform
from goodfit.data import Inputs, Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.store import save_run
from goodfit.techniques import L2, Rotation
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many

Augment = Function[..., Tensor]


def noisy(image: Tensor) -> Tensor:
    """Add noise from all three global generators."""
    return image + 0.1 * (torch.rand(()) + float(np.random.random()) + random.random())


def test_draws_differ_between_samples_and_depend_on_the_seed(augment: Augment) -> None:
    x, wide = torch.zeros(6, 1, 2, 2), Inputs("image", 0.0, 10.0)
    outputs = augment([CustomTransform(noisy)], x, inputs=wide)
    assert outputs[:, 0, 0, 0].unique().numel() == 6
    assert torch.equal(outputs, augment([CustomTransform(noisy)], x, inputs=wide))
    assert not torch.equal(outputs, augment([CustomTransform(noisy)], x, inputs=wide, seed=1))


def test_global_generators_are_restored(augment: Augment) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    augment([CustomTransform(noisy)], torch.zeros(3, 1, 2, 2))
    with pytest.raises(ZeroDivisionError):
        augment([CustomTransform(lambda image: 1 / 0)], torch.zeros(3, 1, 2, 2))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_images_arrive_between_zero_and_one(augment: Augment) -> None:
    received: list[Tensor] = []
    inputs, x = Inputs("image", -2.0, 3.0), torch.tensor([-2.0, 3.0, 0.5, 1.0]).reshape(1, 1, 2, 2)
    outputs = augment([CustomTransform(lambda image: (received.append(image), 1 - image)[1])], x, inputs=inputs)
    torch.testing.assert_close(received[0].flatten(), torch.tensor([0.0, 1.0, 0.5, 0.6]))
    torch.testing.assert_close(outputs, 1 - x)
    raw = augment([CustomTransform(lambda image: image + 1, unit_range=False)], x, inputs=inputs)
    assert torch.equal(raw, (x + 1).clamp(max=3.0))  # the range is kept, whatever a function does


def test_arrays_and_batches(augment: Augment) -> None:
    x = torch.rand(4, 3, 2, 2)
    assert torch.equal(augment([CustomTransform(lambda image: image.numpy()[..., ::-1].copy())], x), x.flip(-1))
    assert torch.equal(augment([CustomTransform(lambda images: images.flip(0), batched=True)], x), x.flip(0))


def test_p_and_classes(augment: Augment) -> None:
    x, y = torch.zeros(200, 1, 2, 2), torch.arange(200) % 2
    outputs = augment([CustomTransform(lambda image: image + 1, p=0.5, classes="b")], x, y, classes=("a", "b"))[
        :, 0, 0, 0
    ]
    assert float(outputs[y == 0].sum()) == 0
    assert 25 < float(outputs[y == 1].sum()) < 75


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CustomTransform("flip"), "CustomTransform: function must be callable, got function='flip'"),
        (
            lambda: CustomTransform(lambda image: image[:1]),
            r"must return the shape of its sample, \(3, 2, 2\), got \(1, 2, 2\)",
        ),
        (
            lambda: CustomTransform(lambda x: x[:1], batched=True),
            r"must return the shape of its batch, \(4, 3, 2, 2\), got \(1, 3",
        ),
    ],
)
def test_outputs_that_do_not_fit_are_refused(make: Any, message: str, augment: Augment) -> None:
    with pytest.raises(InputError, match=message):
        augment([make()], torch.rand(4, 3, 2, 2))


def test_in_training_and_in_a_study_of_many(image_split: Split) -> None:
    torch.manual_seed(0)
    model, training = nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), Training(epochs=2, batch_size=32)
    recipe = Recipe((CustomTransform(noisy), Rotation(10.0), L2(1e-3)))
    run = fit(model, image_split, recipe, training, progress=False)
    repeated = fit(model, image_split, recipe, training, progress=False)
    assert all(torch.equal(run.last[name], repeated.last[name]) for name in run.last)
    many = fit_many(model, image_split, [recipe, Recipe((CustomTransform(noisy), L2(1e-2)))], training, progress=False)
    assert [r.epochs for r in many] == [2, 2]  # type: ignore[union-attr]
    torch.testing.assert_close(many[0].last["1.weight"], run.last["1.weight"])  # type: ignore[union-attr]


def test_its_text_cannot_be_read_back() -> None:
    text = Recipe((CustomTransform(noisy), L2(1e-3))).text()
    assert text == "custom_transform, l2=0.001"
    with pytest.raises(
        InputError, match=r"custom_transform: a recipe's text cannot contain a function; pass CustomTransform\(…\) in"
    ):
        Recipe.of(text)


def test_a_function_cannot_be_stored(image_split: Split, tmp_path: Path) -> None:
    recipe = Recipe((CustomTransform(noisy), L2(1e-3)))
    for store in (recipe.to_list, recipe.to_yaml):
        with pytest.raises(InputError, match="CustomTransform: a function cannot be stored in a file; leave it out"):
            store()
    run = fit(
        nn.Sequential(nn.Flatten(), nn.Linear(image_split.train.x[0].numel(), 3)),
        image_split,
        "l2=0.1",
        Training(epochs=1),
        progress=False,
    )
    (tmp_path / "run.json").write_text("earlier")
    with pytest.raises(InputError, match="a function cannot be stored"):
        save_run(replace(run, recipe=recipe), tmp_path, force=True)
    assert [p.name for p in tmp_path.iterdir()] == ["run.json"]
