"""Studies on iris: paired, reproducible, and with a test part that is used once."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Dataset, Part, Split, load
from goodfit.errors import InputError
from goodfit.stages import Augmentation
from goodfit.study import Study, run_study
from goodfit.study.candidates import DEFAULT_TECHNIQUES
from goodfit.study.study import default_training, scores
from goodfit.techniques import ALL
from goodfit.train.config import Training
from goodfit.train.run import Run

HOME = importlib.import_module("goodfit.train.population.scheduler")
ReplaceFit = Callable[[Callable[[int, Run], Run]], None]
RECIPES = ["l2=1e-2", "dropout=0.25, early_stopping=1"]


@dataclasses.dataclass
class Call:
    """The arguments of one call of `fit`."""

    network: Any
    split: Split
    recipe: str
    seed: int


@pytest.fixture
def fit_calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Record the calls of `fit` that a study makes."""
    calls: list[Call] = []
    real = HOME.fit

    def recording(network: Any, split: Split, recipe: Any, *rest: Any, seed: int, **options: Any) -> Run:
        calls.append(Call(network, split, recipe.text(), seed))
        return real(network, split, recipe, *rest, seed=seed, **options)

    monkeypatch.setattr(HOME, "fit", recording)
    return calls


def rows_without_seconds(study: Study) -> list[dict[str, Any]]:
    return [{k: v for k, v in o.row().items() if k != "seconds"} for o in study.trials]


def test_same_seeds_same_results(iris: Dataset, quick: Training) -> None:
    first = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    torch.manual_seed(12345)  # the global generator must not matter
    second = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert rows_without_seconds(first) == rows_without_seconds(second)
    assert first.test == second.test
    assert len(first.trials) == 6
    assert len({o.loss for o in first.trials}) == 6


def test_the_global_generator_is_not_used(iris: Dataset, quick: Training) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run_study(iris, "mlp:8", ["dropout=0.5"], quick, seeds=1)
    assert torch.equal(before, torch.get_rng_state())


def test_runs_of_a_seed_share_data_and_starting_weights(iris: Dataset, quick: Training, fit_calls: list[Call]) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert [(c.seed, c.recipe) for c in fit_calls] == [(s, r) for s in (0, 1) for r in ("", "l2=0.01", label(study))]
    for seed in (0, 1):
        assert len({id(c.split) for c in fit_calls if c.seed == seed}) == 1
    zero, one = fit_calls[0].split, fit_calls[3].split
    assert not np.array_equal(zero.train.rows, one.train.rows)
    assert not np.array_equal(zero.validation.rows, one.validation.rows)
    assert np.array_equal(zero.test.rows, one.test.rows)
    assert not set(zero.test.rows) & set(one.train.rows)


def label(study: Study) -> str:
    return study.trials[2].candidate.label


def test_scores_are_measured_on_the_validation_part(iris: Dataset, quick: Training) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=1)
    split = iris.split(0)
    for trial in study.trials:
        assert trial.run is not None
        hits = trial.run.outputs(split.validation.x).argmax(1) == split.validation.y
        assert trial.score == pytest.approx(float(hits.float().mean()))
        loss = nn.functional.cross_entropy(trial.run.outputs(split.validation.x), split.validation.y)
        assert trial.loss == pytest.approx(float(loss), rel=1e-5)
        assert (trial.score, trial.loss) == scores(trial.run, split.validation)


def test_default_candidates_are_compared_without_recipes(iris: Dataset) -> None:
    counts: list[int] = []
    study = run_study(
        iris, "mlp:4", training=Training(epochs=1), seeds=1, on_trial=lambda s: counts.append(len(s.trials))
    )
    assert [o.candidate.label for o in study.trials] == ["plain", *DEFAULT_TECHNIQUES, "combined"]
    assert not any(o.failure for o in study.trials)
    assert counts == list(range(1, len(DEFAULT_TECHNIQUES) + 3))
    assert study.metric == "accuracy"
    assert set(study.test) == {"plain", study.ranking()[0].candidate.label}


def test_the_catalogue_with_recipes_is_refused(iris: Dataset) -> None:
    with pytest.raises(InputError, match=r"catalogue=True compares all techniques .* got 2 of them; leave out"):
        run_study(iris, "mlp:4", RECIPES, catalogue=True)


def test_catalogue_leaves_out_techniques_that_cannot_act(iris: Dataset) -> None:
    training = Training(epochs=1, batch_size=16)
    study = run_study(iris, "mlp:4", training=training, seeds=1, catalogue=True)
    labels = {o.candidate.label for o in study.trials}
    assert not any(o.failure for o in study.trials)
    left_out = {note.split()[2] for note in study.notes if note.startswith("left out: ")}
    assert {"drop_path", "zoneout", "spatial_dropout"} <= left_out
    applicable = {
        n
        for n, t in ALL.items()
        if t.needs_targets != "numbers" and (not issubclass(t, Augmentation) or "table" in t.kinds)
    }
    assert labels == {"plain", "combined"} | applicable - left_out
    assert any(note.startswith("combined: ") or "warning: " in note for note in study.notes)


# ---- the test part ----------------------------------------------------------------------------------


class LoggedPart(Part):
    """A data part that logs every access to its rows."""

    log: list[str] = []  # noqa: RUF012

    def __getattribute__(self, name: str) -> Any:
        if name in ("x", "y"):
            LoggedPart.log.append(f"test.{name}")
        return super().__getattribute__(name)


@pytest.fixture
def access_log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Log accesses to the test part, in order with the finished runs, in `LoggedPart.log`."""
    real = Dataset.split

    def split(self: Dataset, *args: Any, **options: Any) -> Split:
        parts = real(self, *args, **options)
        part = LoggedPart(parts.test.x, parts.test.y, parts.test.rows)
        LoggedPart.log = []
        return dataclasses.replace(parts, test=part)

    monkeypatch.setattr(Dataset, "split", split)
    return []


def test_the_test_part_is_used_once_at_the_end(iris: Dataset, quick: Training, access_log: list[str]) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, on_trial=lambda s: LoggedPart.log.append("run"))
    assert LoggedPart.log[:6] == ["run"] * 6
    best = study.ranking()[0].candidate.label
    labels = list(dict.fromkeys(("plain", best)))
    assert LoggedPart.log[6:] == ["test.x", "test.y"] * 2 * len(labels)
    assert list(study.test) == labels


def test_each_run_is_tested_on_the_test_part_of_its_own_split(iris: Dataset) -> None:
    training = Training(epochs=2, learning_rate=0.01, metric="log_loss")
    study = run_study(iris, "mlp:8", ["l2=10"], training, seeds=3)
    values = []
    for trial in study.trials_of("plain"):
        assert trial.run is not None
        test = iris.split(trial.seed).test  # same rows, scaled by the training rows of its seed
        values.append(float(nn.functional.cross_entropy(trial.run.outputs(test.x), test.y)))
    assert study.test["plain"].mean == pytest.approx(np.mean(values), rel=1e-5)
    assert study.test["plain"].n == 3


def test_an_interrupted_study_does_not_use_the_test_part(
    iris: Dataset, quick: Training, access_log: list[str], replace_fit: ReplaceFit
) -> None:
    def interrupt(number: int, run: Run) -> Run:
        if number == 4:
            raise KeyboardInterrupt
        return run

    replace_fit(interrupt)
    study = run_study(iris, "mlp:8", RECIPES, quick, seeds=2, population=False)
    assert study.interrupted
    assert LoggedPart.log == []
    assert study.test == {}


# ---- errors of the user ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("l2(1e-3, on='nowhere')", "on must match"),
        ("early_stopping(monitor='stop_rmse')", "monitor must be one of"),
        ("batch_norm(on='4')", "in front of the last one"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_before_the_first_run(
    iris: Dataset, quick: Training, fit_calls: list[Call], recipe: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_study(iris, "mlp:8-8", ["l2=1e-3", recipe], quick, seeds=1, population=False)
    assert fit_calls == []


@pytest.mark.parametrize("seeds", [0, -1, True, 1.5, "3"])
def test_seeds_must_be_a_positive_whole_number(iris: Dataset, seeds: Any) -> None:
    with pytest.raises(InputError, match="seeds must be a whole number of at least 1"):
        run_study(iris, seeds=seeds)


def test_label_smoothing_is_refused_for_regression() -> None:
    with pytest.raises(InputError, match="LabelSmoothing: it acts on class labels"):
        run_study(load("diabetes"), "mlp:4", ["label_smoothing"], Training(epochs=1), seeds=1)


# ---- networks and tasks -----------------------------------------------------------------------------


def test_a_user_network_is_reinitialized_for_each_seed(iris: Dataset, quick: Training, fit_calls: list[Call]) -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    study = run_study(iris, net, ["l2=1e-2"], quick, seeds=2, population=False)
    assert study.network == "Sequential"
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    weights = [c.network[0].weight for c in fit_calls]
    assert torch.equal(weights[0], weights[1])  # plain and l2, seed 0
    assert torch.equal(weights[2], weights[3])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], net[0].weight)


def test_a_network_that_cannot_be_reinitialized_is_refused(iris: Dataset, quick: Training) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(4, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.w

    with pytest.raises(InputError, match="must have a reset_parameters method"):
        run_study(iris, Own(), ["early_stopping"], quick, seeds=1)


def test_regression_is_ranked_by_its_metric() -> None:
    data = load("diabetes")
    study = run_study(data, "mlp:8", ["l2=1e-3", "l2=10"], Training(epochs=15, metric="rmse"), seeds=1)
    means = [r.score.mean for r in study.ranking()]
    assert means == sorted(means)
    assert study.ranking()[-1].candidate.label == "l2=10.0"
    assert not study.higher_is_better


def test_a_custom_loss_is_used_for_the_scores(iris: Dataset, quick: Training) -> None:
    loss = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)
    study = run_study(iris, "mlp:8", ["l2=1e-3"], quick, seeds=1, loss=loss)
    run, part = study.run_of("plain"), iris.split(0).validation
    assert study.trials[0].loss == pytest.approx(float(loss(run.outputs(part.x), part.y).mean()))


def test_default_training_depends_on_the_number_of_rows() -> None:
    assert default_training(100) == Training(epochs=60, batch_size=64)
    assert default_training(8000).epochs == 50
    assert default_training(10_000_000) == Training(epochs=10, batch_size=128)
    assert default_training(100, "segmentation") == Training(epochs=60, batch_size=16)
