import numpy as np
import pytest
import torch

from goodfit.data import METRICS, metric
from goodfit.data.metrics import counts as counts_module
from goodfit.data.metrics import leave_one_out_of_counts, mask_counts, score_of_counts
from goodfit.errors import InputError

LABELS = [n for n, m in METRICS.items() if m.needs == "labels"]
GENERATOR = torch.Generator().manual_seed(0)
TARGETS = torch.randint(0, 3, (6, 5, 7), generator=GENERATOR)
PREDICTED = torch.where(torch.rand(6, 5, 7, generator=GENERATOR) < 0.6, TARGETS, 1)
TARGETS[1:] = TARGETS[1:].clamp(max=1)  # the last class occurs in the first image only


def test_counts_of_each_image() -> None:
    counts = mask_counts(PREDICTED, TARGETS, 4)
    assert counts.dtype == np.int64
    assert counts.shape == (6, 3, 4)
    for row, (y, predicted) in enumerate(zip(TARGETS, PREDICTED, strict=True)):
        for k in range(4):
            expected = [y == k, predicted == k, (y == k) & (predicted == k)]
            assert counts[row, :, k].tolist() == [int(pixels.sum()) for pixels in expected]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_types_and_parts_do_not_matter(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = mask_counts(PREDICTED, TARGETS, 3)
    monkeypatch.setattr(counts_module, "PIXELS_AT_ONCE", 70)  # two images
    assert np.array_equal(mask_counts(PREDICTED.to(dtype), TARGETS.to(dtype), 3), counts)


@pytest.mark.parametrize("name", LABELS)
def test_scores_of_counts(name: str) -> None:
    counts, of = mask_counts(PREDICTED, TARGETS, 3), metric(name)
    assert score_of_counts(of, counts) == of.of_classes(PREDICTED, TARGETS, 3)
    rows = torch.arange(6)
    expected = [of.of_classes(PREDICTED[rows != row], TARGETS[rows != row], 3) for row in rows]
    assert leave_one_out_of_counts(of, counts).tolist() == expected


@pytest.mark.parametrize("name", LABELS)
def test_no_image_is_left(name: str) -> None:
    counts = mask_counts(PREDICTED[:1], TARGETS[:1], 3)
    assert np.isnan(leave_one_out_of_counts(metric(name), counts)).tolist() == [True]
    none = mask_counts(PREDICTED[:0], TARGETS[:0], 3)
    assert none.shape == (0, 3, 3)
    assert np.isnan(score_of_counts(metric(name), none))


@pytest.mark.parametrize("name", [n for n in METRICS if n not in LABELS])
def test_other_metrics_are_refused(name: str) -> None:
    counts = mask_counts(PREDICTED, TARGETS, 3)
    for function in (score_of_counts, leave_one_out_of_counts):
        with pytest.raises(InputError, match=f"{name}: masks are scored by their predicted classes"):
            function(metric(name), counts)


def test_counts_of_another_shape_are_refused() -> None:
    for shape in [(3, 4), (2, 4, 3)]:
        with pytest.raises(InputError, match="accuracy: counts must have the shape"):
            score_of_counts(metric("accuracy"), np.zeros(shape, dtype=np.int64))


def test_masks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="mask_counts: predicted and targets must have the same shape"):
        mask_counts(PREDICTED[:2], TARGETS, 3)
    with pytest.raises(InputError, match="mask_counts: predicted and targets must have the same shape"):
        mask_counts(torch.zeros(3).long(), torch.zeros(3).long(), 3)
    with pytest.raises(InputError, match=r"mask_counts: targets must be in \[0, 1\], got 0…2"):
        mask_counts(PREDICTED.clamp(max=1), TARGETS, 2)
    with pytest.raises(InputError, match=r"mask_counts: predicted must be in \[0, 2\], got -1…"):
        mask_counts(PREDICTED - 1, TARGETS, 3)
