import math

import pytest
import torch

from goodfit.data.metrics import metric


def logits_of(*p: float) -> torch.Tensor:
    """Logits of the probabilities p of the second of two classes."""
    return torch.tensor(p, dtype=torch.float64).logit()


def test_the_brier_score_by_hand() -> None:
    p, y = (0.9, 0.2, 0.7), torch.tensor([1, 0, 0])
    assert metric("brier_score")(logits_of(*p), y) == pytest.approx((0.1**2 + 0.2**2 + 0.7**2) / 3, abs=1e-15)
    three = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64).log()
    assert metric("brier_score")(three, torch.tensor([1])) == pytest.approx(0.5**2 + 0.7**2 + 0.2**2, abs=1e-15)


def test_the_worst_brier_scores() -> None:
    wrong = torch.tensor([[500.0, 0.0]]), torch.tensor([1])
    assert metric("brier_score")(*wrong) == 1
    assert metric("brier_score")(torch.tensor([[500.0, 0.0, 0.0]]), torch.tensor([1])) == 2


def test_the_calibration_error_by_hand() -> None:
    # Confidences 0.9 and 0.88 share an interval, (13/15, 14/15]; 0.8 (of class 0) has another.
    outputs, y = logits_of(0.9, 0.88, 0.2), torch.tensor([1, 0, 0])
    expected = 2 / 3 * abs(0.89 - 1 / 2) + 1 / 3 * abs(0.8 - 1)
    assert metric("calibration_error")(outputs, y) == pytest.approx(expected, abs=1e-15)


def test_confidences_at_the_edges_of_intervals() -> None:
    """1/2 of two classes is inside an interval, 1 belongs to the last one, 1/3 of three classes to the fifth."""
    assert metric("calibration_error")(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1])) == 0
    assert metric("calibration_error")(torch.tensor([[500.0, 0.0]]), torch.tensor([0])) == 0
    assert metric("calibration_error")(torch.zeros(3, 3), torch.tensor([0, 1, 2])) == pytest.approx(0, abs=1e-15)


def test_a_calibrated_network_has_a_small_calibration_error() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, generator=generator, dtype=torch.float64) * 2
    y = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    assert metric("calibration_error")(logits, y) < 0.02 < 0.1 < metric("calibration_error")(logits * 4, y)


def test_the_log_loss_of_uniform_probabilities() -> None:
    assert metric("log_loss")(torch.zeros(2, 5), torch.tensor([1, 4])) == pytest.approx(math.log(5), abs=1e-15)
