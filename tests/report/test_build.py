"""Building the pages of runs and studies."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from goodfit.data import Split, load
from goodfit.diagnosis import Finding, Verdict
from goodfit.errors import InputError
from goodfit.explanation import COLUMNS
from goodfit.recipe import Recipe
from goodfit.report import headline, summary, write_report
from goodfit.report.build import run_page, study_page, verdict_box, weights
from goodfit.report.html import render
from goodfit.report.page import BINS
from goodfit.study import Fit, Protocol, Study, run_study
from goodfit.study.design import design
from goodfit.study.fits import failed_fit
from goodfit.study.save import recipe_yaml
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

SHORT = Training(epochs=3, batch_size=16, learning_rate=0.01)
Net = Callable[..., nn.Sequential]


@pytest.fixture(scope="module")
def run(three_class_split: Split) -> Run:
    return fit("mlp:8", three_class_split, "l1=0.05, early_stopping=5", SHORT, seed=3)


@pytest.fixture(scope="module")
def study() -> Study:
    return run_study(load("iris"), "mlp:8", ["l1=0.05", "max_norm=2, clip_grad_norm=1"], Training(epochs=3),
                     protocol=Protocol(folds=2, repeats=1))  # fmt: skip


# ---- weights ----------------------------------------------------------------------------------------


def test_histograms_hold_every_kernel_weight(run: Run) -> None:
    tensors = weights(run, "l1").tensors
    assert [(t.name, t.shape) for t in tensors] == [("0.weight", (8, 6)), ("2.weight", (3, 8))]
    for tensor, kernel in zip(tensors, (run.model[0].weight, run.model[2].weight), strict=True):  # type: ignore[index]
        assert sum(tensor.counts) + tensor.zeros == tensor.size == kernel.numel()
        assert (len(tensor.counts), len(tensor.edges)) == (BINS, BINS + 1)
        assert tensor.edges[-1] == -tensor.edges[0] == pytest.approx(float(kernel.detach().abs().max()))
        numbers = kernel.detach().double().flatten().numpy()
        assert list(tensor.counts) == np.histogram(numbers[numbers != 0], np.array(tensor.edges))[0].tolist()


def test_exact_zeros_of_l1_are_counted(run: Run) -> None:
    tensor = weights(run, "l1").tensors[0]
    assert tensor.zeros == int((run.model[0].weight == 0).sum()) > 0  # type: ignore[index]
    assert weights(run, "l1").zero_share > 0.1


def test_exact_zeros_are_in_no_bin() -> None:
    model = nn.Sequential(nn.Linear(4, 1))
    model[0].weight.data = torch.tensor([[-1.0, 0.0, 0.0, 1.0]])
    tensor = weights(SimpleNamespace(model=model), "odd").tensors[0]  # type: ignore[arg-type]
    assert (tensor.counts[0], tensor.counts[-1], sum(tensor.counts), tensor.zeros) == (1, 1, 2, 2)


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_kernels_without_a_spread(value: float) -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    nn.init.constant_(model[0].weight, value)
    tensor = weights(SimpleNamespace(model=model), "odd").tensors[0]  # type: ignore[arg-type]
    number = 6 if value == 0.0 else 0
    assert (sum(tensor.counts), tensor.zeros, tensor.size) == (0, number, number)
    assert (tensor.edges[0], tensor.edges[-1]) == (-1.0, 1.0)


# ---- the verdict ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "result", "weight"),
    [
        ("overfit", "large", "supports"),
        ("overfit", "memorized", "supports"),
        ("overfit", "small", "against"),
        ("overfit", "learned", "neutral"),
        ("overfit", "falling", "against"),
        ("overfit", "unclear", "neutral"),
        ("underfit", "not learned", "supports"),
        ("underfit", "falling", "supports"),
        ("underfit", "small", "supports"),
        ("underfit", "short", "neutral"),
        ("good fit", "small", "supports"),
        ("good fit", "learned", "supports"),
        ("good fit", "rising", "against"),
        ("cannot tell", "unclear", "supports"),
        ("cannot tell", "short", "supports"),
        ("cannot tell", "learned", "neutral"),
    ],
)
def test_each_finding_is_marked_as_supporting_neutral_or_against(label: str, result: str, weight: str) -> None:
    verdict = Verdict(label, "headline", (Finding("check", result, "title", "evidence", "step"),), ("next",))
    box = verdict_box(verdict, "the subject")
    assert box.findings[0].weight == weight
    assert (box.label, box.headline, box.subject, box.next_steps) == (label, "headline", "the subject", ("next",))
    assert (box.findings[0].title, box.findings[0].evidence, box.findings[0].next_step) == (
        "title", "evidence", "step",
    )  # fmt: skip


# ---- pages ------------------------------------------------------------------------------------------


def test_the_page_of_a_run(run: Run) -> None:
    page = run_page(run, (("The command", "goodfit fit"),))
    assert page.title == "arrays: l1=0.05, early_stopping=5"
    facts = dict(page.facts)
    assert facts["Network"] == "mlp:8"
    assert facts["Parameters"] == "83"  # 6·8 + 8 + 8·3 + 3
    assert facts["Epochs"] == f"3, epoch {run.kept_epoch} kept"
    assert facts["Seed"] == "3"
    assert page.ranking == page.test == ()
    (curve,) = page.curves
    assert curve.epochs == (1, 2, 3)
    assert curve.stop_loss == tuple(run.history["stop_loss"])
    assert curve.train == tuple(run.history["train_accuracy"])
    assert (curve.best_epoch, curve.kept_epoch) == (run.best_epoch, run.kept_epoch)
    assert page.action_columns == COLUMNS
    assert page.actions[-1][:2] == ("early_stopping=5", "the whole run")
    assert {len(row) for row in page.actions} == {len(COLUMNS)}
    assert page.reproduce[0] == ("The command", "goodfit fit")
    assert Recipe.from_yaml(page.reproduce[1][1]) == run.recipe


def test_the_page_of_a_custom_network(three_class_split: Split, make_net: Net) -> None:
    page = run_page(fit(make_net(), three_class_split, "batch_norm", SHORT))
    assert dict(page.facts)["Network"] == "custom"
    assert page.actions[0][:4] == ("0", "Linear", "", "batch_norm on its output")
    assert "0.weight" in [t.name for t in page.weights[0].tensors]
    render(page)


def test_the_page_of_a_run_without_an_epoch(run: Run) -> None:
    none = dataclasses.replace(run, history=type(run.history)(), kept="last", best_epoch=0)
    page = run_page(none)
    assert page.curves == ()
    assert page.verdict.label == "cannot tell"
    render(page)


def test_the_page_of_a_study(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    page = study_page(study)
    labels = study.labels
    assert {r.label for r in page.ranking} == set(labels)
    plain = next(r for r in page.ranking if r.label == "plain")
    assert (plain.difference, plain.difference_low, plain.note) == (None, None, "")
    for row in page.ranking:
        ranked = next(r for r in study.ranking() if r.candidate.label == row.label)
        assert (row.mean, row.low, row.high, row.fits) == (ranked.score.mean, ranked.score.low, ranked.score.high, 2)
        if ranked.difference:
            same = ranked.difference.low == ranked.difference.high == 0
            wins = f"better than plain in {ranked.wins} of 2 fits"
            assert row.note == ("changed nothing: every row is scored as by plain" if same else wins)
    assert {(c.label, c.seed) for c in page.curves} == {(name, seed) for name in labels for seed in (0, 1)}
    assert {w.label for w in page.weights} == set(labels)
    assert next(w for w in page.weights if w.label == "plain").zeros == 0
    assert page.verdict.subject == "the plain network"
    assert page.subtitle == headline(study)
    assert [name for name, _ in page.test][:2] == list(study.test_scores())
    assert page.test == summary.test_entries(study)
    compared = study.evidence().best
    assert compared is not None
    assert page.metrics == summary.metric_entries(study, compared.candidate.label)
    assert page.metrics_of == "Best recipe, not recommended"
    with monkeypatch.context() as patch:
        patch.setattr(type(study), "recommended", lambda self: compared.candidate)
        assert study_page(study).metrics_of == "Recommended recipe"
    assert page.reproduce == (("The recommended recipe", recipe_yaml(study)),)
    facts = dict(page.facts)
    assert facts["Target"] == "target (3 classes)"
    assert facts["Rows"] == "train 49, stop 15, validation 64, test 22"
    assert facts["Protocol"] == study.definition.design == "2 folds × 1 repeat"
    assert any("with 2 recipes compared" in note for note in page.notes)


def with_failures(study: Study, failed: Callable[[Fit], bool]) -> Study:
    """The study as it would be if some of its fits had failed."""
    folds = {fold.key: fold for fold in design(study.definition.protocol, load("iris"))}
    fits = [
        failed_fit(fit.candidate, folds[fit.key], fit.spec, fit.metric, "it diverged") if failed(fit) else fit
        for fit in study.fits
    ]
    kept = {(fit.label, *fit.key) for fit in fits if not fit.failure}
    return dataclasses.replace(study, fits=fits, runs={k: v for k, v in study.runs.items() if k in kept})


def test_failed_fits_are_noted(study: Study) -> None:
    page = study_page(with_failures(study, lambda fit: (fit.label, fit.fold) == ("l1=0.05", 1)))
    row = next(r for r in page.ranking if r.label == "l1=0.05")
    assert row.note.endswith("; 1 of 2 fits failed")
    assert row.fits == 1
    render(page)


def test_a_study_whose_plain_network_diverged_is_still_shown(study: Study, tmp_path: Path) -> None:
    broken = with_failures(study, lambda fit: fit.label == "plain")
    page = study_page(broken)
    best = broken.ranking()[0].candidate.label
    assert page.verdict.subject == best
    assert page.subtitle == headline(broken)
    assert page.subtitle.startswith("Nothing can be said yet: ")
    assert {r.label for r in page.ranking} == {"l1=0.05", "max_norm=2.0, clip_grad_norm=1.0"}
    text = write_report(broken, tmp_path / "report.html").read_text()
    assert ">nan<" not in text.lower()
    assert "No plain fit was finished, so no recipe is compared with plain." in text
    assert "Dashed" not in text
    assert 'data-figure="differences"' not in text
    assert "of 0 fits" not in text


def test_a_study_without_a_run_has_no_report(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run of the study of 'iris' was finished"):
        write_report(with_failures(study, lambda fit: True), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


# ---- the file ---------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def hostile() -> Study:
    """A study of a table whose target, column and classes contain HTML."""
    rng = np.random.default_rng(0)
    names = np.array(["<b>yes", '"no&'])[np.arange(60) % 2]
    table = pd.DataFrame({"<script>": rng.normal(size=60), "b": rng.normal(size=60), HOSTILE: names})
    data = dataclasses.replace(load(table, HOSTILE), name=HOSTILE)
    return run_study(
        data, "mlp:4", ["l2(0.001, on='kernel [!<]*')"], Training(epochs=1), protocol=Protocol(folds=2, repeats=1)
    )


def test_names_from_data_are_escaped(hostile: Study, tmp_path: Path) -> None:
    for of in (hostile, hostile.run_of("plain")):
        reproduce = (("The command", f"goodfit study x.csv --target '{HOSTILE}'"),)
        text = write_report(of, tmp_path / "report.html", reproduce).read_text(encoding="utf-8")
        assert "alert(1)" in text
        assert HOSTILE not in text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_file_needs_nothing_else(study: Study, tmp_path: Path) -> None:
    path = write_report(study, tmp_path / "deep" / "report.html")
    text = path.read_text(encoding="utf-8")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert text.lstrip().lower().startswith("<!doctype html>")
    outside = re.findall(r"""<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)\s*=\s*["']?([^"'\s>]+)""", text)
    assert [link for link in outside if not link.startswith(("data:", "#"))] == []
    assert not re.search(r"""@import|url\(\s*["']?(?:https?:)?//""", text)


def test_a_report_is_the_same_but_for_the_time(run: Run) -> None:
    one, two = (dataclasses.replace(run_page(run), created="") for _ in range(2))
    assert one == two
    assert render(one) == render(two)
