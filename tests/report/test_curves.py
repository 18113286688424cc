"""Learning curves."""

import dataclasses
import math
from typing import Any

import pytest

from goodfit.report.curves import MAX_POINTS, kept_means, learning_curves
from goodfit.report.page import Curve, Page


def trace(figure: Any, name: str, yaxis: str | None = None, place: int = 0) -> Any:
    return [t for t in figure.data if t.name == name and yaxis in (None, t.yaxis)][place]


def run(**changes: Any) -> Curve:
    epochs = changes.pop("epochs", (1, 2, 3, 4))
    series = tuple(0.1 * epoch for epoch in epochs)
    base = Curve("plain", 0, "accuracy", epochs, series, series, series, series, epochs[-1], epochs[-1])
    return dataclasses.replace(base, **changes)


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
