"""Check of a technique in a population: each run equals the same run trained alone."""

from __future__ import annotations

from typing import Any

import torch

from goodfit.recipe import Recipe
from goodfit.stages import Normalization
from goodfit.technique import Technique
from goodfit.testing.data import to_double
from goodfit.testing.runs import strongest
from goodfit.testing.setups import setup
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many


def check_population_equals_solo(technique: type[Technique]) -> None:
    """Runs that are trained together in a population equal the same runs trained alone, to rounding."""
    place = setup(technique)
    model, split = place.model().double(), to_double(place.split)
    # A bias before a normalization has a gradient of rounding errors, which Adam would turn into whole steps.
    optimizer = "sgd" if issubclass(technique, Normalization) else "adam"
    training = Training.of({"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "optimizer": optimizer})
    recipes = [Recipe(), Recipe.of(technique()), Recipe.of(strongest(technique))]
    runs: Any = fit_many(model, split, recipes, training, seeds=(0,), population=True)
    failures = "; ".join(str(error) for error in (failed.error for failed in runs.failed))
    assert not runs.failed, f"every run of a population must be finished, but: {failures}"
    for recipe, run in zip(recipes, runs, strict=True):
        alone = fit(model, split, recipe, training, seed=0, progress=False)
        for name, weight in alone.last.items():
            same = torch.allclose(run.last[name], weight, rtol=1e-9, atol=1e-10)
            assert same, f"'{recipe}' trained in a population must equal the run trained alone, but {name} differs"
