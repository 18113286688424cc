import dataclasses
import math
from typing import Any

import pytest

from goodfit.report import theme
from goodfit.report.curves import MAX_POINTS, kept_means, learning_curves
from goodfit.report.figures import page_figures
from goodfit.report.forest import differences, summary
from goodfit.report.histogram import common_edges, rebin, weight_histogram
from goodfit.report.page import Curve, Page, TensorWeights, Weights


def trace(figure: Any, name: str, yaxis: str | None = None, place: int = 0) -> Any:
    return [t for t in figure.data if t.name == name and yaxis in (None, t.yaxis)][place]


def run(**changes: Any) -> Curve:
    epochs = changes.pop("epochs", (1, 2, 3, 4))
    series = tuple(0.1 * epoch for epoch in epochs)
    base = Curve("plain", 0, "accuracy", epochs, series, series, series, series, epochs[-1], epochs[-1])
    return dataclasses.replace(base, **changes)


def test_intervals_are_those_of_the_rows(page: Page) -> None:
    figure, rows = differences(page), page.ranked()
    intervals = {}
    for name in ("better", "worse", "inconclusive"):
        dots = trace(figure, name)
        for x, y, plus, minus in zip(dots.x, dots.y, dots.error_x.array, dots.error_x.arrayminus, strict=True):
            assert page.significance(rows[y]) == name
            intervals[rows[y].label] = (x - minus, x, x + plus)
    for row in rows:
        if row.difference is not None:
            assert intervals[row.label] == pytest.approx((row.difference_low, row.difference, row.difference_high))


def test_marks_differ_by_more_than_colour(page: Page) -> None:
    figure = differences(page)
    assert len({t.marker.symbol for t in figure.data}) == len(figure.data)
    assert len({t.marker.color for t in figure.data}) == len(figure.data)
    assert figure.layout.xaxis.zeroline
    low, high = figure.layout.xaxis.range
    assert low < -0.0266 < 0 < 0.0152 < high


def test_direction_follows_the_metric(page: Page) -> None:
    def texts(one: Page) -> set[str]:
        return {note.text for note in differences(one).layout.annotations}

    assert {"← worse", "better →"} <= texts(page)
    assert {"← better", "worse →"} <= texts(dataclasses.replace(page, higher_is_better=False))


def test_summary_counts(page: Page) -> None:
    assert summary(page) == (
        "Of 14 recipes, 6 are significantly better than plain, 2 are significantly worse than plain "
        "and 6 show no significant difference."
    )
    none = tuple(dataclasses.replace(row, difference_low=None) for row in page.ranking)
    assert (
        summary(dataclasses.replace(page, ranking=none)) == "None of the 14 recipes differs significantly from plain."
    )


def test_a_row_without_an_interval_has_a_hollow_mark(page: Page) -> None:
    bare = dataclasses.replace(page.ranking[0], difference_low=math.nan, difference_high=None)
    figure = differences(dataclasses.replace(page, ranking=(bare, page.ranking[5])))
    dot = trace(figure, "inconclusive")
    assert dot.x == (bare.difference,)
    assert dot.error_x.array == (0,)


def test_names_are_escaped(page: Page) -> None:
    row = dataclasses.replace(page.ranking[0], label="<b>age</b>")
    notes = differences(dataclasses.replace(page, ranking=(row, *page.ranking[1:]))).layout.annotations
    assert "&lt;b&gt;age&lt;/b&gt;" in {note.text for note in notes}


def test_best_epochs_are_lines_through_both_panels() -> None:
    figure = learning_curves([run(best_epoch=2, seed=0), run(best_epoch=4, seed=1)])
    lines = [(s.x0, s.x1, s.yref) for s in figure.layout.shapes if s.name == "best epoch"]
    assert lines == [(e, e, f"{y} domain") for e in (2, 4) for y in ("y", "y2")]
    assert "best at epoch 2–4" in {note.text for note in figure.layout.annotations}


def test_kept_weights_are_marked_at_their_epoch() -> None:
    figure = learning_curves([run(kept_epoch=3, stop=(0.5, 0.6, 0.7, 0.8))])
    kept = trace(figure, "kept", "y")
    assert (kept.x, kept.y) == ((3,), (0.7,))


def test_the_mean_ends_where_the_first_seed_ends() -> None:
    long, short = run(stop=(1.0, 2.0, 3.0, 4.0)), run(epochs=(1, 2), seed=1, stop=(3.0, 4.0))
    mean = trace(learning_curves([long, short]), "stop", "y", place=-1)
    assert (mean.x, mean.y) == ((1, 2), (2.0, 3.0))


def test_the_gap_leaves_out_values_that_are_not_finite() -> None:
    figure = learning_curves([run(stop=(0.5, math.nan, 0.7, math.inf))])
    gap = trace(figure, "gap", "y")
    assert None in gap.y
    assert all(v is None or math.isfinite(v) for t in figure.data for v in t.y)
    assert trace(figure, "stop", "y").y == (0.5, None, 0.7, None)


def test_one_epoch_is_a_point() -> None:
    figure = learning_curves([run(epochs=(1,))])
    assert trace(figure, "train", "y").mode == "lines+markers"
    assert figure.layout.xaxis.range[0] < 1 < figure.layout.xaxis.range[1]
    assert figure.layout.xaxis.dtick == 1


def test_long_curves_are_thinned_but_keep_their_ends() -> None:
    figure = learning_curves([run(epochs=tuple(range(1, 30001)))])
    x = trace(figure, "stop", "y").x
    assert len(x) <= MAX_POINTS + 1
    assert (x[0], x[-1]) == (1, 30000)


def test_curves_side_by_side_have_the_same_axes(page: Page) -> None:
    plain, other = page.curves_of("plain"), page.curves_of("l2=1e-2")
    left, right = learning_curves(plain, other).layout, learning_curves(other, plain).layout
    assert left.yaxis.range == right.yaxis.range
    assert left.yaxis2.range == right.yaxis2.range


def test_a_loss_that_explodes_does_not_flatten_the_rest() -> None:
    figure = learning_curves([run(stop_loss=(1e9, 0.3, 0.2, 0.2))])
    assert figure.layout.yaxis2.range[1] < 10
    assert "some values are higher" in figure.layout.meta["caption"]


def test_kept_means() -> None:
    runs = [
        run(train=(0.0, 0.9, 0.0, 0.0), stop=(0.0, 0.7, 0.0, 0.0), kept_epoch=2),
        run(train=(0.0, 0.0, 0.7, 0.0), stop=(0.0, 0.0, 0.6, 0.0), kept_epoch=3),
    ]
    assert kept_means(runs) == pytest.approx((0.8, 0.65))
    assert kept_means([run(kept_epoch=99)]) is None


def box(counts: tuple[int, ...], zeros: int, size: int, edges: tuple[float, ...] = (-1.0, 0.0, 1.0)) -> Weights:
    return Weights("l1", (TensorWeights("w", (size,), edges, counts, zeros, size),))


def test_the_caption_states_the_share_of_exact_zeros() -> None:
    figure = weight_histogram(box((10, 15), 75, 100), dataclasses.replace(box((50, 50), 0, 100), label="plain"))
    caption = figure.layout.meta["caption"]
    assert caption == "l1: 75.0 % of 100 weights are exactly zero (plain: 0 %). Dashed: plain."


@pytest.mark.parametrize("weights", [box((10, 15), 75, 100), box((85, 15), 75, 100)])
def test_exact_zeros_are_not_drawn(weights: Weights) -> None:
    edges = common_edges(weights.tensors)
    assert (edges[0], edges[-1]) == (-1.0, 1.0)
    bins = rebin(weights.tensors, edges)
    assert sum(bins) == pytest.approx(25)
    assert sum(bins[: len(bins) // 2]) == pytest.approx(10)


def test_constant_weights_have_a_histogram() -> None:
    weight_histogram(box((0, 0), 100, 100))
    equal = box((7,), 0, 7, edges=(0.5, 0.5))
    assert sum(rebin(equal.tensors, common_edges(equal.tensors))) == pytest.approx(7)
    weight_histogram(Weights("empty", ()))


def test_an_outlier_does_not_compress_the_histogram() -> None:
    weights = box((5000, 5000, 1), 0, 10001, edges=(-1.0, 0.0, 1.0, 1000.0))
    assert common_edges(weights.tensors)[-1] == 1.0


def test_every_figure_has_a_text_alternative(page: Page) -> None:
    figures = page_figures(page)
    assert set(figures) == {
        "differences",
        *(f"{kind}-{i}" for kind in ("curves", "weights") for i in range(15)),
    }
    for figure in figures.values():
        assert figure.layout.meta["alt"]
        assert figure.layout.meta["caption"]
        assert figure.layout.paper_bgcolor == theme.CLEAR


def test_colours_map_one_to_one() -> None:
    lights = [light for light, _ in theme.PALETTE.values()]
    assert len(set(lights)) == len(lights)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("name", ["ink", "soft", "better", "worse", "inconclusive", "train", "stop"])
def test_the_contrast_is_high_enough(name: str, ground: str, dark: bool) -> None:
    a, b = sorted(luminance(theme.PALETTE[key][dark]) for key in (name, ground))
    assert (b + 0.05) / (a + 0.05) >= 4.5
