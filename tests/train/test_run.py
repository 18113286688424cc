"""`Run`: kept weights, predictions, Monte Carlo samples, and runs whose network is an ensemble."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.models.ensemble import EnsembleModel
from goodfit.recipe import Recipe
from goodfit.store import load_run, save_run
from goodfit.train.config import Training
from goodfit.train.evaluate import predict_mc
from goodfit.train.fit import fit
from goodfit.train.run import Run, same, snapshot, with_weights

Net = Callable[..., nn.Sequential]
SETTINGS = Training(epochs=3, batch_size=32, learning_rate=0.02)


def test_keep_chooses_between_the_best_and_the_last_weights(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "early_stopping(9, mode=max)", Training(epochs=4, learning_rate=0.05))
    assert (run.kept, run.best_epoch, run.epochs) == ("best", 1, 4)
    assert same(snapshot(run.model), run.best)
    assert run.row["epoch"] == 1
    assert run.keep("last") is run
    assert same(snapshot(run.model), run.last)
    assert not same(run.best, run.last)
    assert run.row["epoch"] == run.kept_epoch == 4
    assert not run.model.training


def test_sets_of_weights_are_the_same_if_names_and_bits_are() -> None:
    weights = {"a": torch.ones(2), "b": torch.zeros(1)}
    assert same(weights, {"b": torch.zeros(1), "a": torch.ones(2)})
    assert not same(weights, {"a": torch.ones(2)})
    assert not same(weights, weights | {"b": torch.full((1,), 1e-30)})


def test_predictions_of_classes_and_numbers(three_class_split: Split, regression_split: Split, make_net: Net) -> None:
    run, x = fit(make_net(), three_class_split, "", SETTINGS), three_class_split.test.x
    torch.testing.assert_close(torch.from_numpy(run.probabilities(x)), run.outputs(x).double().softmax(1))
    assert run.predict(x) == [run.spec.classes[i] for i in run.outputs(x).argmax(1)]
    numbers, x = fit(make_net(1), regression_split, "", SETTINGS), regression_split.test.x
    values = numbers.outputs(x).flatten().double().numpy()
    assert numbers.preprocessing is not None
    assert numbers.predict(x).tolist() == numbers.preprocessing.restore_target(values).tolist()
    assert replace(numbers, preprocessing=None).predict(x).tolist() == values.tolist()


# ---- Monte Carlo samples -------------------------------------------------------------------------------


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


@pytest.mark.parametrize("schedule", ["linear", "late"])
def test_scheduled_noise_has_its_full_strength(schedule: str, three_class_split: Split, make_net: Net) -> None:
    x = three_class_split.validation.x
    scheduled, constant = (
        predict_mc(make_net(), Recipe.of(recipe), x, 3, seed=0)
        for recipe in (f"dropout(0.5, schedule={schedule})", "dropout(0.5)")
    )
    assert torch.equal(scheduled, constant)


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
