"""Integer inputs, such as the numbers of tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many

WORDS = 5
TRAINING = Training(epochs=6, batch_size=16, learning_rate=0.05)


class BagOfWords(nn.Module):
    """Classifies the mean of the embeddings of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.hidden, self.head = nn.Embedding(WORDS, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, length): token numbers."""
        return self.head(torch.relu(self.hidden(self.words(x).mean(1))))  # type: ignore[no-any-return]


@pytest.fixture
def bag() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BagOfWords().double()


@pytest.fixture
def tokens(three_class_split: Split) -> Split:
    """The features of `three_class_split` as five different tokens."""
    parts = three_class_split.parts.items()
    as_tokens: dict[str, Any] = {n: dataclasses.replace(p, x=(p.x.clamp(-2, 2) + 2).long()) for n, p in parts}
    return dataclasses.replace(three_class_split, **as_tokens)


RECIPES = ["", "l2=1e-3, dropout=0.2", "label_smoothing=0.1, ema=0.5", "manifold_mixup=0.5, early_stopping=2", "sam"]


@pytest.mark.parametrize("population", [True, False])
def test_a_population_trains_on_tokens_like_fit(population: bool, bag: nn.Module, tokens: Split) -> None:
    runs: Any = fit_many(bag, tokens, RECIPES, TRAINING, seeds=(0, 1), population=population)
    others = [fit(bag, tokens, recipe, TRAINING, seed=seed) for recipe in RECIPES for seed in (0, 1)]
    for run, other in zip(runs, others, strict=True):
        torch.testing.assert_close(run.last, other.last, rtol=1e-10, atol=1e-10)
        assert run.history["stop_loss"] == pytest.approx(other.history["stop_loss"], rel=1e-10)
        assert run.metadata["baseline_loss"] == other.metadata["baseline_loss"]
        assert not torch.equal(run.last["words.weight"], bag.words.weight)  # type: ignore[union-attr,arg-type]
    assert others[0].history["train_loss"][-1] < 0.9 * others[0].metadata["baseline_loss"]


@pytest.mark.parametrize("train", [fit, lambda model, split, recipe: fit_many(model, split, [recipe])])
@pytest.mark.parametrize("recipe", ["mixup", "cutmix", "fgsm"])
def test_techniques_that_mix_inputs_are_refused(
    recipe: str, train: Callable[..., Any], bag: nn.Module, tokens: Split
) -> None:
    with pytest.raises(InputError, match=r"must be numbers that can be blended, got torch.int64"):
        train(bag, tokens, recipe)
