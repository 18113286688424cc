import math

import numpy as np
import pytest
import torch

from goodfit.data import METRICS, default_metric, load, metric
from goodfit.errors import InputError

LOGITS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 4, (200,), generator=torch.Generator().manual_seed(1))
Y, PREDICTED = LABELS.numpy(), LOGITS.argmax(1).numpy()
P = LOGITS.double().softmax(1).numpy()


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.needs != "values"])
@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_one_logit_equals_two(name: str, shape: tuple[int, ...]) -> None:
    one, y = LOGITS[:, 0], (LABELS > 1).long()
    two = torch.stack([torch.zeros_like(one), one], 1)
    assert metric(name)(one.reshape(shape), y) == pytest.approx(metric(name)(two, y), abs=1e-6)


def test_undefined_scores_are_nan() -> None:
    assert math.isnan(metric("roc_auc")(LOGITS[:, :2], torch.zeros(200, dtype=torch.long)))
    for name, m in METRICS.items():
        broken = LOGITS[:, :1].clone() if m.needs == "values" else LOGITS.clone()
        broken[3, 0] = math.nan
        y = LOGITS[:, :1] if m.needs == "values" else LABELS
        assert math.isnan(metric(name)(broken, y))


def test_absent_classes() -> None:
    y = LABELS.clamp(max=2)
    for name in ("balanced_accuracy", "f1_macro", "roc_auc", "log_loss"):
        assert math.isfinite(metric(name)(LOGITS, y))
    present = y.numpy()
    recalls = [(PREDICTED[present == c] == c).mean() for c in range(3)]
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
def test_invalid_shapes(name: str, outputs: torch.Tensor, targets: torch.Tensor) -> None:
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
