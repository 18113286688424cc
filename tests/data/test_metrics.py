import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from goodfit.data import METRICS, default_metric, load, metric
from goodfit.data.metrics import log_odds
from goodfit.errors import InputError

LOGITS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 4, (200,), generator=torch.Generator().manual_seed(1))
Y, HIT = LABELS.numpy(), LOGITS.argmax(1).numpy()
P = LOGITS.double().softmax(1).numpy()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", sk.accuracy_score(Y, HIT)),
        ("balanced_accuracy", sk.balanced_accuracy_score(Y, HIT)),
        ("f1_macro", sk.f1_score(Y, HIT, average="macro")),
        ("roc_auc", sk.roc_auc_score(Y, P, multi_class="ovr")),
        ("log_loss", sk.log_loss(Y, P)),
    ],
)
def test_classes_equal_scikit_learn(name: str, expected: float) -> None:
    assert metric(name)(LOGITS, LABELS) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.needs != "values"])
@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_one_logit_equals_two(name: str, shape: tuple[int, ...]) -> None:
    one, y = LOGITS[:, 0], (LABELS > 1).long()
    two = torch.stack([torch.zeros_like(one), one], 1)
    assert metric(name)(one.reshape(shape), y) == pytest.approx(metric(name)(two, y), abs=1e-6)


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_values_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    y, out = LOGITS[:, :1], LOGITS[:, :1] * 0.5 + LOGITS[:, 1:2]
    a, b = y.numpy(), out.numpy()
    assert metric("r2")(out.reshape(shape), y) == pytest.approx(sk.r2_score(a, b), abs=1e-5)
    assert metric("mae")(out, y.reshape(shape)) == pytest.approx(sk.mean_absolute_error(a, b), abs=1e-5)
    assert metric("rmse")(out, y) == pytest.approx(math.sqrt(sk.mean_squared_error(a, b)), abs=1e-5)


def test_confident_logits_keep_their_ranking() -> None:
    """Logits so large that their probabilities are all 1.0."""
    logits, y = torch.tensor([50.0, 60.0, 70.0, 80.0]), torch.tensor([0, 0, 1, 1])
    assert metric("roc_auc")(logits, y) == 1
    assert metric("roc_auc")(-logits, y) == 0
    three = torch.stack([torch.zeros(4), torch.zeros(4), logits], 1)
    # One against the rest: class 0 by falling logits of class 2 (1.0), class 2 by rising ones (1.0).
    assert metric("roc_auc")(three, y * 2) == 1


def test_log_odds_equal_the_plain_formula() -> None:
    assert np.allclose(log_odds(LOGITS), np.log(P / (1 - P)))
    assert np.allclose(log_odds(LOGITS[:, 0]), np.stack([-LOGITS[:, 0], LOGITS[:, 0]], 1))
    assert log_odds(torch.tensor([[0.0, 100.0, 0.0]]))[0, 1] == pytest.approx(100 - math.log(2))


def test_undefined_is_nan() -> None:
    assert math.isnan(metric("roc_auc")(LOGITS[:, :2], torch.zeros(200, dtype=torch.long)))
    for name, m in METRICS.items():
        broken = LOGITS[:, :1].clone() if m.needs == "values" else LOGITS.clone()
        broken[3, 0] = math.nan
        y = LOGITS[:, :1] if m.needs == "values" else LABELS
        assert math.isnan(metric(name)(broken, y))


def test_absent_classes_do_no_harm() -> None:
    y = LABELS.clamp(max=2)
    for name in ("balanced_accuracy", "f1_macro", "roc_auc", "log_loss"):
        assert math.isfinite(metric(name)(LOGITS, y))
    present = y.numpy()
    recalls = [(HIT[present == c] == c).mean() for c in range(3)]
    assert metric("balanced_accuracy")(LOGITS, y) == pytest.approx(np.mean(recalls))


@pytest.mark.parametrize(
    ("name", "outputs", "targets"),
    [
        ("accuracy", torch.zeros(3, 2), torch.zeros(2, dtype=torch.long)),
        ("accuracy", torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)),
        ("accuracy", torch.zeros(3, 2), torch.zeros(3, 2)),
        ("accuracy", torch.zeros(3, 2), torch.tensor([0, 1, 2])),
        ("accuracy", torch.zeros(3, 2, 2), torch.tensor([0, 1, 2])),
        ("r2", torch.zeros(3, 2), torch.zeros(3)),
    ],
)
def test_shapes_that_do_not_fit(name: str, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    with pytest.raises(InputError, match=f"^{name}: "):
        metric(name)(outputs, targets)


def test_names() -> None:
    with pytest.raises(InputError, match="Did you mean 'accuracy'"):
        metric("acuracy")
    assert [m.name for m in METRICS.values() if not m.higher_is_better] == ["log_loss", "rmse", "mae"]


def test_default_metric() -> None:
    spec = load("breast_cancer").split().spec
    assert default_metric(spec, torch.tensor([0, 0, 1])) == "balanced_accuracy"
    assert default_metric(spec, torch.tensor([0, 0, 0, 1, 1])) == "accuracy"
    assert default_metric(spec, np.array([0, 0, 0])) == "balanced_accuracy"
    assert default_metric(load("diabetes").split().spec, torch.zeros(3, 1)) == "r2"
