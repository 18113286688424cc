"""The targets by which predictions are scored."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from goodfit.data import Dataset, Split, load
from goodfit.study import Protocol
from goodfit.study.design import design
from goodfit.study.fits import PARTS
from goodfit.study.targets import Targets, targets_of

PROTOCOL = Protocol(folds=3, repeats=2)


def of_parts(data: Dataset | Split, protocol: Protocol = PROTOCOL) -> Targets:
    """The targets, checked against the parts of each fold."""
    plan = design(protocol, data)
    targets = targets_of(plan)
    for fold in plan:
        split = fold.split()
        for part in PARTS:
            y, units = targets.of(part, torch.from_numpy(fold.rows(part)))
            expected: object = split.parts[part].y
            if split.spec.task == "regression":
                assert split.preprocessing is not None
                expected = split.preprocessing.restore_target(split.parts[part].y.numpy()).flatten()
            assert y.flatten().tolist() == pytest.approx(np.asarray(expected).tolist(), rel=1e-5)
            assert len(units) == len(split.parts[part])
    return targets


def test_classes(iris: Dataset) -> None:
    targets = of_parts(iris)
    assert targets.y.tolist() == iris.y.tolist()
    assert targets.y.dtype == targets.units.dtype == torch.int64
    assert targets.units.tolist() == list(range(150))


def test_numbers_are_in_the_unit_of_the_target() -> None:
    data = load("diabetes")
    targets = of_parts(data)
    assert targets.y.tolist() == data.y.tolist()
    assert targets.y.dtype == targets.test_y.dtype == torch.float64


@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_of_a_users_split(name: str) -> None:
    split = load(name).split(2)
    targets = of_parts(split, Protocol(repeats=2))
    assert len(targets.y) == len(split.stop) + len(split.validation)
    assert len(set(targets.units.tolist())) == len(targets.units)
    assert targets.test_units.tolist() == list(range(len(split.test)))


def test_an_official_test_part_has_targets_and_units_of_its_own(iris: Dataset) -> None:
    official = dataclasses.replace(iris, test=(iris.x.iloc[:9], iris.y[:9][::-1].copy()))  # type: ignore[union-attr]
    targets = of_parts(official)
    assert targets.test_y.tolist() == iris.y[:9][::-1].tolist()
    assert targets.test_units.tolist() == list(range(9))


def test_rows_of_a_group_are_one_unit() -> None:
    draw, groups = np.random.default_rng(0), np.repeat(np.arange(20), 6)
    data = load((draw.normal(size=(120, 3)), np.arange(120) % 2), groups=groups)
    plan = design(PROTOCOL, data)
    targets = targets_of(plan)
    rows = torch.from_numpy(plan.folds[0].rows("validation"))
    assert targets.of("validation", rows)[1].tolist() == groups[rows.numpy()].tolist()
    assert targets.test_units.tolist() == groups[plan.folds[0].rows("test")].tolist()


def test_masks_need_no_targets() -> None:
    draw = np.random.default_rng(0)
    data = load((draw.integers(0, 255, (30, 8, 8)).astype(np.uint8), draw.integers(0, 3, (30, 8, 8), np.uint8)))
    for source in (data, data.split()):
        plan = design(Protocol(), source)
        targets = targets_of(plan)
        assert len(targets.y) == len(targets.test_y) == 0
        y, units = targets.of("stop", torch.from_numpy(plan.folds[0].rows("stop")))
        assert (len(y), len(units)) == (0, len(plan.folds[0].rows("stop")))


def test_names_of_the_tensors(iris: Dataset) -> None:
    targets = targets_of(design(PROTOCOL, iris))
    repeated = Targets(**targets.tensors())
    assert all(torch.equal(getattr(repeated, name), tensor) for name, tensor in targets.tensors().items())
