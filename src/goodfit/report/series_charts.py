"""Draw a series and its variants as small charts, one per channel, with the original in grey behind each variant."""

from __future__ import annotations

import math

import numpy as np
from torch import Tensor

from goodfit.data import Split
from goodfit.data.arrays import ArrayFeatures
from goodfit.data.inverse_transform import inverse_transform_array
from goodfit.report.page import Feature, SampleGallery, SampleView
from goodfit.report.table_diff import format_value, target_text
from goodfit.types import Array

MAX_CHANNELS = 6
"""The largest number of channels that is drawn."""
WIDTH, HEIGHT, MARGIN = 1000, 200, 8
"""The size of a chart in SVG units; the margin is above and below the curve."""
INTERVALS = 150
"""A series with more than twice as many time steps is drawn by the minimum and maximum of so many intervals."""


def series_gallery(
    split: Split, row: int, label: str, augmented: tuple[Tensor, Tensor], target: Tensor
) -> SampleGallery:
    """Return the charts of a series and its variants, on the same axes and in the units of the data.

    Args:
        split: the data.
        row: the number of the training row.
        label: the caption.
        augmented: the variants: x (variant, channel, time) and y (variant, class or outputs).
        target: the original target (class or outputs,).
    """
    raw = to_data_units(split, split.train.x[row])[:MAX_CHANNELS]
    variants = to_data_units(split, augmented[0])[:, :MAX_CHANNELS]
    low = np.minimum(raw.min(1), variants.min((0, 2)))  # (channel,)
    high = np.maximum(raw.max(1), variants.max((0, 2)))
    before = target_text(split, target)
    after = [target_text(split, y) for y in augmented[1]]
    views = tuple(
        SampleView(paths=_paths(series, low, high), caption=text if text != before else "")
        for series, text in zip(variants, after, strict=True)
    )
    decimals = [max(0, 2 - math.floor(math.log10(b - a))) if b > a else 3 for a, b in zip(low, high, strict=True)]
    features = tuple(
        Feature(f"channel {i}", format_value(low[i], decimals[i]), format_value(high[i], decimals[i]))
        for i in range(len(raw))
    )
    return SampleGallery(
        label, SampleView(paths=_paths(raw, low, high)), views, features, _note(*split.spec.input_shape)
    )


def to_data_units(split: Split, x: Tensor) -> Array:
    """Return series in the units of the data, or unchanged if the units are not known.

    Shape: (…, channel, time) → the same, float64.
    """
    features, values = split.preprocessing and split.preprocessing.features, x.detach().cpu().double().numpy()
    return inverse_transform_array(features, values) if isinstance(features, ArrayFeatures) else values


def svg_path(values: Array, low: float, high: float) -> str:
    """Return the SVG path of a channel (time,) in a chart of WIDTH × HEIGHT whose axis goes from `low` to `high`.

    >>> svg_path(np.array([0.0, 1.0, 0.5]), 0.0, 1.0)
    'M0 192L500 8 1000 100'
    """
    time = np.arange(len(values))
    if len(values) > 2 * INTERVALS:
        time = _extremes(values)
    across = np.round(time * (WIDTH / max(1, len(values) - 1))).astype(int)
    share = (values[time] - low) / (high - low) if high > low else np.full(len(time), 0.5)
    down = np.round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)).astype(int)
    (x, y), *rest = zip(across.tolist(), down.tolist(), strict=True)
    return f"M{x} {y}" + ("L" + " ".join(f"{x} {y}" for x, y in rest) if rest else f"h{WIDTH}")


def _extremes(values: Array) -> Array:
    """Return the positions of the minimum and maximum of every interval of a channel (time,), so that spikes remain."""
    intervals = np.array_split(np.arange(len(values)), INTERVALS)
    extremes = [sorted({int(i[values[i].argmin()]), int(i[values[i].argmax()])}) for i in intervals]
    return np.asarray([position for pair in extremes for position in pair])


def _paths(series: Array, low: Array, high: Array) -> tuple[str, ...]:
    return tuple(svg_path(one, a, b) for one, a, b in zip(series, low, high, strict=True))


def _note(channels: int, time: int) -> str:
    """Return the legend of the charts."""
    text = f"{time:,} time steps from left to right. A channel has the same axes in all charts. Grey: the original."
    return f"{text} {MAX_CHANNELS} of {channels} channels are shown." if channels > MAX_CHANNELS else text
