import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from goodfit.data import METRICS, default_metric, load, metric
from goodfit.data.metrics import BOUNDED
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
    higher = [m.name for m in METRICS.values() if m.higher_is_better]
    assert higher == ["accuracy", "balanced_accuracy", "f1_macro", "iou", "roc_auc", "average_precision", "r2"]


@pytest.mark.parametrize("quantile", ["0.25", "0.9", "0.05", "5e-2", ".5"])
def test_pinball_losses_of_other_quantiles(quantile: str) -> None:
    y, f = LOGITS[:, 0], LOGITS[:, 1]
    expected = mean_pinball_loss(y.double(), f.double(), alpha=float(quantile))
    assert metric(f"pinball_{quantile}")(f, y) == pytest.approx(expected, abs=1e-14)
    assert metric(f"pinball_{quantile}").name == f"pinball_{quantile}"


@pytest.mark.parametrize("quantile", ["0", "1", "1.5", "-0.1", "nan", "inf"])
def test_quantiles_outside_the_range(quantile: str) -> None:
    with pytest.raises(InputError, match=rf"quantile .* must be in \(0, 1\), got 'pinball_{quantile}'"):
        metric(f"pinball_{quantile}")


@pytest.mark.parametrize("name", ["pinball_", "pinball_median", "pinball", "quantile_0.5", "my_pinball_0.5", "0.5"])
def test_names_that_are_no_pinball_losses(name: str) -> None:
    with pytest.raises(InputError, match=f"there is no '{name}'"):
        metric(name)


def test_the_score_of_predicted_classes_where_classes_are_absent() -> None:
    y = LABELS.clamp(max=2)
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "iou"):
        assert metric(name).of_classes(torch.from_numpy(PREDICTED), y, 6) == metric(name)(LOGITS, y)


def test_metrics_that_need_two_classes() -> None:
    one, two = torch.tensor([1, 1, 1]), torch.tensor([1, 0, 1])
    undefined = [name for name, m in METRICS.items() if not m.is_defined(one)]
    assert undefined == ["roc_auc", "average_precision"]
    assert all(m.is_defined(two) for m in METRICS.values())
    for name, m in METRICS.items():
        if m.needs != "values":
            assert math.isnan(m(torch.tensor([0.5, 2.0, -1.0]), one)) is (name in undefined)


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.parametrize("sign", [-1, 1])
def test_bounded_metrics(name: str, sign: int) -> None:
    confident = 80.0 * sign * torch.nn.functional.one_hot(LABELS, 4)
    assert 0 <= metric(name)(confident, LABELS) <= 1


def test_default_metric() -> None:
    spec = load("breast_cancer").split().spec
    assert default_metric(spec, torch.tensor([0, 0, 1])) == "balanced_accuracy"
    assert default_metric(spec, torch.tensor([0, 0, 0, 1, 1])) == "accuracy"
    assert default_metric(spec, np.array([0, 0, 0])) == "balanced_accuracy"
    assert default_metric(load("diabetes").split().spec, torch.zeros(3, 1)) == "r2"
