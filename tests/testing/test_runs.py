"""Runs of the checks: the strongest values, shared runs, equality to the bit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from goodfit.techniques import L2, BatchNorm, Dropout, EarlyStopping, LabelSmoothing, MaxNorm
from goodfit.testing.runs import assert_same_bits, baseline_run, strongest, strongest_run, train


def test_strongest_values_are_farthest_from_neutral() -> None:
    assert strongest(L2).l2 == max(L2.knobs()["l2"].search)
    assert strongest(MaxNorm).max_value == min(MaxNorm.knobs()["max_value"].search)  # neutral at infinity
    assert strongest(EarlyStopping).patience == min(EarlyStopping.knobs()["patience"].search)
    assert strongest(BatchNorm) == BatchNorm()


def test_shared_runs_are_trained_once() -> None:
    assert strongest_run(Dropout) is strongest_run(Dropout)
    assert baseline_run(L2) is baseline_run(LabelSmoothing)  # the same setup
    assert baseline_run(L2).recipe.text() == ""


def test_same_bits() -> None:
    run = train(L2, L2(0.1))
    assert_same_bits(run, train(L2, L2(0.1)), "same")
    with pytest.raises(AssertionError, match=r"other: weights differ in 0\.weight"):
        assert_same_bits(run, train(L2, L2(0.2)), "other")
    nudged = {name: weight + 0.0 for name, weight in run.best.items()}
    nudged["0.bias"] = torch.nextafter(nudged["0.bias"], torch.tensor(9.0))
    with pytest.raises(AssertionError, match=r"nudged: weights differ in 0\.bias$"):
        assert_same_bits(run, dataclasses.replace(run, best=nudged), "nudged")
