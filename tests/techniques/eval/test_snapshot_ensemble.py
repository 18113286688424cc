from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil, cos, pi

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.stages import Clock
from goodfit.techniques import SnapshotEnsemble
from goodfit.train.config import Training
from goodfit.train.fit import fit


def papers_factor(step: int, total: int, cycles: int) -> float:
    """Equation 2 of Huang et al. with α0 = 1: t from 1, T iterations, M cycles."""
    length = ceil(total / cycles)
    return (cos(pi * ((step - 1) % length) / length) + 1) / 2


@pytest.mark.parametrize(("total", "cycles"), [(60, 5), (60, 6), (12, 1), (12, 12)])
def test_learning_rate_factor_equals_the_papers(total: int, cycles: int) -> None:
    for step in range(1, total + 1):
        pace = SnapshotEnsemble(cycles).lr_factor(Clock(step, 6, total))
        assert pace == pytest.approx(papers_factor(step, total, cycles), abs=1e-14)


def members(cycles: int, total: int, per_epoch: int = 3, steps: int = 0) -> list[float]:
    """The snapshots of a weight that is s after step s."""
    ensemble = SnapshotEnsemble(cycles)
    state = ensemble.start([torch.zeros(2, 1), torch.zeros(())])
    for step in range(1, (steps or total) + 1):
        weights = [torch.full((2, 1), float(step), requires_grad=True), torch.tensor(-float(step))]
        clock = Clock(step, per_epoch, total)
        state = ensemble.update(state, weights, clock) if ensemble.acts(clock) else state
    snapshots = ensemble.members(state)
    assert all(w.shape == (2, 1) and float(b) == -float(w[0, 0]) for w, b in snapshots)
    return [float(w[0, 0]) for w, _ in snapshots]


def test_snapshots_by_hand() -> None:
    assert members(cycles=3, total=12) == [4, 8, 12]
    assert members(cycles=1, total=12) == [12]
    assert members(cycles=5, total=12) == [3, 5, 8, 10, 12]  # 12/5 · (1, 2, 3, 4, 5), rounded up
    assert members(cycles=9, total=4) == [1, 2, 3, 4]  # at most one per step


def test_weights_of_the_last_epoch_are_used_until_the_first_snapshot() -> None:
    assert [members(3, 24, steps=n) for n in (2, 3, 5, 7, 8, 9, 15, 16)] == [
        [0], [3], [3], [6], [8], [8], [8], [8, 16]
    ]  # fmt: skip


def test_each_cycle_starts_at_the_full_learning_rate_and_ends_near_zero() -> None:
    paces = [SnapshotEnsemble(4).lr_factor(Clock(step, 10, 400)) for step in range(1, 401)]
    assert [i for i, pace in enumerate(paces) if pace == 1.0] == [0, 100, 200, 300]
    assert all(paces[end] < 3e-4 for end in (99, 199, 299, 399))
    uneven = [SnapshotEnsemble(7).lr_factor(Clock(step, 10, 100)) for step in range(1, 101)]
    assert sum(later > earlier for earlier, later in pairwise(uneven)) == 6


def test_earlier_snapshots_do_not_change() -> None:
    ensemble, w = SnapshotEnsemble(2), torch.zeros(3)
    state = ensemble.start([w])
    for step in range(1, 5):
        w += 1.0  # in place, as an optimizer does
        if step % 2 == 0:  # the ends of the cycles
            state = ensemble.update(state, [w], Clock(step, 2, 4))
    assert [m[0].tolist() for m in ensemble.members(state)] == [[2.0] * 3, [4.0] * 3]


# ---- in a training run ----------------------------------------------------------------------------------


def test_prediction_of_a_run_is_the_mean_of_its_snapshots(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=4, batch_size=32, learning_rate=0.1, optimizer="sgd")  # 12 steps
    run = fit(make_net(), three_class_split, SnapshotEnsemble(2), settings)
    model, predictions = make_net(), []
    weights = list(model.parameters())
    recorded: dict[int, list[Tensor]] = {}

    class WeightRecorder(SnapshotEnsemble):
        def update(self, state, weights, clock):  # type: ignore[no-untyped-def]
            recorded[clock.step] = [w.detach().clone() for w in weights]
            return super().update(state, weights, clock)

    fit(make_net(), three_class_split, WeightRecorder(2), settings)
    assert list(recorded) == [3, 6, 12]  # the end of the first epoch is used until the first snapshot
    for step in (6, 12):
        with torch.no_grad():
            for w, s in zip(weights, recorded[step], strict=True):
                w.copy_(s)
            predictions.append(F.softmax(model(three_class_split.stop.x), 1))
    mean = (predictions[0] + predictions[1]) / 2
    assert not torch.allclose(predictions[0], predictions[1], atol=1e-3)
    torch.testing.assert_close(F.softmax(run.outputs(three_class_split.stop.x), 1), mean, rtol=1e-4, atol=1e-6)
    assert run.history["stop_loss"][-1] == pytest.approx(
        float(F.nll_loss(mean.log(), three_class_split.stop.y)), rel=1e-5
    )
    # The learning rate restarts in the middle; the History records that of the last step of each epoch.
    rates = [0.1 * papers_factor(step, 12, 2) for step in (3, 6, 9, 12)]
    assert run.history["learning_rate"] == pytest.approx(rates)
