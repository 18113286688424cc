"""Real messages and reviews, from file to a trained network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from goodfit import fit
from goodfit.data import Texts, load
from goodfit.train.config import Training

SETS = {"text/sms_spam.csv.gz": ("label", None), "text/small_fine_foods.csv.gz": ("score", "review")}


@pytest.mark.parametrize("name", SETS)
def test_training_on_real_texts(shared: Callable[[str], Path], name: str) -> None:
    target, text = SETS[name]
    data = load(shared(name), target, Texts(column=text))
    assert data.kind == "text"
    split = data.split(0)
    assert (split.train.x == 0).any(1).float().mean() > 0.9  # few texts fill the whole length
    run = fit("bag:16-16", split, "synonyms=0.2, random_deletion=0.1", Training(epochs=2, learning_rate=0.01))
    assert run.history["train_loss"][1] < run.history["train_loss"][0] < run.metadata["baseline_loss"]
    raw = data.x.iloc[split.validation.rows]
    assert torch.equal(torch.from_numpy(run.preprocessing.transform(raw)), split.validation.x)
    assert set(run.predict(split.validation.x)) == set(data.classes)
