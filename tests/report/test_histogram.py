"""The histogram of weights."""

import dataclasses

import pytest

from goodfit.report.histogram import common_edges, rebin, weight_histogram
from goodfit.report.page import NetworkWeights, TensorWeights


def box(counts: tuple[int, ...], zeros: int, size: int, edges: tuple[float, ...] = (-1.0, 0.0, 1.0)) -> NetworkWeights:
    return NetworkWeights("l1", (TensorWeights("w", (size,), edges, counts, zeros, size),))


def test_the_caption_states_the_share_of_exact_zeros() -> None:
    figure = weight_histogram(box((10, 15), 75, 100), dataclasses.replace(box((50, 50), 0, 100), label="plain"))
    caption = figure.layout.meta["caption"]
    assert caption == "l1: 75.0 % of 100 weights are exactly zero (plain: 0 %). Dashed: plain."


def test_exact_zeros_are_not_drawn() -> None:
    weights = box((10, 15), 75, 100)
    edges = common_edges(weights.tensors)
    assert (edges[0], edges[-1]) == (-1.0, 1.0)
    bins = rebin(weights.tensors, edges)
    assert sum(bins) == pytest.approx(25)
    assert sum(bins[: len(bins) // 2]) == pytest.approx(10)


def test_constant_weights_have_a_histogram() -> None:
    weight_histogram(box((0, 0), 100, 100))
    equal = box((7,), 0, 7, edges=(0.5, 0.5))
    assert sum(rebin(equal.tensors, common_edges(equal.tensors))) == pytest.approx(7)
    weight_histogram(NetworkWeights("empty", ()))


def test_an_outlier_does_not_compress_the_histogram() -> None:
    weights = box((5000, 5000, 1), 0, 10001, edges=(-1.0, 0.0, 1.0, 1000.0))
    assert common_edges(weights.tensors)[-1] == 1.0
