import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from goodfit.data import metric
from goodfit.data.metrics import classification, leave_one_out
from goodfit.data.metrics.classification import LABEL_METRICS, class_counts

LOGITS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 4, (200,), generator=torch.Generator().manual_seed(1))
Y, PREDICTED = LABELS.numpy(), LOGITS.argmax(1).numpy()
P = LOGITS.double().softmax(1).numpy()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", sk.accuracy_score(Y, PREDICTED)),
        ("balanced_accuracy", sk.balanced_accuracy_score(Y, PREDICTED)),
        ("f1_macro", sk.f1_score(Y, PREDICTED, average="macro")),
        ("roc_auc", sk.roc_auc_score(Y, P, multi_class="ovr")),
        ("log_loss", sk.log_loss(Y, P)),
    ],
)
def test_classes_equal_scikit_learn(name: str, expected: float) -> None:
    assert metric(name)(LOGITS, LABELS) == pytest.approx(expected, abs=1e-6)


def test_confident_logits_keep_their_ranking() -> None:
    """Logits so large that their probabilities are all 1.0."""
    logits, y = torch.tensor([50.0, 60.0, 70.0, 80.0]), torch.tensor([0, 0, 1, 1])
    assert metric("roc_auc")(logits, y) == 1
    assert metric("roc_auc")(-logits, y) == 0
    three = torch.stack([torch.zeros(4), torch.zeros(4), logits], 1)
    # One against the rest: class 0 by falling logits of class 2 (1.0), class 2 by rising ones (1.0).
    assert metric("roc_auc")(three, y * 2) == 1


def test_counts_per_class_by_hand() -> None:
    y, predicted = np.array([[0, 0, 1, 2]]), np.array([[0, 1, 1, 1], [2, 2, 2, 2]])
    rows, first, second = [2, 1, 1], [[1, 3, 0], [1, 1, 0]], [[0, 0, 4], [0, 0, 1]]
    assert class_counts(y, predicted, 3).tolist() == [[rows, *first], [rows, *second]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 2 / 4),
        ("balanced_accuracy", 1.5 / 3),
        ("f1_macro", (2 / 3 + 2 / 4) / 3),
        ("iou", (1 / 2 + 1 / 3) / 3),
    ],
)
def test_functions_of_counts_by_hand(name: str, expected: float) -> None:
    counts = np.array([[2, 1, 1], [1, 3, 0], [1, 1, 0]])
    assert LABEL_METRICS[name](counts) == pytest.approx(expected, abs=1e-15)
    assert LABEL_METRICS[name](np.stack([counts, counts])[:, None]).shape == (2, 1)


def test_parts_of_rows_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = leave_one_out(metric("f1_macro"), LOGITS, LABELS)
    monkeypatch.setattr(classification, "ROWS_AT_ONCE", 7)
    assert np.array_equal(leave_one_out(metric("f1_macro"), LOGITS, LABELS), whole)
