"""Variants of a series as small charts: a lane for each channel, the series as it is in grey behind each variant."""

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

MOST = 6
"""Channels that are shown."""
WIDTH, HEIGHT, MARGIN = 1000, 200, 8
"""Size of a channel's chart in SVG units; the margin is above and below."""
STRETCHES = 150
"""A series of more than twice as many time steps is drawn by the ends of so many stretches of it."""


def series_gallery(split: Split, row: int, label: str, made: tuple[Tensor, Tensor], target: Tensor) -> SampleGallery:
    """A series and its variants, all on the same axes, in the units of the data.

    Shape: made: x (variant, channel, time), y (variant, class or outputs); target (class or outputs,), as it is.
    """
    raw = to_data_units(split, split.train.x[row])[:MOST]
    several = to_data_units(split, made[0])[:, :MOST]
    low = np.minimum(raw.min(1), several.min((0, 2)))  # (channel,)
    high = np.maximum(raw.max(1), several.max((0, 2)))
    before = target_text(split, target)
    told = [target_text(split, y) for y in made[1]]
    variants = tuple(
        SampleView(paths=_paths(one, low, high), caption=text if text != before else "")
        for one, text in zip(several, told, strict=True)
    )
    decimals = [max(0, 2 - math.floor(math.log10(b - a))) if b > a else 3 for a, b in zip(low, high, strict=True)]
    features = tuple(
        Feature(f"channel {i}", format_value(low[i], decimals[i]), format_value(high[i], decimals[i]))
        for i in range(len(raw))
    )
    return SampleGallery(
        label, SampleView(paths=_paths(raw, low, high)), variants, features, _note(*split.spec.input_shape)
    )


def to_data_units(split: Split, x: Tensor) -> Array:
    """Series in the units of the data; as they are, where those are not known.

    Shape: (…, channel, time) → the same, float64.
    """
    features, values = split.preprocessing and split.preprocessing.features, x.detach().cpu().double().numpy()
    return inverse_transform_array(features, values) if isinstance(features, ArrayFeatures) else values


def svg_path(values: Array, low: float, high: float) -> str:
    """What an SVG path draws of a channel (time,), between these ends, in a chart of WIDTH × HEIGHT.

    >>> svg_path(np.array([0.0, 1.0, 0.5]), 0.0, 1.0)
    'M0 192L500 8 1000 100'
    """
    time = np.arange(len(values))
    if len(values) > 2 * STRETCHES:
        time = _ends(values)
    across = np.round(time * (WIDTH / max(1, len(values) - 1))).astype(int)
    share = (values[time] - low) / (high - low) if high > low else np.full(len(time), 0.5)
    down = np.round(HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)).astype(int)
    (x, y), *others = zip(across.tolist(), down.tolist(), strict=True)
    return f"M{x} {y}" + ("L" + " ".join(f"{x} {y}" for x, y in others) if others else f"h{WIDTH}")


def _ends(values: Array) -> Array:
    """Where each of some stretches of a channel (time,) is least and largest, in order: no spike is lost."""
    stretches = np.array_split(np.arange(len(values)), STRETCHES)
    found = [sorted({int(s[values[s].argmin()]), int(s[values[s].argmax()])}) for s in stretches]
    return np.asarray([place for places in found for place in places])


def _paths(series: Array, low: Array, high: Array) -> tuple[str, ...]:
    return tuple(svg_path(one, a, b) for one, a, b in zip(series, low, high, strict=True))


def _note(channels: int, time: int) -> str:
    """What the charts have in common, and how many channels there are."""
    told = f"{time:,} time steps from left to right; a channel has the same axes in all charts. Grey: as it is."
    return f"{told} {MOST} of {channels} channels are shown." if channels > MOST else told
