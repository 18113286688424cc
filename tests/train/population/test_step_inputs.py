"""The inputs of steps: rows of several splits in one tensor, and numbers with one row per member."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from goodfit.data import Split
from goodfit.rng import generator
from goodfit.train.config import Training
from goodfit.train.population.population import Population
from goodfit.train.population.step_inputs import StepInputs
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_sample import epoch_rows

Make = Callable[..., Population]
SETTINGS = Training(epochs=2, batch_size=40, learning_rate=0.01)


def first_rows(split: Split, count: int) -> Split:
    """The split with fewer training rows."""
    train = split.train
    return replace(split, train=replace(train, x=train.x[:count] + 100, y=train.y[:count], rows=train.rows[:count]))


def inputs_of(population: Population) -> StepInputs:
    return StepInputs(population.program, population.pool, list(population.members.values()))


def test_rows_of_members_with_different_splits(make_population: Make, data: Split) -> None:
    short = first_rows(data, 50)
    population = make_population(["", "l2=0.1"], SETTINGS, {0: data, 1: short})
    inputs = inputs_of(population)
    inputs.begin_epoch()
    assert inputs.rows.shape == (4, 96)
    orders = [epoch_rows([], split.train.y, generator(seed, 1, "order")) for seed, split in ((0, data), (1, short))]
    assert torch.equal(inputs.rows[0], orders[0])
    assert torch.equal(inputs.rows[1, :50], orders[1] + 96)  # its rows come after those of the first split
    x, y = population.pool.batch(inputs.rows[:, :40])
    assert torch.equal(x[0], data.train.x[orders[0][:40]])
    assert torch.equal(x[1], short.train.x[orders[1][:40]])
    assert torch.equal(y[3], short.train.y[orders[1][:40]])
    assert not inputs.in_lockstep  # the epochs have different numbers of batches


def test_members_with_the_same_rows_share_them_in_evaluations(make_population: Make, data: Split) -> None:
    shared = make_population(["", "l2=0.1"], SETTINGS)
    members = list(shared.members.values())
    ((numbers, x, _, is_shared),), _ = shared.pool.evaluation_sets(members)
    assert (numbers, is_shared) == ([0, 1], True)
    assert x is data.train.x
    other = replace(data, stop=replace(data.stop, x=data.stop.x + 1))
    several = make_population(["", "l2=0.1"], SETTINGS, {0: data, 1: other})
    _, ((numbers, x, _, is_shared),) = several.pool.evaluation_sets(list(several.members.values()))
    assert (numbers, is_shared) == ([0, 1, 2, 3], False)  # of the same shape: stacked
    assert torch.equal(x[1], other.stop.x)


def test_each_split_has_its_own_statistics(make_population: Make, data: Split) -> None:
    short = first_rows(data, 50)
    population = make_population(["fgsm=0.1", "fgsm=0.2"], SETTINGS, {0: data, 1: short})
    member = population.members[1]
    torch.testing.assert_close(population.pool.scale(member), short.train.x.std(0, correction=0))
    shares = population.pool.class_shares(member)
    torch.testing.assert_close(shares, short.train.y.bincount(minlength=3) / 50)


def test_bias_corrections_of_adam(make_population: Make) -> None:
    population = make_population(["", "l2=0.1"], [SETTINGS, SETTINGS.with_values(beta1=0.5, beta2=0.9)])
    inputs = inputs_of(population)
    inputs.begin_epoch()
    for batch in range(3):
        both, second = inputs.varying(batch, 40, range(2), None)["corrections"]
        for i, (beta1, beta2) in enumerate(((0.9, 0.999), (0.5, 0.9))):
            step = batch + 1
            assert float(second[i]) == pytest.approx((1 - beta2**step) ** 0.5)
            assert float(both[i]) == pytest.approx((1 - beta2**step) ** 0.5 / (1 - beta1**step))


def test_strengths_follow_their_schedules(make_population: Make) -> None:
    population = make_population(["l1(0.4, schedule=linear)", "l1=0.1", ""], SETTINGS)
    inputs, members = inputs_of(population), list(population.members.values())
    site = SiteKey("weights", 0)
    assert inputs.scheduled == [site]
    assert inputs.strengths(site, members)["l1"].tolist() == pytest.approx([0.4, 0.1, 0.0])
    assert inputs.strengths(site, members, [0.5, 0.5, 0.5])["l1"].tolist() == pytest.approx([0.2, 0.1, 0.0])


@pytest.mark.parametrize(
    ("recipes", "settings", "constant"),
    [
        (["l2=0.1", "dropout=0.1"], {}, True),
        (["l2=0.1", "l2(0.1, schedule=late)"], {}, False),
        (["l2=0.1", "l2=0.2"], {"schedule": "cosine"}, False),
        (["sam=0.1", "sam=0.2"], {}, False),
    ],
)
def test_whether_steps_differ_in_their_batch_only(
    recipes: list[str], settings: dict[str, str], constant: bool, make_population: Make
) -> None:
    inputs = inputs_of(make_population(recipes, SETTINGS.with_values(**settings)))
    inputs.begin_epoch()
    varying = inputs.varying(0, 40, range(2), None)
    assert inputs.constant == inputs.in_lockstep == constant
    assert ("learning_rate" in varying) != constant


def test_fixed_inputs_are_padded_and_selected(make_population: Make) -> None:
    inputs = inputs_of(make_population(["l2=0.1", "l2=0.2"], SETTINGS))
    site = SiteKey("weights", 0)
    assert inputs.fixed_for(None, 3).tree()["strengths"][site]["l2"].tolist() == pytest.approx([0.1, 0.2, 0.1])
    assert inputs.fixed_for(torch.tensor([1]), 1).tree()["strengths"][site]["l2"].tolist() == pytest.approx([0.2])
    assert inputs.fixed_for(None, 3) is inputs.fixed_for(None, 3)
