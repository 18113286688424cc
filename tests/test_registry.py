"""Techniques of users: registered once, known everywhere; names that belong to others are refused."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

import goodfit
from goodfit import Training, fit, pages, registry
from goodfit.citations import bibtex
from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.reference import Reference
from goodfit.registry import all_techniques, find, is_registered, register
from goodfit.stages import OnLoss, OnWeights, Penalty, SmoothPenalty, selector
from goodfit.technique import Technique, knob
from goodfit.techniques import ALL, Dropout, MixUp

SHORT = Training(epochs=2, batch_size=16)


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})


class CubicPenalty(SmoothPenalty):
    """Adds strength · Σ|w|³ to the cost.

    Formula: cost = loss + strength · Σ|w|³

    >>> CubicPenalty(2.0).value(torch.tensor([[1.0]]))
    tensor(2.)
    """

    references = (Reference(authors=("A. Cee",), title="Cubes", year=2020, url="https://example.org/cubes"),)
    aliases = ("cubes",)
    strength: float = knob(1e-3, low=0, search=(1e-4, 1e-1), log=True, neutral=0.0, unit="loss", doc="weight of Σ|w|³")
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().pow(3).sum()

    def gradient(self, w: Tensor) -> Tensor:
        return 3 * self.strength * w * w.abs()


def another(title: str, /, *, module: str = "elsewhere", **members: Any) -> type[Technique]:
    """A class of this name from another module."""
    return type(title, (CubicPenalty,), {"__module__": module, "__qualname__": title, "aliases": ()} | members)


# ---- registering ----------------------------------------------------------------------------------


def test_unregistered_names_are_refused_with_the_remedy() -> None:
    with pytest.raises(InputError, match=r"no technique 'xyz'\. Known: .* Register your own technique with goodfit"):
        Recipe.of("xyz=0.1")


def test_registered_technique_is_found_by_name_and_alias() -> None:
    assert register(CubicPenalty) is CubicPenalty
    assert is_registered(CubicPenalty)
    assert not is_registered(Dropout)
    for name in ("cubic_penalty", "CubicPenalty", "cubic-penalty", "cubes"):
        assert find(name) is CubicPenalty
    assert list(all_techniques()) == [*ALL, "cubic_penalty"]
    with pytest.raises(InputError, match="Did you mean 'cubic_penalty'"):
        find("cubic_penalti")


def test_same_class_again_replaces_the_earlier_one() -> None:
    register(CubicPenalty)
    register(CubicPenalty)
    redefined = another("CubicPenalty", module=CubicPenalty.__module__)
    register(redefined)
    assert find("cubic_penalty") is redefined
    renamed = another(
        "CubicPenalty", module=CubicPenalty.__module__, name=classmethod(lambda cls: "cubic"), aliases=("cubes",)
    )
    register(renamed)
    assert find("cubic") is find("cubes") is renamed
    assert "cubic_penalty" not in all_techniques()


def test_unregistered_technique_is_forgotten() -> None:
    register(CubicPenalty)
    registry.unregister(CubicPenalty)
    registry.unregister(MixUp)
    assert list(all_techniques()) == list(ALL)


def test_catalogue_techniques_derive_from_what_the_trainers_apply() -> None:
    assert all(issubclass(technique, registry.BASES) for technique in ALL.values())


def test_catalogue_technique_needs_no_registration() -> None:
    assert register(MixUp) is MixUp
    assert list(all_techniques()) == list(ALL)


@pytest.mark.parametrize(
    ("technique", "message"),
    [
        (
            another("Dropout"),
            r"the name 'dropout' belongs to goodfit\.techniques\.model\.dropout\.Dropout, got",
        ),
        (another("MixUp"), r"the name 'mix_up' belongs to goodfit\.techniques\.batch\.mixup\.MixUp"),
        (
            another("CubicPenalty"),
            r"the name 'cubic_penalty' belongs to .*test_registry\.CubicPenalty, got",
        ),
        (another("Fresh", aliases=("cubes",)), "the name 'cubes' belongs to"),
        (another("Fresh", name=classmethod(lambda cls: "Fresh!")), r"must be like my_technique, got name='Fresh!'"),
        (another("Lambda"), r"must be like my_technique, got name='lambda'; override name\(\)"),
        (
            type("Empty", (SmoothPenalty,), {}),
            "must implement every method of its stage, got none for: gradient, value",
        ),
        (type("Idle", (Penalty,), {"value": CubicPenalty.value}), "must be a class derived from one of OnSample, "),
        (OnLoss, "must be a class derived from one of OnSample, "),
        (OnWeights, "must be a class derived from one of OnSample, "),
        (dict, r"must be a class derived from one of .*, OnEpoch, got <class 'dict'>"),
        (CubicPenalty(), r"must be a class derived from one of .*, OnEpoch, got CubicPenalty\("),
    ],
)
def test_unsuitable_classes_are_refused(technique: Any, message: str) -> None:
    register(CubicPenalty)
    with pytest.raises(InputError, match=message) as raised:
        register(technique)
    assert "\n" not in str(raised.value)
    assert list(all_techniques()) == [*ALL, "cubic_penalty"]


def test_knobs_without_default_are_refused() -> None:
    class Demanding(CubicPenalty):
        def __init__(self, more: float) -> None:
            """Takes a value that has no default."""

    with pytest.raises(InputError, match=r"Demanding\(\) must work without arguments; give each knob a default"):
        register(Demanding)


# ---- known everywhere ------------------------------------------------------------------------------


def test_recipe_text_and_yaml() -> None:
    register(CubicPenalty)
    recipe = Recipe.of("cubic_penalty=0.01, dropout=0.5")
    assert recipe.techniques == (CubicPenalty(0.01), Dropout(0.5))
    assert Recipe.of(recipe.text()) == Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_lint_explain_and_cite(three_class_split: Split) -> None:
    register(CubicPenalty)
    net, recipe = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), Recipe.of("cubic_penalty")
    assert recipe.lint(net) == []
    assert "cubic_penalty" in str(goodfit.explain(net, recipe).rows())
    assert bibtex([CubicPenalty]).startswith("@misc{cee2020cubes,")


def test_pages() -> None:
    register(CubicPenalty)
    out = io.StringIO()
    Console(file=out, width=200).print(pages.terminal(find("cubes")), pages.catalogue_table(all_techniques().values()))
    for part in ("cost = loss + strength · Σ|w|³", "A. Cee, “Cubes”, 2020", "cubic_penalty=0.001"):
        assert part in out.getvalue()
    assert f">>> from {__name__} import CubicPenalty\n" in pages.page(CubicPenalty).example
    assert pages.page(CubicPenalty).source == __name__


def test_page_of_a_class_without_source() -> None:
    page = pages.page(another("FromNotebook", __doc__="Adds nothing.\n\n>>> 1\n1"))
    assert page.example == ">>> 1\n1"


def test_saved_run(three_class_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(CubicPenalty)
    run = fit("mlp", three_class_split, "cubic_penalty=0.01", SHORT)
    goodfit.save_run(run, tmp_path)
    assert goodfit.load_run(tmp_path).recipe == run.recipe
    monkeypatch.setattr(registry, "_registered", {})
    with pytest.raises(
        InputError,
        match=r"run\.json': technique 'cubic_penalty' is not registered; import the module that",
    ) as raised:
        goodfit.load_run(tmp_path)
    assert "--import MODULE" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_population_equals_solo(three_class_split: Split) -> None:
    register(CubicPenalty)
    recipes = ["", "cubic_penalty=0.01", "cubic_penalty=0.1"]
    together: Any = goodfit.fit_many("mlp", three_class_split, recipes, SHORT)
    for recipe, run in zip(recipes, together, strict=True):
        alone = fit("mlp", three_class_split, recipe, SHORT)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-6)
    assert not torch.equal(together[0].last["0.weight"], together[2].last["0.weight"])


TECHNIQUE = '''
    import goodfit
    from goodfit.stages import SmoothPenalty, selector
    from goodfit.technique import knob

    @goodfit.register
    class NAME(SmoothPenalty):
        """Adds strength · Σw⁴ to the cost."""

        not_vectorizable = "it runs in a process of its own in this test"
        strength: float = knob(0.1, low=0, neutral=0.0, doc="weight of Σw⁴")
        on: str = selector()

        def value(self, w):
            assert goodfit.Recipe.of(self.name()).techniques == (type(self)(),)  # this process knows the name
            return self.strength * w.pow(4).sum()

        def gradient(self, w):
            return 4 * self.strength * w.pow(3)
'''
SCRIPT = """
    import sys
    import numpy as np
    import torch
    if __name__ == "__main__":
        from goodfit.train.population import scheduler
        scheduler.MIN_SECONDS = 0.0
        torch.set_num_threads(2)
        started = []
        parallel = scheduler.Parallel
        scheduler.Parallel = lambda n_jobs, **options: started.append(n_jobs) or parallel(n_jobs=n_jobs, **options)
        scheduler.os.cpu_count = lambda: 2
        rng = np.random.default_rng(0)
        split = goodfit.load((rng.normal(size=(80, 4)), rng.integers(0, 2, 80))).split()
        recipes = ["of_script=0.1", "of_module=0.2", "of_script=0.3", "of_module=0.4"]
        training = goodfit.Training(epochs=1, batch_size=16)
        runs = goodfit.fit_many("mlp", split, recipes, training)
        assert started == [2], started
        for run, recipe in zip(runs, recipes, strict=True):
            assert type(run.recipe.techniques[0]) is (OfModule if "module" in recipe else OfScript)
            alone = goodfit.fit("mlp", split, recipe, training)
            assert all(torch.equal(run.last[name], weight) for name, weight in alone.last.items())
        print("same")
"""


def test_worker_processes_know_it(tmp_path: Path) -> None:
    """One technique of the script itself, and one of a module that it imports."""
    definition = textwrap.dedent(TECHNIQUE)
    (tmp_path / "own_module.py").write_text(definition.replace("NAME", "OfModule"), encoding="utf-8")
    script = definition.replace("NAME", "OfScript") + "from own_module import OfModule\n" + textwrap.dedent(SCRIPT)
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    command = [sys.executable, tmp_path / "script.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout.endswith("same\n"), done.stderr
