"""Studies on iris: paired, reproducible, and with test targets that are used once."""

from __future__ import annotations

import dataclasses
import importlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Dataset, Inputs, Part, Split, load
from goodfit.errors import InputError
from goodfit.stages import Augmentation
from goodfit.study import Protocol, Study, run_study
from goodfit.study.design import design
from goodfit.study.study import default_training, usual_training
from goodfit.study.targets import Targets
from goodfit.techniques import ALL
from goodfit.train.config import Training
from goodfit.train.fit import fit as run_fit
from goodfit.train.run import Run

HOME = importlib.import_module("goodfit.train.population.scheduler")
ReplaceFit = Callable[[Callable[[int, Run], Run]], None]
RowsOf = Callable[[Study], list[dict[str, Any]]]
ONE = Protocol(folds=1, repeats=1)
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


def test_same_seeds_same_results(iris: Dataset, quick: Training, two_folds: Protocol, rows_of: RowsOf) -> None:
    first = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    torch.manual_seed(12345)  # the global generator must not matter
    second = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    assert rows_of(first) == rows_of(second)
    assert first.test_scores() == second.test_scores() != {}
    assert len(first.fits) == 6
    assert len({fit.loss for fit in first.fits}) == 6
    other = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds.with_values(seed=1), population=False)
    assert not {fit.loss for fit in first.fits} & {fit.loss for fit in other.fits}


def test_the_global_generators_are_not_used(iris: Dataset, quick: Training, two_folds: Protocol) -> None:
    torch.manual_seed(3)
    before, numbers, other = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index,union-attr]
    run_study(iris, "mlp:8", ["dropout=0.5"], quick, protocol=two_folds)
    assert torch.equal(before, torch.get_rng_state())
    assert numbers == np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
    assert other == random.getstate()


def test_fits_of_a_fold_share_data_and_seed(
    iris: Dataset, quick: Training, two_folds: Protocol, fit_calls: list[Call]
) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    assert [(c.seed, c.recipe) for c in fit_calls] == [(s, r) for s in (0, 1) for r in ("", "l2=0.01", study.labels[2])]
    for seed in (0, 1):
        assert len({id(c.split) for c in fit_calls if c.seed == seed}) == 1
    zero, one = fit_calls[0].split, fit_calls[3].split
    assert not set(zero.validation.rows) & set(one.validation.rows)
    assert set(zero.validation.rows) | set(one.validation.rows) | set(zero.test.rows) == set(range(150))
    assert np.array_equal(zero.test.rows, one.test.rows)
    assert not set(zero.test.rows) & {*one.train.rows, *one.stop.rows}
    assert [(fit.label, fit.repeat, fit.fold, fit.seed) for fit in study.fits] == [
        (label, 0, fold, fold) for fold in (0, 1) for label in study.labels
    ]


def test_scores_are_measured_on_the_validation_rows(iris: Dataset, quick: Training, two_folds: Protocol) -> None:
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds)
    fold = design(two_folds, iris).folds[0]
    validation, scores = fold.split().validation, study.fits_frame()["score"]
    for number, label in enumerate(study.labels):
        outputs, fit = study.run_of(label).outputs(validation.x), study.fits[number]
        hits = outputs.argmax(1) == validation.y
        assert fit.label == label
        assert scores[number] == pytest.approx(float(hits.float().mean()))
        assert fit.loss == pytest.approx(float(nn.functional.cross_entropy(outputs, validation.y)), rel=1e-5)


@pytest.mark.parametrize(
    ("recipes", "options", "first"),
    [
        ((), {}, ["plain", "weight_decay=1.0, early_stopping=10"]),
        (("l2=1e-2",), {}, ["plain", "l2=0.01", "weight_decay=1.0, early_stopping=10"]),
        (("l2=1e-2",), {"space": {"dropout": (0.1, 0.8)}}, ["plain", "l2=0.01"]),
    ],
    ids=["without recipes", "with a recipe and a budget", "with a recipe and a space"],
)
def test_recipes_are_searched(
    iris: Dataset, quick: Training, two_folds: Protocol, recipes: tuple[str, ...], options: dict[str, Any],
    first: list[str],
) -> None:  # fmt: skip
    counts: list[int] = []
    study = run_study(
        iris, "mlp:4", recipes, quick, protocol=two_folds, budget="6trials", progress=False,
        on_fit=lambda s: counts.append(len(s.fits) + len(s.screening) + len(s.ablations)), **options,
    )  # fmt: skip
    assert study.labels[: len(first)] == first
    assert study.trials == 6
    assert study.complete
    assert len(study.fits) == 2 * len(study.labels)
    assert not any(fit.failure for fit in (*study.fits, *study.screening, *study.ablations))
    assert counts == list(range(1, counts[-1] + 1))
    assert counts[-1] == len(study.fits) + len(study.screening) + len(study.ablations)
    assert {fit.key for fit in study.fits} == {(0, 0), (0, 1)}
    assert {fit.key for fit in study.screening} == {(100, 0), (100, 1)}  # other folds than those of the comparison
    assert study.metric == "accuracy"
    best = study.evidence().best
    assert best is not None
    assert list(study.test_scores()) == ["plain", best.candidate.label]


def test_recipes_alone_are_compared_without_a_search(iris: Dataset, quick: Training, two_folds: Protocol) -> None:
    study = run_study(iris, "mlp:4", ["l2=1e-2"], quick, protocol=two_folds)
    assert study.labels == ["plain", "l2=0.01"]
    assert (study.trials, study.screening, study.ablations, study.definition.search) == (0, [], [], {})


def test_the_catalogue_with_recipes_is_refused(iris: Dataset) -> None:
    with pytest.raises(InputError, match=r"catalogue=True compares all techniques .* got 2 of them; leave out"):
        run_study(iris, "mlp:4", RECIPES, catalogue=True)


@pytest.mark.parametrize("options", [{"budget": "6trials"}, {"space": {"l2": (1e-3, 1e-1)}}], ids=["budget", "space"])
def test_the_catalogue_with_a_search_is_refused(iris: Dataset, options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(InputError, match=rf"catalogue=True searches nothing and must be used without {name}=.*; leave"):
        run_study(iris, "mlp:4", catalogue=True, **options)


def test_catalogue_leaves_out_techniques_that_cannot_act(iris: Dataset) -> None:
    training = Training(epochs=1, batch_size=16)
    study = run_study(iris, "mlp:4", training=training, protocol=ONE, catalogue=True)
    labels = set(study.labels)
    assert [fit.label for fit in study.fits] == study.labels
    assert not any(fit.failure for fit in study.fits)
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
    """Accesses to the test part of splits and to the test targets of a study, in the order in which they happen."""
    real_build, real_of = Dataset.build, Targets.of

    def build(self: Dataset, *args: Any, **options: Any) -> Split:
        split = real_build(self, *args, **options)
        before = len(LoggedPart.log)
        part = LoggedPart(split.test.x, split.test.y, split.test.rows)
        del LoggedPart.log[before:]  # a part checks the lengths of its tensors
        return dataclasses.replace(split, test=part)

    def of(self: Targets, part: str, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if part == "test":
            LoggedPart.log.append("targets")
        return real_of(self, part, rows)

    monkeypatch.setattr(Dataset, "build", build)
    monkeypatch.setattr(Targets, "of", of)
    LoggedPart.log = []
    return LoggedPart.log


def test_the_test_targets_are_used_at_the_end_alone(
    iris: Dataset, quick: Training, two_folds: Protocol, access_log: list[str]
) -> None:
    def on_fit(study: Study) -> None:
        access_log.append("fit")
        if not study.complete:
            assert study.test_scores() == {}

    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False, on_fit=on_fit)
    trained = access_log[: len(access_log) - access_log[::-1].index("fit")]
    assert trained == ["test.x", "fit"] * 6  # the outputs are kept without the targets
    assert set(access_log) == {"test.x", "fit"}
    best = study.evidence().best
    assert best is not None
    assert access_log == trained
    assert list(study.test_scores()) == ["plain", best.candidate.label]
    assert set(access_log[len(trained) :]) == {"targets"}


def test_each_fit_is_tested_on_the_inputs_of_its_own_fold(iris: Dataset) -> None:
    training, protocol = Training(epochs=2, learning_rate=0.01, metric="log_loss"), Protocol(folds=3, repeats=1)
    study = run_study(iris, "mlp:8", ["l2=10"], training, protocol=protocol)
    values = []
    for fold, fit in zip(design(protocol, iris), study.fits_of("plain"), strict=True):
        test = fold.split().test  # same rows, scaled by the training rows of its fold
        run = run_fit("mlp:8", fold.split(), "", study.training, seed=fold.seed, progress=False)
        assert torch.allclose(fit.predictions["test"].outputs, run.outputs(test.x), atol=1e-4)
        values.append(float(nn.functional.cross_entropy(run.outputs(test.x), test.y)))
    assert study.test_scores()["plain"].mean == pytest.approx(np.mean(values), rel=1e-4)
    assert study.test_scores()["plain"].n == 3


def test_an_interrupted_study_does_not_use_the_test_targets(
    iris: Dataset, quick: Training, two_folds: Protocol, access_log: list[str], replace_fit: ReplaceFit
) -> None:
    def interrupt(number: int, run: Run) -> Run:
        if number == 4:
            raise KeyboardInterrupt
        return run

    replace_fit(interrupt)
    study = run_study(iris, "mlp:8", RECIPES, quick, protocol=two_folds, population=False)
    assert study.interrupted
    assert study.ranking()
    assert study.test_scores() == {}
    assert access_log == ["test.x"] * 4


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
        run_study(iris, "mlp:8-8", ["l2=1e-3", recipe], quick, protocol=ONE, population=False)
    assert fit_calls == []


@pytest.mark.parametrize("data", ["iris", None, np.zeros((4, 2))])
def test_data_must_be_loaded(data: Any) -> None:
    with pytest.raises(InputError, match=r"study: data must be a Dataset or a Split, got .*; use goodfit\.load"):
        run_study(data)


def test_a_database_needs_a_folder(iris: Dataset, quick: Training, fit_calls: list[Call]) -> None:
    with pytest.raises(InputError, match=r"storage needs a folder for the fits, got storage='study\.db'"):
        run_study(iris, "mlp:4", ["l2"], quick, storage="study.db")
    assert fit_calls == []


def test_label_smoothing_is_refused_for_regression() -> None:
    with pytest.raises(InputError, match="LabelSmoothing: it acts on class labels"):
        run_study(load("diabetes"), "mlp:4", ["label_smoothing"], Training(epochs=1), protocol=ONE)


# ---- networks and tasks -----------------------------------------------------------------------------


def test_a_user_network_is_reinitialized_for_each_fold(
    iris: Dataset, quick: Training, two_folds: Protocol, fit_calls: list[Call]
) -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    study = run_study(iris, net, ["l2=1e-2"], quick, protocol=two_folds, population=False)
    assert study.network == "Sequential"
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    weights = [c.network[0].weight for c in fit_calls]
    assert torch.equal(weights[0], weights[1])  # plain and l2, first fold
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
        run_study(iris, Own(), ["early_stopping"], quick, protocol=ONE)


def test_regression_is_ranked_by_its_metric() -> None:
    data = load("diabetes")
    study = run_study(data, "mlp:8", ["l2=1e-3", "l2=10"], Training(epochs=15, metric="rmse"), protocol=ONE)
    means = [r.score.mean for r in study.ranking()]
    assert means == sorted(means)
    assert study.ranking()[-1].candidate.label == "l2=10.0"
    assert not study.higher_is_better


def test_a_custom_loss_is_used_for_the_scores(iris: Dataset, quick: Training) -> None:
    loss = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)
    study = run_study(iris, "mlp:8", ["l2=1e-3"], quick, protocol=ONE, loss=loss)
    run, part = study.run_of("plain"), design(ONE, iris).folds[0].split().validation
    assert study.fits[0].loss == pytest.approx(float(loss(run.outputs(part.x), part.y).mean()))
    assert study.definition.loss == "CrossEntropyLoss(ignore_index=-100, label_smoothing=0.1, reduction='none')"


def test_a_split_keeps_its_parts(iris: Dataset, quick: Training, fit_calls: list[Call]) -> None:
    split = iris.split(5)
    study = run_study(split, "mlp:8", ["l2=1e-2"], quick, protocol=Protocol(repeats=2), population=False)
    assert [(c.seed, c.split is split) for c in fit_calls] == [(0, True), (0, True), (100, True), (100, True)]
    run = study.run_of("plain")
    accuracy = (run.outputs(split.validation.x).argmax(1) == split.validation.y).float().mean()
    assert study.fits_frame()["score"][0] == pytest.approx(float(accuracy))
    hits = (run.outputs(split.test.x).argmax(1) == split.test.y).float().mean()
    assert study.test_scores()["plain"].n == 2
    only = dataclasses.replace(study, fits=study.fits[:2])
    assert only.estimate("plain", part="test").mean == pytest.approx(float(hits))


def test_default_training_depends_on_the_number_of_rows() -> None:
    assert default_training(100) == Training(epochs=60, batch_size=64)
    assert default_training(8000).epochs == 50
    assert default_training(10_000_000) == Training(epochs=10, batch_size=128)
    assert default_training(100, "segmentation") == Training(epochs=60, batch_size=16)


def test_the_usual_training_depends_on_the_kind_of_data(three_class_split: Split) -> None:
    spec, rows = three_class_split.spec, len(three_class_split.train)
    text = dataclasses.replace(three_class_split, spec=dataclasses.replace(spec, inputs=Inputs("text")))
    assert usual_training(three_class_split) == default_training(rows)
    large = dataclasses.replace(
        text, train=Part(*(t.repeat(100, *[1] * (t.ndim - 1)) for t in (text.train.x, text.train.y, text.train.rows)))
    )
    assert usual_training(large) == default_training(100 * rows, data_kind="text")
    assert usual_training(large).epochs < default_training(100 * rows).epochs
