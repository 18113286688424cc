import numpy as np
import pytest
import torch

from goodfit import InputError, load
from goodfit.data import Clips, from_tensors
from goodfit.data.masks import COLOR_OFFSET, as_masks, encode_masks, encode_test_masks


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 12, 10), np.uint8)


def test_masks_become_class_indices_in_the_order_of_their_values(images):
    y = np.where(images > 200, 255, np.where(images > 100, 7, 0))
    data = load((images, y))
    assert data.task == "segmentation"
    assert data.classes == ("0", "7", "255")
    assert data.y.dtype == np.uint8
    assert np.array_equal(data.y, (images > 100).astype(int) + (images > 200))


@pytest.mark.parametrize(
    "form", [lambda y: y[:, None], lambda y: y[..., None], lambda y: y.astype(float), torch.tensor]
)
def test_equivalent_forms_of_masks(images, form):
    y = (images > 100).astype(np.uint8)
    assert np.array_equal(load((images, form(y))).y, y)


def test_booleans_and_negative_numbers_are_classes(images):
    assert load((images, images > 100)).classes == ("0", "1")
    assert load((images, np.where(images > 100, 3, -1))).classes == ("-1", "3")
    assert np.array_equal(load((images, np.where(images > 100, 3, -1))).y, images > 100)


def test_colours_have_names():
    targets = encode_masks(np.array([[[0, COLOR_OFFSET + 0x80FF00]]]), "y")
    assert targets.classes == ("0", "#80ff00")


def test_splits_keep_image_and_mask_together(images):
    y = (images > 100).astype(np.uint8)
    split = load((images, y)).split(seed=3)
    assert split.how == "shuffle"
    for part in split.parts.values():
        assert part.y.dtype == torch.uint8
        assert torch.equal(part.y, torch.from_numpy(y[part.rows]))
    assert split.spec.task == "segmentation"
    assert split.spec.n_outputs == 2


def test_groups_of_masks(images):
    split = load((images, images > 100), groups=np.arange(30) // 3).split()
    groups = [set(part.rows // 3) for part in split.parts.values()]
    assert split.how == "grouped"
    assert not any(a & b for i, a in enumerate(groups) for b in groups[:i])


def test_an_official_test_part_has_the_same_classes(images, tmp_path):
    y = np.where(images > 100, 9, 4)
    np.savez(tmp_path / "m.npz", x_train=images, y_train=y, x_test=images[:4], y_test=y[:4])
    data = load(tmp_path / "m.npz")
    assert np.array_equal(data.split().test.y.numpy(), images[:4] > 100)
    with pytest.raises(InputError, match=r"class '5' is in the masks of the test part"):
        encode_test_masks(np.full((1, 2, 2), 5), "y", encode_masks(y, "y"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda x: np.zeros_like(x), "have a single class, '0'"),
        (lambda x: x + 0.5, "must hold whole numbers"),
        (lambda x: np.where(x > 9, np.nan, 1), "must hold whole numbers"),
        (lambda x: np.arange(x.size).reshape(x.shape), "at most 256, got 3,600 different values; save masks without"),
        (lambda x: x[:, :6] > 9, "size of their images, 12 × 10 .* got 6 × 10"),
        (lambda x: x[:9] > 9, "x has 30 rows but y has 9"),
        (lambda x: np.eye(3)[x % 3], "for one-hot masks use y.argmax"),
        (lambda x: (x > 9).astype(str), "hold <U5 values; whole numbers are needed"),
    ],
)
def test_invalid_masks_are_refused(images, y, message):
    with pytest.raises(InputError, match=message):
        load((images, y(images)))


def test_other_tasks_are_refused(images):
    with pytest.raises(InputError, match="task='classification' needs one target for each row"):
        load((images, images > 9), task="classification")
    with pytest.raises(InputError, match="task='segmentation' needs masks"):
        load((images, np.arange(30) % 2), task="segmentation")
    with pytest.raises(InputError, match=r"need images, but the kind of data is video"):
        load((np.zeros((4, 1, 3, 5, 5)), np.zeros((4, 5, 5))), options=Clips())
    with pytest.raises(InputError, match="how='stratified' needs classes, but the task is segmentation"):
        load((images, images > 9)).split(how="stratified")


def test_one_target_for_each_image_is_not_a_mask():
    assert as_masks([1, 2, 3]) is None
    assert as_masks(np.zeros((3, 1))) is None


def test_masks_from_tensors():
    x, y = torch.randn(6, 1, 4, 5), torch.arange(20).reshape(4, 5).expand(6, 4, 5) % 3
    split = from_tensors((x, y), (x, y))
    assert (split.spec.task, split.spec.classes) == ("segmentation", ("0", "1", "2"))
    with pytest.raises(InputError, match=r"or \(rows, height, width\) of images"):
        from_tensors((x, y[:, :3]), (x, y[:, :3]))
