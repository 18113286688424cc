"""Predictions: Monte Carlo samples, and ensembles as runs and in files."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.store import load_run, save_run
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.predict import EnsembleModel, with_weights
from goodfit.train.run import Run

Net = Callable[..., nn.Sequential]
SETTINGS = Training(epochs=3, batch_size=32, learning_rate=0.02)


def run_of(recipe: str, split: Split, model: nn.Module) -> Run:
    return fit(model, split, recipe, SETTINGS)


def test_samples_differ_depend_on_the_seed_only_and_change_nothing_else(
    three_class_split: Split, make_net: Net
) -> None:
    run, x = run_of("dropout=0.5, batch_norm", three_class_split, make_net()), three_class_split.validation.x
    before, state = run.outputs(x), torch.get_rng_state()
    samples = run.predict_mc(x, n_samples=5, seed=1)
    assert samples.shape == (5, len(x), 3)
    assert not torch.equal(samples[0], samples[1])
    assert torch.equal(samples, run.predict_mc(x, n_samples=5, seed=1))
    assert not torch.equal(samples, run.predict_mc(x, n_samples=5, seed=2))
    assert torch.equal(run.outputs(x), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert not run.model.training


def test_the_mean_of_many_samples_of_a_linear_network_is_its_output(three_class_split: Split) -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 3))  # linear: the expectation of a sample is the output
    run, x = run_of("dropout(0.3, input_rate=0.2)", three_class_split, model), three_class_split.validation.x
    samples = run.predict_mc(x, n_samples=4000)
    error = samples.mean(0) - run.outputs(x)
    assert bool((error.abs() < 5 * samples.std(0) / 4000**0.5).all())


def test_batch_norm_computes_as_in_evaluation(three_class_split: Split, make_net: Net) -> None:
    run = run_of("batch_norm, gaussian_noise(stddev=1e-12, input_stddev=1e-12)", three_class_split, make_net())
    torch.testing.assert_close(
        run.predict_mc(three_class_split.validation.x, n_samples=1)[0], run.outputs(three_class_split.validation.x)
    )


def test_the_networks_own_dropout_is_active(three_class_split: Split, make_net: Net) -> None:
    run = run_of("", three_class_split, nn.Sequential(nn.Dropout(0.5), make_net()))
    samples = run.predict_mc(three_class_split.validation.x, n_samples=2)
    assert not torch.equal(samples[0], samples[1])


def test_samples_of_an_ensemble_come_from_its_members_in_turn(three_class_split: Split, make_net: Net) -> None:
    run = run_of("snapshot_ensemble=3, dropout=0.5", three_class_split, make_net())
    assert run.predict_mc(three_class_split.validation.x, n_samples=3).shape == (
        3,
        len(three_class_split.validation),
        3,
    )


def test_a_run_without_noise_is_refused(three_class_split: Split, make_net: Net) -> None:
    with pytest.raises(
        InputError,
        match=r"predict_mc: the recipe or the network must have noise, got recipe 'l2=0.001' and a network without",
    ):
        run_of("l2=1e-3", three_class_split, make_net()).predict_mc(three_class_split.validation.x)
    with pytest.raises(InputError, match="predict_mc: n_samples must be a whole number of at least 1, got n_samples=0"):
        run_of("dropout=0.5", three_class_split, make_net()).predict_mc(three_class_split.validation.x, n_samples=0)


# ---- ensembles -----------------------------------------------------------------------------------------


def test_an_ensemble_averages_probabilities_or_numbers(make_net: Net) -> None:
    a, b, x = make_net(seed=0), make_net(seed=1), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    mean = (a(x).softmax(1) + b(x).softmax(1)) / 2
    torch.testing.assert_close(EnsembleModel([a, b], "classification")(x).softmax(1), mean)
    torch.testing.assert_close(EnsembleModel([a, b], "regression")(x), (a(x) + b(x)) / 2)
    one, other = make_net(1, seed=0), make_net(1, seed=1)
    probability = (one(x).sigmoid() + other(x).sigmoid()) / 2
    torch.testing.assert_close(EnsembleModel([one, other], "classification")(x).sigmoid(), probability)


def test_with_weights_builds_an_ensemble_from_its_weights(make_net: Net) -> None:
    plain = make_net()
    both = EnsembleModel([make_net(seed=1), make_net(seed=2)], "regression")
    ensemble = with_weights(plain, both.state_dict(), "regression")
    assert isinstance(ensemble, EnsembleModel)
    x = torch.ones(2, 6)
    assert torch.equal(ensemble(x), both(x))
    single = with_weights(ensemble, make_net(seed=3).state_dict(), "regression")
    assert torch.equal(single(x), make_net(seed=3)(x))


@pytest.mark.parametrize("more", ["", ", batch_norm", ", early_stopping=2"])
def test_a_run_with_an_ensemble_can_be_saved_and_loaded(
    more: str, three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    model = make_net()
    run = fit(
        model, three_class_split, f"snapshot_ensemble=3{more}", Training(epochs=6, batch_size=32, learning_rate=0.05)
    )
    output = run.outputs(three_class_split.validation.x)
    if not more:
        assert isinstance(run.model, EnsembleModel)
        assert len(run.model.members) == 3
    save_run(run, tmp_path / "run")
    loaded = load_run(tmp_path / "run", model)
    assert torch.equal(loaded.outputs(three_class_split.validation.x), output)
    for which in ("last", "best", "last"):
        expected, kept = copy.deepcopy(run).keep(which), loaded.keep(which)
        assert torch.equal(
            kept.outputs(three_class_split.validation.x), expected.outputs(three_class_split.validation.x)
        )
