"""Networks that name a class for each pixel: everything from the split to the score, with every technique that can."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from goodfit import InputError, Training, attach, fit, fit_many, load, run_study
from goodfit.custom_transform import CustomTransform
from goodfit.data import metric
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.train.losses import LOSSES
from goodfit.train.run import same
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_model import Attachment

QUICK = Training(epochs=2, batch_size=16)


def toy(rows=48, side=12, seed=0):
    """Bright disks of two sizes on noise; masks say which."""
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
def split():
    return load(toy()).split()


def test_losses_are_those_of_pixels():
    torch.manual_seed(0)
    output, y = torch.randn(4, 3, 5, 6, dtype=torch.float64), torch.randint(0, 3, (4, 5, 6))
    log_p = output - output.logsumexp(1, keepdim=True)
    expected = torch.stack([-log_p[i, y[i, a, b], a, b] for i in range(4) for a in range(5) for b in range(6)])
    for given in (y, y.byte(), torch.nn.functional.one_hot(y).movedim(-1, 1).double()):
        assert torch.allclose(LOSSES["cross_entropy"](output, given).flatten(), expected, atol=1e-12)
    two = output[:, :1]
    p = torch.sigmoid(two[:, 0])
    wanted = -torch.where(y > 0, p, 1 - p).log()
    assert torch.allclose(LOSSES["binary_cross_entropy"](two, (y > 0).byte()), wanted, atol=1e-12)


def test_iou_is_that_of_all_pixels():
    torch.manual_seed(0)
    output, y = torch.randn(4, 3, 5, 6), torch.randint(0, 3, (4, 5, 6))
    hit = output.argmax(1)
    expected = jaccard_score(y.flatten(), hit.flatten(), average="macro")
    assert metric("iou")(output, y) == pytest.approx(expected, abs=1e-12)
    assert metric("iou").of_classes(hit.byte(), y.byte(), 3) == pytest.approx(expected, abs=1e-12)
    assert metric("iou").each(torch.stack([output, -output]), y)[0] == pytest.approx(expected, abs=1e-12)
    assert metric("accuracy")(output, y) == pytest.approx(float((hit == y).float().mean()))
    with pytest.raises(InputError, match="roc_auc: masks are scored by their predicted classes"):
        metric("roc_auc").of_classes(hit, y, 3)


def test_a_network_learns_masks(split):
    run = fit("unet:8-16", split, "", Training(epochs=30, batch_size=16, learning_rate=0.01))
    assert run.metric == "iou"
    assert run.row["stop_iou"] > 0.75
    assert run.row["stop_loss"] < 0.5 * run.metadata["baseline_loss"]
    named = run.predict(split.test.x)
    assert named.shape == tuple(split.test.y.shape)
    score = jaccard_score(split.test.y.flatten(), named.flatten(), average="macro")
    assert metric("iou")(run.outputs(split.test.x), split.test.y) == pytest.approx(score, abs=1e-12)
    assert np.allclose(run.probabilities(split.test.x).sum(1), 1)
    assert np.array_equal(run.probabilities(split.test.x).argmax(1), named)


def test_the_trivial_loss_is_that_of_the_shares_of_pixels(split):
    run = fit("unet:4-4", split, "", Training(epochs=1, batch_size=16))
    counts = np.bincount(split.train.y.flatten()) + 0.5
    expected = -np.log(counts / counts.sum())[split.stop.y.numpy()].mean()
    assert run.metadata["baseline_loss"] == pytest.approx(expected, rel=1e-5)


WHOLE = [
    "rotation=20, zoom=0.2", "horizontal_flip", "elastic=2, perspective=0.2", "rand_augment", "mixup", "cutmix",
    "label_smoothing", "disturb_label", "class_weights", "confidence_penalty", "spectral_decoupling",
    "r_drop, dropout=0.2", "manifold_mixup", "fgsm", "ema=0.5", "snapshot_ensemble=2", "spatial_dropout=0.2",
    "l1=0.001",
]  # fmt: skip


@pytest.mark.parametrize("recipe", WHOLE)
def test_techniques_act_on_masks(split, recipe):
    plain, run = (fit("unet:4-4", split, r, QUICK, seed=1) for r in ("", recipe))
    assert math.isfinite(run.row["stop_loss"])
    assert run.history["batch_loss"] != plain.history["batch_loss"] or not same(run.last, plain.last)


@pytest.mark.parametrize(
    "recipe", ["rotation=20, zoom=0.2, label_smoothing", "cutmix, l2=0.01", "class_weights, mixup"]
)
def test_members_of_a_population_equal_their_solo_runs(split, recipe):
    runs = [fit_many("unet:4-4", split, [recipe], QUICK, seeds=(0, 1), population=p) for p in (True, False)]
    for one, other in zip(*runs, strict=True):
        assert one.history["stop_loss"] == pytest.approx(other.history["stop_loss"], rel=1e-4)
        assert one.history["stop_iou"] == pytest.approx(other.history["stop_iou"], abs=2e-3)


def test_cutmix_cuts_images_and_masks_alike():
    x = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 1, 6, 6).clone()
    stats = DataStats([str(i) for i in range(8)], torch.ones(()), load(toy(8)).split().spec.inputs)
    stage = BatchTransforms(Recipe.of("cutmix"), Attachment(torch.nn.Identity(), StepContext(torch.Generator())), stats)
    made, y = stage(x, x[:, 0].long(), lambda x, y: x)
    assert torch.equal(y.argmax(1), made[:, 0].long())
    assert not torch.equal(made, x)


def test_soft_masks_move_as_hard_ones_do(split):
    x, y = split.train.x, split.train.y
    soft = torch.nn.functional.one_hot(y.long(), 3).movedim(-1, 1).float()
    made = []
    for given in (y, soft):
        source = StepContext(torch.Generator().manual_seed(4))
        made.append(
            BatchAugmenter(Recipe.of("rotation=40, zoom=0.3, elastic=1"), source, split.spec.inputs, ())(x, given)[1]
        )
    assert torch.equal(made[1].argmax(1), made[0].long())
    assert set(made[1].sum(1).unique().tolist()) == {0.0, 1.0}  # nothing is known of what came in from beyond
    assert not torch.equal(made[0], y)


def test_targets_of_one_channel_move_as_they_are(split):
    """Masks as floats, as for a loss of one logit, and depths."""
    x, depth = split.train.x, split.train.x.abs()
    source, recipe = StepContext(torch.Generator().manual_seed(4)), Recipe.of("horizontal_flip(1.0)")
    made = BatchAugmenter(recipe, source, split.spec.inputs, ())(x, depth)[1]
    assert torch.equal(made, depth.flip(-1))
    turned = BatchAugmenter(Recipe.of("rotation=40"), source, split.spec.inputs, ())(x, depth)[1]
    assert set(turned.unique().tolist()) <= {0.0, *depth.unique().tolist()}
    assert float(turned.std()) > 0


def test_what_masks_cannot_follow_is_refused(split):
    for recipe, said in [
        ("class_balance", "targets that are labels, but the task is segmentation"),
        ("smote", "the targets must be one class number per row"),
        ("target_noise", "targets that are numbers, but the task is segmentation|it acts on numbers"),
        (Recipe.of("rotation(15, classes='1')"), "classes= names classes of samples; the targets are masks"),
        (Recipe((CustomTransform(lambda x: x.flip(-1)),)), "masks cannot follow what it does"),
    ]:
        with pytest.raises(InputError, match=said):
            fit("unet:4-4", split, recipe, QUICK)
    still = Recipe((CustomTransform(lambda x: x * 0.5, moves_pixels=False),))
    assert fit("unet:4-4", split, still, Training(epochs=1, batch_size=16)).epochs == 1


def test_networks_and_metrics_that_do_not_fit_are_refused(split):
    with pytest.raises(InputError, match=r"the output must be 3 logit\(s\) for each of \(12, 12\) pixels"):
        fit("cnn:4", split, "", QUICK)
    with pytest.raises(InputError, match="masks are scored by their predicted classes; choose one of accuracy"):
        fit("unet:4-4", split, "", Training(epochs=1, metric="log_loss"))


def test_two_classes_may_have_one_logit():
    x, y = toy()
    split = load((x, y > 0)).split()
    run = fit(build("unet:4-8", (1, 12, 12), 1, 0), split, "label_smoothing, rotation=10, r_drop, dropout=0.1",
              Training(epochs=12, batch_size=16, learning_rate=0.01))  # fmt: skip
    assert run.loss == "binary_cross_entropy"
    assert run.row["stop_iou"] > 0.6
    assert run.probabilities(split.test.x).shape == (len(split.test), 2, 12, 12)


def test_a_study_of_masks_compares_by_iou(split):
    study = run_study(load(toy()), "unet:4-4", ["rotation=10", "label_smoothing"], QUICK, seeds=2)
    assert study.metric == "iou"
    for trial in study.trials:
        part = load(toy()).split(trial.seed).validation
        named = trial.run.predict(part.x)
        assert trial.score == pytest.approx(jaccard_score(part.y.flatten(), named.flatten(), average="macro"))


def test_the_usual_study_fits_masks(split):
    from goodfit.study.candidates import default_candidates

    labels = [c.label for c in default_candidates(split.spec)]
    assert "cutmix" in labels
    assert "rotation=10.0" in labels
    for candidate in default_candidates(split.spec):
        assert fit("unet:4-4", split, candidate.recipe, Training(epochs=1, batch_size=16)).epochs == 1


def test_a_loop_of_ones_own_gets_moved_masks(split):
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
