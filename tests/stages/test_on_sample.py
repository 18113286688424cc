"""Base classes of techniques that choose training rows."""

from __future__ import annotations

import torch

from goodfit.techniques import ClassBalance, Smote


def test_synthesis_leaves_the_rows_of_an_epoch_unchanged() -> None:
    rows = torch.tensor([3, 1, 1])
    assert Smote().rows(torch.zeros(4), rows, torch.Generator()) is rows


def test_all_rows_are_augmented_unless_a_knob_says_otherwise() -> None:
    assert Smote().augment == "all"
    assert ClassBalance(augment="repeats").augment == "repeats"
