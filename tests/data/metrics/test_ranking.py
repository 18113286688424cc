import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from goodfit.data.metrics import metric

SCORES = {"roc_auc": roc_auc_score, "average_precision": average_precision_score}


def test_average_precision_by_hand() -> None:
    y = torch.tensor([0, 1, 0, 1])
    # Precisions at the positive rows: 1/2 and 2/4; all tied 2/4; 1 and 2/3, the latter at a tie; 1 and 1.
    scores = [[1.0, 2.0, 3.0, 0.5], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 2.0], [0.0, 5.0, 1.0, 2.0]]
    expected = [1 / 2, 1 / 2, (1 + 2 / 3) / 2, 1.0]
    assert metric("average_precision").each(torch.tensor(scores), y) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_two_classes_with_ties_equal_scikit_learn(name: str, rows: list[tuple[int, bool]]) -> None:
    logits, y = (np.array(column) for column in zip(*rows, strict=True))
    score = metric(name)(torch.tensor(logits, dtype=torch.float64), torch.tensor(y).long())
    if y.all() or not y.any():
        assert math.isnan(score)
    else:
        assert score == pytest.approx(SCORES[name](y, logits), abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_classes_that_do_not_occur_are_not_counted(name: str) -> None:
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.arange(40) % 2 * 3
    p = logits.softmax(1).numpy()
    expected = np.mean([SCORES[name](y.numpy() == k, p[:, k]) for k in (0, 3)])
    assert metric(name)(logits, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_logits_whose_probabilities_are_rounded_to_one(name: str) -> None:
    assert metric(name)(torch.tensor([50.0, 60.0, 70.0, 80.0]), torch.tensor([0, 0, 1, 1])) == 1
