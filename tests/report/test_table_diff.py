"""Variants of a table row: values and differences in the units of the data, and the target."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.augmentation.preview import targets as soft
from goodfit.data import Inputs, Split, Tables, load
from goodfit.data.tensors import from_tensors
from goodfit.recipe import Recipe
from goodfit.report import write_report, write_variants
from goodfit.report.page import SampleGallery
from goodfit.report.sample_gallery import sample_galleries
from goodfit.report.table_diff import format_value, input_formats, table_gallery, target_formats, target_text
from goodfit.train.config import Training
from goodfit.train.fit import fit


def people(rows: int = 200, task: str = "classification") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "city": rng.choice(["Rome", "Oslo <b>", "Bern"], rows).astype(object),
            "age": rng.integers(18, 90, rows),
            "income": (rng.random(rows) * 5000).round(2),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
            "y": rng.choice(["no", "yes"], rows) if task == "classification" else rng.normal(100, 20, rows).round(1),
        }
    )
    frame.loc[::4, "income"] = np.nan
    frame.loc[3, "city"] = "Atlantis"
    return frame


@pytest.fixture(scope="module")
def split() -> Split:
    return load(people(), "y").split(seed=0)


def row_gallery(split: Split, x: torch.Tensor, row: int, y: torch.Tensor | None = None) -> SampleGallery:
    """Return the gallery of a row with the given variants."""
    before = soft(split, (row,))[0]
    return table_gallery(split, row, "a row", (x, before.expand(len(x), -1) if y is None else y), before)


def cells(gallery: SampleGallery, name: str) -> list[tuple[str, str, bool]]:
    place = [line.name for line in gallery.features].index(name)
    return [
        (c.text, c.difference, c.changed) for one in (gallery.original, *gallery.variants) for c in [one.cells[place]]
    ]


def test_the_original_row_equals_the_data(split: Split) -> None:
    raw = people().iloc[split.train.rows].reset_index(drop=True)
    for row in range(40):
        gallery = row_gallery(split, split.train.x[row][None], row)
        texts = {line.name: cell.text for line, cell in zip(gallery.features, gallery.original.cells, strict=True)}
        own = raw.loc[row]
        assert texts["city"] == own["city"].replace("Atlantis", "(other)")
        assert texts["age"] == str(own["age"])
        assert texts["since"] == f"{own['since']:%Y-%m-%d}"
        income = "(missing)" if np.isnan(own["income"]) else f"{own['income']:,.2f}".rstrip("0").rstrip(".")
        assert texts["income"] == income
        assert texts["y"] == own["y"]
        assert not any(cell.changed for one in gallery.variants for cell in one.cells)
        assert "0 of 4 columns change" in gallery.note


def test_changes_are_marked_and_measured(split: Split) -> None:
    names = split.preprocessing.feature_names  # type: ignore[union-attr]
    known = {c.name: c for c in split.preprocessing.features.numbers}  # type: ignore[union-attr]
    row = next(i for i in range(99) if split.train.x[i, names.index("city=Rome")] and not split.train.x[i, 3])
    x = split.train.x[row].repeat(3, 1)
    x[0, names.index("age")] += 7 / known["age"].scale
    x[0, names.index("since")] -= 31 * 86400 / known["since"].scale
    x[1, names.index("city=Rome")], x[1, names.index("city=Bern")] = 0, 1
    x[2, names.index("city=Rome")] = 0
    x[2, names.index("income is missing")] = 1
    gallery = row_gallery(split, x, row)
    raw = people().iloc[split.train.rows[row]]
    age, since = raw["age"], raw["since"]
    assert cells(gallery, "age")[:3] == [(str(age), "", False), (str(age + 7), "+7", True), (str(age), "", False)]
    earlier = f"{since - pd.Timedelta(days=31):%Y-%m-%d}"
    assert cells(gallery, "since")[1] == (earlier, "−31 days", True)
    assert cells(gallery, "city") == [
        ("Rome", "", False), ("Rome", "", False), ("Bern", "", True), ("(other)", "", True),
    ]  # fmt: skip
    income = cells(gallery, "income")
    assert income[3] == (f"(missing) {income[0][0]}", "", True)
    assert "4 of 4 columns change" in gallery.note
    assert "(other): a category that is rare in the training rows." in gallery.note


def test_the_target_comes_first_then_the_columns_that_change_most() -> None:
    x = np.random.default_rng(0).normal(size=(100, 30))
    split = load((x, np.arange(100) % 2)).split(seed=0)
    x = split.train.x[4].repeat(3, 1)
    x[:, 17] += 1
    x[0, 25] += 1
    gallery = row_gallery(split, x, 4)
    assert [line.name for line in gallery.features[:4]] == ["y", "x17", "x25", "x0"]
    assert [line.target for line in gallery.features] == [True] + [False] * 20
    assert (
        gallery.note
        == "2 of 30 columns change in some of these variants. 10 columns are not shown; none of them changes."
    )
    x += 1
    assert "30 of 30 columns change" in row_gallery(split, x, 4).note
    assert "10 columns are not shown; 10 of them change." in row_gallery(split, x, 4).note


def test_soft_targets_are_shares_of_classes(split: Split) -> None:
    assert target_text(split, torch.tensor([0.28, 0.72])) == "yes\u00a072\u00a0%, no\u00a028\u00a0%"
    assert target_text(split, torch.tensor([1.0, 0.0])) == "no"
    gallery = row_gallery(split, split.train.x[[0, 0]], 0, torch.tensor([[0.5, 0.5], soft(split, (0,))[0].tolist()]))
    assert [changed for _, _, changed in cells(gallery, "y")] == [False, True, False]
    many = load((np.random.default_rng(0).normal(size=(200, 3)), np.arange(200) % 5)).split(seed=0)
    text = target_text(many, torch.tensor([0.1, 0.5, 0.1, 0.2, 0.1]))
    assert text == "1\u00a050\u00a0%, 3\u00a020\u00a0%, 0\u00a010\u00a0%, …"


def test_numeric_targets_are_in_the_units_of_the_data() -> None:
    split = load(people(task="regression"), "y").split(seed=0)
    raw = people(task="regression")["y"].iloc[split.train.rows].to_numpy()
    for row in range(5):
        assert target_text(split, split.train.y[row]) == format_value(float(raw[row]), 1)
    moved = split.train.y[:1] + 10 / split.preprocessing.target_scale  # type: ignore[union-attr]
    gallery = row_gallery(split, split.train.x[:1], 0, moved)
    assert cells(gallery, "y")[1] == (format_value(float(raw[0]) + 10, 1), "+10", True)


def test_very_large_and_small_numbers_are_short() -> None:
    assert format_value(-1.25e30, 0) == "−1.25e+30"
    assert format_value(1.25e-14, 16) == "1.25e−14"
    assert format_value(123_456_789.0, 0) == "123,456,789"


def test_mixed_categories_are_shares() -> None:
    frame = people()
    split = load(frame, "y").split(seed=0)
    names = split.preprocessing.feature_names  # type: ignore[union-attr]
    row = next(i for i in range(99) if split.train.x[i, names.index("city=Rome")])
    x = split.train.x[row].clone()
    x[names.index("city=Rome")], x[names.index("city=Bern")] = 0.4, 0.6
    x[names.index("income is missing")] = 0.25
    gallery = row_gallery(split, x[None], row)
    assert cells(gallery, "city")[1] == ("Bern\u00a060\u00a0%, Rome\u00a040\u00a0%", "", True)
    assert cells(gallery, "income")[1][0].endswith(", 25\u00a0% missing")


def test_times_of_day_are_shown_if_the_data_has_them() -> None:
    frame = people()
    frame["since"] += pd.to_timedelta(np.arange(len(frame)) * 7, unit="h")
    split = load(frame, "y").split(seed=0)
    gallery = row_gallery(split, split.train.x[:1], 0)
    assert cells(gallery, "since")[0][0] == f"{frame['since'].iloc[split.train.rows[0]]:%Y-%m-%d %H:%M}"


def test_tensors_are_shown_unchanged() -> None:
    x = torch.arange(40.0).reshape(20, 2) / 4
    pair = (x, torch.stack([torch.arange(20.0), torch.arange(20.0) / 2], 1))
    split = from_tensors(pair, pair)
    gallery = row_gallery(split, x[2:3], 2)
    assert [line.name for line in gallery.features] == ["y 0", "y 1", "x0", "x1"]
    assert [cell.text for cell in gallery.original.cells] == ["2", "1", "1", "1.25"]
    assert [column.inputs.column.name for column in target_formats(split)] == ["y 0", "y 1"]


def test_bytes_of_a_flat_array_are_whole_numbers() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (60, 4)).astype(np.uint8)
    split = load((shades, np.arange(60) % 2), options=Tables()).split(seed=0)
    assert split.spec.inputs == Inputs("table", split.spec.inputs.low, split.spec.inputs.high)
    row = split.train.x[5].numpy()
    assert [column.text(row) for column in input_formats(split)] == [str(v) for v in shades[split.train.rows[5]]]


class Cells(HTMLParser):
    """Collects the cells of every row of the tables of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str]]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append((dict(attrs).get("class") or "", ""))
        self.inside = tag in ("td", "th") or (self.inside and tag in ("span", "wbr"))

    def handle_data(self, data: str) -> None:
        if self.inside:
            kind, text = self.rows[-1][-1]
            self.rows[-1][-1] = (kind, text + data)

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"


def test_the_page_contains_the_table(split: Split, tmp_path: Path) -> None:
    recipe = Recipe.of("swap_noise=0.6, cutmix")
    path = write_variants(split, recipe, tmp_path / "augment.html", count=5, samples=2)
    assert [one.name for one in tmp_path.iterdir()] == ["augment.html"]
    text = path.read_text(encoding="utf-8")
    page = Cells()
    page.feed(text)
    galleries = sample_galleries(split, recipe, 5, 2)
    expected = [[line.name, *(one.cells[i].text for one in (gallery.original, *gallery.variants))]
              for gallery in galleries for i, line in enumerate(gallery.features)]  # fmt: skip
    shown = [[text.strip() for _, text in row] for row in page.rows if row[0][1]]
    assert shown == expected
    marked = [["changed" in kind for kind, _ in row[2:]] for row in page.rows if row[0][1]]
    assert marked == [[one.cells[i].changed for one in s.variants] for s in galleries for i in range(len(s.features))]
    assert any(map(any, marked))
    assert "Oslo <b>" not in text


def test_the_report_of_a_run_contains_the_table(split: Split, tmp_path: Path) -> None:
    title = "Augmented samples"
    for recipe, shown in (("mixup", True), ("swap_noise", True), ("label_smoothing", False), ("l2=0.1", False)):
        run = fit("mlp:4", split, recipe, Training(epochs=1), progress=False)
        text = write_report(run, tmp_path / f"{recipe[:4]}.html", data=split).read_text(encoding="utf-8")
        assert (title in text) == shown
        assert text.count('<table class="variants">') == 3 * shown


@pytest.mark.parametrize("recipe", ["cutmix", "mixup", "swap_noise", "column_noise"])
def test_a_column_that_is_constant_in_the_training_rows(recipe: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"num": rng.normal(size=40), "rare": np.r_[np.zeros(39), 1.0], "y": list("uv") * 20})
    data = load(frame, target="y")
    split = next(s for s in map(data.split, range(20)) if 39 not in s.train.rows and 39 not in s.test.rows)
    (gallery,) = sample_galleries(split, Recipe.of(recipe))
    values = cells(gallery, "rare")
    assert {text for text, _, _ in values} == {"0"}
    assert not any(changed for _, _, changed in values)
