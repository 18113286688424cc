"""Charts of a series and its variants: correct values, common axes, short paths."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from goodfit.augmentation.preview import example_rows, variants_in_batches
from goodfit.data import Series, Split, load
from goodfit.recipe import Recipe
from goodfit.report import write_report, write_variants
from goodfit.report.sample_gallery import sample_galleries
from goodfit.report.series_charts import HEIGHT, MARGIN, WIDTH, svg_path, to_data_units
from goodfit.train.config import Training
from goodfit.train.fit import fit


def points(drawn: str) -> np.ndarray:
    return np.asarray(re.findall(r"-?\d+", drawn), float).reshape(-1, 2)


def heights(drawn: str, low: float, high: float) -> np.ndarray:
    """Return the values that a path shows."""
    share = (HEIGHT - MARGIN - points(drawn)[:, 1]) / (HEIGHT - 2 * MARGIN)
    return low + share * (high - low)


def test_a_path_goes_through_the_values() -> None:
    values = np.random.default_rng(0).normal(size=50)
    drawn = svg_path(values, -4.0, 4.0)
    np.testing.assert_allclose(points(drawn)[:, 0], np.linspace(0, WIDTH, 50), atol=0.5)
    np.testing.assert_allclose(heights(drawn, -4.0, 4.0), values, atol=0.51 * 8 / (HEIGHT - 2 * MARGIN))


def test_long_series_have_short_paths_with_every_spike() -> None:
    values = np.sin(np.arange(20_000) / 900)
    values[12_345] = 5.0
    drawn = svg_path(values, -1.0, 5.0)
    assert len(drawn) < 4000
    across, down = points(drawn).T
    assert (np.diff(across) >= 0).all()
    spike = down.argmin()
    assert down[spike] == MARGIN
    assert abs(across[spike] - 12_345 / 19_999 * WIDTH) <= 0.5


@pytest.mark.parametrize(("values", "expected"), [([3.0, 3.0], "M0 100L1000 100"), ([2.0], "M0 100h1000")])
def test_constant_and_single_values_are_in_the_middle(values: list[float], expected: str) -> None:
    assert svg_path(np.asarray(values), values[0], values[0]) == expected


def test_charts_show_the_data_on_common_axes() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2, 20)) * [[3.0], [0.01]] + [[100.0], [0.0]]
    split = load((x, np.arange(60) % 2), options=Series()).split(seed=0)
    (gallery,) = sample_galleries(split, Recipe.of("jitter=0.2"), count=4)
    raw = x[split.train.rows[0]]
    shown = variants_in_batches(split, Recipe.of("jitter=0.2"), 4, example_rows(split, 1)).x[0]
    everything = np.concatenate([raw[None], to_data_units(split, shown)])  # (1 + variant, channel, time)
    assert [line.name for line in gallery.features] == ["channel 0", "channel 1"]
    for channel, line in enumerate(gallery.features):
        low, high = everything[:, channel].min(), everything[:, channel].max()
        ends = [float(end.replace("−", "-").replace(",", "")) for end in (line.low, line.high)]
        np.testing.assert_allclose(ends, [low, high], atol=0.01 * (high - low))
        for one, values in zip((gallery.original, *gallery.variants), everything, strict=True):
            drawn = heights(one.paths[channel], low, high)
            np.testing.assert_allclose(drawn, values[channel], atol=0.6 * (high - low) / (HEIGHT - 2 * MARGIN))
    assert gallery.note.startswith("20 time steps")


def test_at_most_six_channels_are_shown() -> None:
    x = np.random.default_rng(0).normal(size=(40, 9, 12))
    split = load((x, np.arange(40) % 2), options=Series()).split(seed=0)
    (gallery,) = sample_galleries(split, Recipe.of("jitter"), count=2)
    assert {len(one.paths) for one in (gallery.original, *gallery.variants)} == {6}
    assert gallery.note.endswith("6 of 9 channels are shown.")


def test_a_changed_target_is_the_caption(series_split: Split) -> None:
    (gallery,) = sample_galleries(series_split, Recipe.of("mixup(alpha=1)"), count=20)
    captions = [one.caption for one in gallery.variants]
    assert any(re.fullmatch(r"\d\u00a0\d+\u00a0%, \d\u00a0\d+\u00a0%", caption) for caption in captions)
    assert not any(one.caption for one in sample_galleries(series_split, Recipe.of("jitter"), count=5)[0].variants)


def test_page_and_picture(series_split: Split, tmp_path: Path) -> None:
    recipe = Recipe.of("jitter, window_warp=2, permutation, series_scaling")
    written = write_variants(series_split, recipe, tmp_path / "augment.html", count=7, samples=2)
    text = written.read_text(encoding="utf-8")
    galleries = sample_galleries(series_split, recipe, 7, 2)
    drawn = re.findall(r'<path[^>]* d="([^"]*)"', text)
    assert drawn == [
        path for gallery in galleries for view in (gallery.original, *gallery.variants) for path in view.paths
    ]
    names = re.findall(r'<path id="([^"]*)"', text)
    assert len(set(names)) == len(names) == 2 * 2
    assert re.findall(r'<use href="#([^"]*)"', text) == [n for s in (names[:2], names[2:]) for _ in range(7) for n in s]
    picture = ElementTree.parse(tmp_path / "augment.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    lines = [one.get("d") for one in picture.iter(f"{space}path") if one.get("class") != "ground"]
    assert lines == drawn
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    for chart in picture.iter(f"{space}svg"):
        if chart is not picture:
            assert float(chart.get("x", 0)) + float(chart.get("width", 0)) <= width
            assert float(chart.get("y", 0)) + float(chart.get("height", 0)) <= height


def test_the_report_of_a_fit_shows_charts(series_split: Split, tmp_path: Path) -> None:
    run = fit("mlp:4", series_split, "jitter", Training(epochs=1), progress=False)
    text = write_report(run, tmp_path / "report.html", data=series_split).read_text(encoding="utf-8")
    assert text.count('<figure class="gallery charts">') == 3
