"""Searches on iris with training: their fits, how they are continued, and what is refused."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from goodfit.data import Dataset
from goodfit.errors import InputError
from goodfit.study import Protocol, Study, load_study, run_study
from goodfit.study.candidates import Candidate
from goodfit.study.design import SCREENING
from goodfit.study.files import StudyFolder
from goodfit.study.save import answer
from goodfit.study.search.defaults import default_space
from goodfit.study.search.portfolio import portfolio
from goodfit.study.search.screening import Screening
from goodfit.study.stages import ABLATE, COMPARE, SCREEN, SWEEP
from goodfit.train.config import Training
from goodfit.train.run import Run

HOME = importlib.import_module("goodfit.train.population.scheduler")
TWO = Protocol(folds=2, repeats=1, seed=2)
"""With this seed, a recipe of two techniques is recommended."""
RANGES = {"l2": (1e-3, 1e-1), "dropout": (0.1, 0.8), "learning_rate": (1e-2, 1e-1)}
Trained = list[tuple[str, Any, int]]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Recipe, settings and seed of each call of `fit`."""
    calls: Trained = []
    real = HOME.fit

    def recording(network: Any, split: Any, recipe: Any, *rest: Any, seed: int, **options: Any) -> Run:
        calls.append((recipe.text(), rest[0] if rest else None, seed))
        run: Run = real(network, split, recipe, *rest, seed=seed, **options)
        return run

    monkeypatch.setattr(HOME, "fit", recording)
    return calls


def search(data: Dataset, folder: Path | None = None, **options: Any) -> Study:
    settings = Training(epochs=4, learning_rate=0.003)  # too few steps for the plain network
    usual: dict[str, Any] = {
        "budget": "12trials",
        "space": RANGES,
        "population": False,
        "protocol": TWO,
        "training": settings,
    }
    return run_study(data, "mlp:4", folder=folder, **usual | options)


def all_fits(study: Study) -> int:
    return len(study.fits) + len(study.screening) + len(study.ablations)


def interrupt_after(number: int) -> Callable[[Study], None]:
    def act(study: Study) -> None:
        if all_fits(study) == number:
            raise KeyboardInterrupt

    return act


def as_json(study: Study) -> Any:
    return json.loads(json.dumps(answer(study), sort_keys=True))


def is_each_once(calls: Trained) -> bool:
    keys = [repr(each) for each in calls]
    return len(keys) == len(set(keys))


@pytest.fixture(scope="module")
def whole(iris: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """An uninterrupted search and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return search(iris, folder), folder


# ---- what a search leaves ---------------------------------------------------------------------------


def test_a_search_screens_and_compares(whole: tuple[Study, Path]) -> None:
    study, _ = whole
    assert study.complete
    assert study.trials == 12
    assert {fit.stage for fit in (*study.fits, *study.screening, *study.ablations)} == {COMPARE, SCREEN, ABLATE, SWEEP}
    assert study.labels[0] == "plain"
    assert {fit.key for fit in study.fits} == {(0, 0), (0, 1)}
    assert {fit.repeat for fit in study.screening} == {SCREENING}
    assert len(study.fits) == 2 * len(study.labels)
    assert all(set(fit.predictions) == {"stop", "validation", "test"} for fit in study.fits)
    assert all(set(fit.predictions) == {"stop", "validation"} for fit in (*study.screening, *study.ablations))
    values = answer(study)
    assert (values["trials"], values["recipes"], values["fits"]) == (12, len(study.labels), all_fits(study))
    assert values["sentence"]
    assert values["recommended"] == study.recommended().recipe.text()


def test_rounds_and_fits_are_in_the_folder(whole: tuple[Study, Path]) -> None:
    study, folder = whole
    rounds = StudyFolder(folder).rounds()
    pairs = {(candidate, key) for each in rounds for candidate, key in each.fits}
    fits = (*study.fits, *study.screening, *study.ablations)
    assert {(fit.candidate, fit.key) for fit in fits} == pairs
    assert len(fits) == len(pairs) == len(list((folder / "predictions").glob("*.safetensors")))
    assert [each.stage for each in rounds].count(COMPARE) == 1


def test_the_answer_follows_from_the_files(whole: tuple[Study, Path]) -> None:
    study, folder = whole
    assert as_json(load_study(folder)) == as_json(study)


def test_what_a_search_reports_about_itself_is_kept(iris: Dataset, tmp_path: Path) -> None:
    study = search(iris, tmp_path / "study", budget="0.1s")
    (note,) = (n for n in study.search_notes if n.startswith("the budget of 0.1 s is small"))
    loaded = load_study(tmp_path / "study")
    assert loaded.search_notes == study.search_notes
    assert note in loaded.notes


def test_a_search_without_a_folder_has_the_same_answer(
    iris: Dataset, whole: tuple[Study, Path], trained: Trained
) -> None:
    study = search(iris)
    assert as_json(study) == as_json(whole[0])
    assert len(trained) == all_fits(study)
    assert is_each_once(trained)


def test_another_seed_is_another_search(iris: Dataset, whole: tuple[Study, Path]) -> None:
    other = search(iris, protocol=Protocol(folds=2, repeats=1, seed=1))
    mine, others = ({f.candidate for f in study.screening} for study in (whole[0], other))
    assert len(mine & others) < len(mine)


# ---- continuing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 22, 37, 50])
def test_a_continued_search_equals_an_uninterrupted_one(
    iris: Dataset, whole: tuple[Study, Path], tmp_path: Path, trained: Trained, number: int
) -> None:
    assert number < all_fits(whole[0])
    stopped = search(iris, tmp_path, on_fit=interrupt_after(number))
    assert (stopped.interrupted, all_fits(stopped)) == (True, number)
    continued = search(iris, tmp_path)
    assert not continued.interrupted
    assert as_json(continued) == as_json(whole[0])
    assert len(trained) == all_fits(whole[0])
    assert is_each_once(trained)
    assert as_json(load_study(tmp_path)) == as_json(whole[0])


def test_a_search_that_is_interrupted_after_every_few_fits_has_the_same_answer(
    iris: Dataset, whole: tuple[Study, Path], tmp_path: Path, trained: Trained
) -> None:
    total = all_fits(whole[0])
    for number in range(7, total, 7):
        assert search(iris, tmp_path, on_fit=interrupt_after(number)).interrupted
    assert as_json(search(iris, tmp_path)) == as_json(whole[0])
    assert len(trained) == total
    assert is_each_once(trained)


def test_a_finished_search_trains_nothing(iris: Dataset, whole: tuple[Study, Path], trained: Trained) -> None:
    study, folder = whole
    assert as_json(search(iris, folder)) == as_json(study)
    assert trained == []


def test_a_larger_budget_continues_a_search(iris: Dataset, tmp_path: Path, trained: Trained) -> None:
    small = search(iris, tmp_path, budget="8trials")
    assert small.trials == 8
    larger = search(iris, tmp_path, budget="14trials")
    assert larger.trials == 14
    assert larger.complete
    assert is_each_once(trained)
    assert len(trained) == all_fits(larger) > all_fits(small)
    assert {c.recipe for c in small.candidates} <= {c.recipe for c in larger.candidates}
    assert as_json(load_study(tmp_path)) == as_json(larger)
    trained.clear()
    assert as_json(search(iris, tmp_path, budget="14trials")) == as_json(larger)
    assert trained == []


def test_a_recipe_that_was_ablated_and_is_compared_later_is_trained_once(
    iris: Dataset, tmp_path: Path, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fits have files of their own: compared fits keep predictions on the test rows, ablated ones do not."""
    first = search(iris, tmp_path)
    variant = first.ablations[0].candidate
    same = Candidate.of(variant.recipe, variant.settings(first.training), first.training)
    real = Screening.finalists
    monkeypatch.setattr(Screening, "finalists", lambda self, count: [*real(self, count), same])
    larger = search(iris, tmp_path, budget="14trials")
    assert same in larger.candidates
    assert len(trained) == all_fits(larger)
    assert all("test" in fit.predictions for fit in larger.fits)
    assert as_json(load_study(tmp_path)) == as_json(larger)
    trained.clear()
    repeated = search(iris, tmp_path, budget="14trials")
    assert trained == []
    assert repeated.complete


def test_another_space_or_sampler_is_another_study(iris: Dataset, whole: tuple[Study, Path]) -> None:
    _, folder = whole
    with pytest.raises(InputError, match="holds another study"):
        search(iris, folder, space={"l2": (1e-3, 1.0)})
    with pytest.raises(InputError, match=r"holds another study.*sampler 'tpe' there, 'random' here"):
        search(iris, folder, sampler="random")


def test_candidates_with_their_own_settings_are_the_same_in_the_folder(
    iris: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first recipe of the portfolio is compared in any case, with the learning rate that was best for it."""
    entries = [{"recipe": "l2=0.003", "learning_rate": 2.0}]
    monkeypatch.setattr(importlib.import_module("goodfit.study.search.portfolio"), "_entries", lambda: entries)
    study = search(iris, tmp_path, space=None, budget="3trials")
    assert "l2=0.003; learning_rate=0.006" in study.labels
    loaded = load_study(tmp_path)
    assert loaded.definition.candidates == study.definition.candidates
    assert as_json(loaded) == as_json(study)


# ---- what is compared -------------------------------------------------------------------------------


def test_recipes_with_a_budget_are_always_compared(iris: Dataset) -> None:
    study = search(iris, recipes=["max_norm=1", "l2=10"], budget="4trials")
    assert study.labels[:3] == ["plain", "max_norm=1.0", "l2=10.0"]
    assert all(len(study.fits_of(label)) == 2 for label in study.labels)
    assert study.complete
    assert study.trials >= 4


def test_recipes_alone_are_compared_without_a_search(iris: Dataset) -> None:
    study = search(iris, recipes=["l2=10"], budget=None, space=None)
    assert (study.labels, study.trials, study.screening) == (["plain", "l2=10.0"], 0, [])
    assert study.definition.search == {}


def test_a_search_by_default_has_the_standard_recipe_and_the_first_of_the_portfolio(iris: Dataset) -> None:
    study = search(iris, space=None, budget="1trial")
    first = portfolio(study.training, default_space(study.spec, study.training))[0]
    assert study.labels == ["plain", "weight_decay=1.0, early_stopping=10", first.label]


@pytest.mark.parametrize("sampler", ["quasi_random", "gp", "random"])
def test_samplers(iris: Dataset, sampler: str) -> None:
    study = search(iris, sampler=sampler, budget="5trials")
    assert study.trials == 5
    assert study.complete


def test_the_metric_of_a_search(iris: Dataset) -> None:
    study = search(iris, metric="log_loss", budget="3trials")
    assert (study.metric, study.training.metric) == ("log_loss", "log_loss")
    assert answer(study)["metric"] == "log_loss"


# ---- errors -----------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], str]] = [
    ({"catalogue": True, "space": None}, "catalogue=True searches nothing and must be used without budget='12trials'"),
    ({"catalogue": True, "budget": None}, r"catalogue=True searches nothing and must be used without space=\{"),
    ({"space": {"rotation": (5, 45)}}, "rotation must fit the data, got data of the kind table"),
    ({"space": {"l22": (1e-3, 1e-1)}}, "no technique or training setting 'l22'. Did you mean 'l2'"),
    ({"space": {"l2": (0.1, 0.01)}}, "must go from low to high"),
    ({"space": ["l2"]}, "space: it must be a mapping"),
    ({"budget": "five"}, "budget must be a time"),
    ({"budget": 0}, "budget must be a time"),
    ({"sampler": "grid"}, "sampler must be one of"),
    ({"metric": "rmse"}, "metric: it must be one for classification"),
    ({"recipes": ["l2(0.1, on='nowhere')"]}, "on must match"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=lambda v: str(v)[:40])
def test_what_does_not_fit_is_refused_before_training(
    iris: Dataset, tmp_path: Path, trained: Trained, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        search(iris, tmp_path / "s", **options)
    assert trained == []
    assert not (tmp_path / "s").exists()


def test_a_technique_of_the_space_that_the_network_cannot_use_is_refused(iris: Dataset, trained: Trained) -> None:
    settings = Training(epochs=2)
    with pytest.raises(InputError, match=r"spatial_dropout|SpatialDropout"):
        run_study(
            iris, "mlp:4", training=settings, protocol=TWO, space={"spatial_dropout": (0.1, 0.5)}, budget="3trials"
        )
    assert trained == []
