"""Segmentation: networks that predict a class for each pixel, with every technique that supports masks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from goodfit import InputError, Training, attach, fit, fit_many, load, run_study
from goodfit.custom_transform import CustomTransform
from goodfit.data import Split, metric
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.study import Protocol
from goodfit.study.design import design
from goodfit.train.run import same
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_model import Attachment
from goodfit.train.trainer import Trainer

QUICK = Training(epochs=2, batch_size=16)


def disks(rows: int = 48, side: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images of bright disks of two sizes on noise, and their masks: 0 outside, 1 or 2 inside by the size."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    images, masks = np.zeros((rows, side, side), np.uint8), np.zeros((rows, side, side), np.uint8)
    for i in range(rows):
        kind, (top, left) = 1 + i % 2, rng.uniform(3, side - 4, 2)
        inside = (y - top) ** 2 + (x - left) ** 2 < (2 + kind) ** 2
        images[i] = np.clip(rng.normal(60, 30, (side, side)) + 120 * inside, 0, 255)
        masks[i][inside] = kind
    return images, masks


@pytest.fixture(scope="module")
def split() -> Split:
    return load(disks()).split()


def test_metrics_count_pixels() -> None:
    torch.manual_seed(0)
    output, y = torch.randn(4, 3, 5, 6), torch.randint(0, 3, (4, 5, 6))
    predicted = output.argmax(1)
    expected = jaccard_score(y.flatten(), predicted.flatten(), average="macro")
    assert metric("iou")(output, y) == pytest.approx(expected, abs=1e-12)
    assert metric("iou").of_classes(predicted.byte(), y.byte(), 3) == pytest.approx(expected, abs=1e-12)
    assert metric("iou").each(torch.stack([output, -output]), y)[0] == pytest.approx(expected, abs=1e-12)
    assert metric("accuracy")(output, y) == pytest.approx(float((predicted == y).float().mean()))
    with pytest.raises(InputError, match="roc_auc: masks are scored by their predicted classes"):
        metric("roc_auc").of_classes(predicted, y, 3)


def test_a_network_learns_masks(split: Split) -> None:
    run = fit("unet:8-16", split, "", Training(epochs=30, batch_size=16, learning_rate=0.01))
    assert run.metric == "iou"
    assert run.row["stop_iou"] > 0.75
    assert run.row["stop_loss"] < 0.5 * run.metadata["baseline_loss"]
    masks = run.predict(split.test.x)
    assert masks.shape == tuple(split.test.y.shape)
    score = jaccard_score(split.test.y.flatten(), masks.flatten(), average="macro")
    assert metric("iou")(run.outputs(split.test.x), split.test.y) == pytest.approx(score, abs=1e-12)
    assert np.allclose(run.probabilities(split.test.x).sum(1), 1)
    assert np.array_equal(run.probabilities(split.test.x).argmax(1), masks)


def test_the_baseline_loss_uses_the_class_shares_of_pixels(split: Split) -> None:
    run = fit("unet:4-4", split, "", Training(epochs=1, batch_size=16))
    counts = np.bincount(split.train.y.flatten()) + 0.5
    expected = -np.log(counts / counts.sum())[split.stop.y.numpy()].mean()
    assert run.metadata["baseline_loss"] == pytest.approx(expected, rel=1e-5)


RECIPES = [
    "rotation=20, zoom=0.2", "horizontal_flip", "elastic=2, perspective=0.2", "rand_augment", "mixup", "cutmix",
    "label_smoothing", "disturb_label", "class_weights", "confidence_penalty", "spectral_decoupling",
    "r_drop, dropout=0.2", "manifold_mixup", "fgsm", "ema=0.5", "snapshot_ensemble=2", "spatial_dropout=0.2",
    "l1=0.001",
]  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_techniques_act_on_masks(split: Split, recipe: str) -> None:
    plain, run = (fit("unet:4-4", split, r, QUICK, seed=1) for r in ("", recipe))
    assert math.isfinite(run.row["stop_loss"])
    assert run.history["batch_loss"] != plain.history["batch_loss"] or not same(run.last, plain.last)


@pytest.mark.parametrize(
    "recipe", ["rotation=20, zoom=0.2, label_smoothing", "cutmix, l2=0.01", "class_weights, mixup"]
)
def test_members_of_a_population_equal_their_solo_runs(split: Split, recipe: str) -> None:
    runs = [fit_many("unet:4-4", split, [recipe], QUICK, seeds=(0, 1), population=p) for p in (True, False)]
    for one, other in zip(*runs, strict=True):
        assert one.history["stop_loss"] == pytest.approx(other.history["stop_loss"], rel=1e-4)
        assert one.history["stop_iou"] == pytest.approx(other.history["stop_iou"], abs=2e-3)


def test_cutmix_cuts_images_and_masks_alike() -> None:
    x = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 1, 6, 6).clone()
    stats = DataStats([str(i) for i in range(8)], torch.ones(()), load(disks(8)).split().spec.inputs)
    transforms = BatchTransforms(
        Recipe.of("cutmix"), Attachment(torch.nn.Identity(), StepContext(torch.Generator())), stats
    )
    mixed, y = transforms(x, x[:, 0].long(), lambda x, y: x)
    assert torch.equal(y.argmax(1), mixed[:, 0].long())
    assert not torch.equal(mixed, x)


def test_masks_of_probabilities_move_like_masks_of_classes(split: Split) -> None:
    x, y = split.train.x, split.train.y
    probabilities = torch.nn.functional.one_hot(y.long(), 3).movedim(-1, 1).float()
    moved = []
    for masks in (y, probabilities):
        context = StepContext(torch.Generator().manual_seed(4))
        moved.append(
            BatchAugmenter(Recipe.of("rotation=40, zoom=0.3, elastic=1"), context, split.spec.inputs, ())(x, masks)[1]
        )
    assert torch.equal(moved[1].argmax(1), moved[0].long())
    assert set(moved[1].sum(1).unique().tolist()) == {0.0, 1.0}  # 0 for pixels from beyond the border
    assert not torch.equal(moved[0], y)


def test_numeric_targets_of_one_channel_move_like_masks(split: Split) -> None:
    """Such as masks as floats for one logit, or depths."""
    x, depth = split.train.x, split.train.x.abs()
    context, recipe = StepContext(torch.Generator().manual_seed(4)), Recipe.of("horizontal_flip(1.0)")
    flipped = BatchAugmenter(recipe, context, split.spec.inputs, ())(x, depth)[1]
    assert torch.equal(flipped, depth.flip(-1))
    rotated = BatchAugmenter(Recipe.of("rotation=40"), context, split.spec.inputs, ())(x, depth)[1]
    assert set(rotated.unique().tolist()) <= {0.0, *depth.unique().tolist()}
    assert float(rotated.std()) > 0


def test_techniques_without_an_equivalent_for_masks_are_refused(split: Split) -> None:
    cases: list[tuple[str | Recipe, str]] = [
        ("class_balance", "targets that are labels, but the task is segmentation"),
        ("smote", "the targets must be one class number per row"),
        ("target_noise", "targets that are numbers, but the task is segmentation|it acts on numbers"),
        (Recipe.of("rotation(15, classes='1')"), "classes= selects samples by class; the targets are masks"),
        (Recipe((CustomTransform(lambda x: x.flip(-1)),)), "it has no equivalent for masks; the targets are masks"),
    ]
    for recipe, error in cases:
        with pytest.raises(InputError, match=error):
            fit("unet:4-4", split, recipe, QUICK)
    values_only = Recipe((CustomTransform(lambda x: x * 0.5, moves_pixels=False),))
    assert fit("unet:4-4", split, values_only, Training(epochs=1, batch_size=16)).epochs == 1


def test_networks_and_metrics_that_do_not_fit_masks_are_refused(split: Split) -> None:
    with pytest.raises(InputError, match=r"the output must be 3 logit\(s\) for each of \(12, 12\) pixels"):
        fit("cnn:4", split, "", QUICK)
    with pytest.raises(InputError, match="masks are scored by their predicted classes; choose one of accuracy"):
        fit("unet:4-4", split, "", Training(epochs=1, metric="log_loss"))


def test_two_classes_may_have_one_logit() -> None:
    x, y = disks()
    split = load((x, y > 0)).split()
    run = fit(build("unet:4-8", (1, 12, 12), 1, 0), split, "label_smoothing, rotation=10, r_drop, dropout=0.1",
              Training(epochs=12, batch_size=16, learning_rate=0.01))  # fmt: skip
    assert run.loss == "binary_cross_entropy"
    assert run.row["stop_iou"] > 0.6
    assert run.probabilities(split.test.x).shape == (len(split.test), 2, 12, 12)


def test_a_study_of_masks_compares_by_iou() -> None:
    data, protocol = load(disks()), Protocol(folds=2, repeats=1)
    study = run_study(data, "unet:4-4", ["rotation=10", "label_smoothing"], QUICK, protocol=protocol)
    assert study.metric == "iou"
    part, scores = design(protocol, data).folds[0].split().validation, study.fits_frame()["score"]
    for label, score in zip(study.labels, scores, strict=False):  # of the first fold, whose networks are kept
        masks = study.run_of(label).predict(part.x)
        assert score == pytest.approx(jaccard_score(part.y.flatten(), masks.flatten(), average="macro"))
    assert len(scores) == 6


def test_default_candidates_of_a_study_support_masks(split: Split) -> None:
    from goodfit.study.candidates import default_candidates

    labels = [c.label for c in default_candidates(split.spec)]
    assert "cutmix" in labels
    assert "rotation=10.0" in labels
    for candidate in default_candidates(split.spec):
        assert fit("unet:4-4", split, candidate.recipe, Training(epochs=1, batch_size=16)).epochs == 1


def test_attach_transforms_masks_with_their_images(split: Split) -> None:
    x, y = split.train.x, split.train.y
    network = build("unet:4-4", (1, 12, 12), 3, 0)
    optimizer = torch.optim.Adam(network.parameters())
    with attach(network, "rotation=90, cutmix, ema=0.5", optimizer, data=(x, y), epochs=1, steps_per_epoch=2) as reg:
        for _ in range(2):
            xb, yb = reg.batch(x[:16], y[:16])
            assert yb.shape == (16, 3, 12, 12)
            torch.nn.functional.cross_entropy(network(xb), yb).backward()
            reg.step()
    network = build("unet:4-4", (1, 12, 12), 3, 0)
    with attach(network, "horizontal_flip(1.0)", data=(x, y)) as reg:
        xb, yb = reg.batch(x[:4], y[:4])
        assert torch.equal(yb, y[:4].flip(-1))
        assert torch.equal(xb, x[:4].flip(-1))


def test_a_technique_that_masks_do_not_fit_is_refused_before_any_run(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs: list[int] = []
    monkeypatch.setattr(Trainer, "train_epoch", lambda trainer, epoch: epochs.append(epoch))
    with pytest.raises(InputError, match="HorizontalFlip: classes= selects samples by class; the targets are masks"):
        fit_many("unet:4", split, ["", "horizontal_flip(0.5, classes='1')"], QUICK)
    assert not epochs
