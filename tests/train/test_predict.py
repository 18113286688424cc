"""Monte Carlo prediction."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

Net = Callable[..., nn.Sequential]
SETTINGS = Training(epochs=3, batch_size=32, learning_rate=0.02)


def run_of(recipe: str, split: Split, model: nn.Module) -> Run:
    return fit(model, split, recipe, SETTINGS)


def test_samples_differ_follow_from_the_seed_and_leave_everything_alone(
    three_class_split: Split, make_net: Net
) -> None:
    run, x = run_of("dropout=0.5, batch_norm", three_class_split, make_net()), three_class_split.validation.x
    before, state = run.outputs(x), torch.get_rng_state()
    drawn = run.predict_mc(x, times=5, seed=1)
    assert drawn.shape == (5, len(x), 3)
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn, run.predict_mc(x, times=5, seed=1))
    assert not torch.equal(drawn, run.predict_mc(x, times=5, seed=2))
    assert torch.equal(run.outputs(x), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not run.model.training


def test_the_mean_over_many_samples_of_a_linear_network_is_its_answer(three_class_split: Split) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))  # linear: the mean of its samples is exact
    run, x = run_of("dropout(0.3, input_rate=0.2)", three_class_split, model), three_class_split.validation.x
    drawn = run.predict_mc(x, times=4000)
    error = drawn.mean(0) - run.outputs(x)
    assert bool((error.abs() < 5 * drawn.std(0) / 4000**0.5).all())


def test_statistics_of_norms_are_those_of_evaluation(three_class_split: Split, make_net: Net) -> None:
    run = run_of("batch_norm, gaussian_noise(stddev=1e-12, input_stddev=1e-12)", three_class_split, make_net())
    torch.testing.assert_close(
        run.predict_mc(three_class_split.validation.x, times=1)[0], run.outputs(three_class_split.validation.x)
    )


def test_the_user_s_own_dropout_counts(three_class_split: Split, make_net: Net) -> None:
    run = run_of("", three_class_split, nn.Sequential(nn.Dropout(0.5), make_net()))
    drawn = run.predict_mc(three_class_split.validation.x, times=2)
    assert not torch.equal(drawn[0], drawn[1])


def test_a_committee_takes_turns(three_class_split: Split, make_net: Net) -> None:
    run = run_of("snapshot_ensemble=3, dropout=0.5", three_class_split, make_net())
    assert run.predict_mc(three_class_split.validation.x, times=3).shape == (3, len(three_class_split.validation), 3)


def test_without_noise_there_is_nothing_to_sample(three_class_split: Split, make_net: Net) -> None:
    with pytest.raises(InputError, match="neither the recipe nor the network has noise"):
        run_of("l2=1e-3", three_class_split, make_net()).predict_mc(three_class_split.validation.x)
    with pytest.raises(InputError, match="times must be a whole number of at least 1, got times=0"):
        run_of("dropout=0.5", three_class_split, make_net()).predict_mc(three_class_split.validation.x, times=0)
