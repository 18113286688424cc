"""The random numbers of a population are those of solo runs: each member draws from its own streams."""

from __future__ import annotations

from collections.abc import Callable

import torch

from goodfit.ops.dropout import random_bits
from goodfit.rng import generator
from goodfit.train.config import Training
from goodfit.train.population.context import DrawRequest, DropoutMask
from goodfit.train.population.members import Member
from goodfit.train.population.population import Population
from goodfit.train.population.rng import PopulationRandom
from goodfit.train.stages.hooks import SiteKey

Make = Callable[..., Population]
SETTINGS = Training(epochs=2, batch_size=32)
LIKE = torch.zeros(32, 5, dtype=torch.float64)


def begin(population: Population) -> list[Member]:
    """The members at the beginning of their first epoch, of three batches of 32 rows."""
    members = list(population.members.values())
    for member in members:
        member.begin_epoch({})
        member.begin_step()
    return members


def random_of(site: SiteKey, uniform: bool = True) -> PopulationRandom:
    random = PopulationRandom(torch.device("cpu"), torch.float64, uniform)
    random.requests["step"] = [DrawRequest(site, (LIKE,))]
    return random


def site_of(population: Population, stage: str) -> SiteKey:
    return next(site for site in population.members[0].techniques if site.stage == stage)


def test_bits_drawn_in_advance_equal_those_of_a_solo_run(make_population: Make, data: object) -> None:
    splits = dict.fromkeys((0, 1), data)
    population = make_population(["dropout=0.1", "dropout=0.5"], SETTINGS, splits)
    members, random = begin(population), random_of(site_of(population, "dropout"))
    streams = [generator(member.seed, 1, "noise") for member in members]
    for step in range(3):
        (bits,) = random.draw("step", 32, members)[0]
        for row, stream in zip(bits, streams, strict=True):
            assert torch.equal(row, random_bits(LIKE.shape, torch.device("cpu"), stream).double())
        assert all(member.drawn == 3 for member in members)
        for member in members:
            member.step = step + 1
    assert random.predrawn is not None
    assert len(random.predrawn.words) == 2  # members with the same seed share a stream


def test_floats_are_drawn_step_by_step_from_each_member_s_stream(make_population: Make) -> None:
    population = make_population(["gaussian_noise=0.1", "gaussian_noise=0.5"], SETTINGS)
    members, site = begin(population), site_of(population, "gaussian_noise")
    random = random_of(site)
    (numbers,) = random.draw("step", 32, members)[0]
    technique = members[0].techniques[site].technique
    (expected,) = technique.draw(LIKE, generator(0, 1, "noise"))  # type: ignore[attr-defined]
    assert torch.equal(numbers[0], expected)
    assert torch.equal(numbers[1], expected)  # of the same seed
    assert random.predrawn is None
    assert all(member.drawn == 1 for member in members)


def test_a_member_without_the_technique_draws_nothing(make_population: Make) -> None:
    population = make_population(["gaussian_noise=0.1", "l2=0.1"], SETTINGS)
    members, site = begin(population), site_of(population, "gaussian_noise")
    random = random_of(site)
    state = members[1].stream("noise").get_state()
    (numbers,) = random.draw("step", 32, members)[0]
    assert torch.equal(numbers[1], random.neutral_draws[site, 32][0])
    assert torch.equal(members[1].stream("noise").get_state(), state)


def test_masks_of_the_network_s_own_dropout_come_from_the_user_stream(make_population: Make) -> None:
    members = begin(make_population(["l2=0.1", "l2=0.2"], SETTINGS))
    random = PopulationRandom(torch.device("cpu"), torch.float64, uniform=True)
    mask = DropoutMask(0.5)
    random.requests["step"] = [DrawRequest(SiteKey("dropout", 0), (LIKE,), dropout=mask)]
    (masks,) = random.draw("step", 32, members)[0]
    assert torch.equal(masks[0], mask.draw(LIKE, generator(0, 1, "user"))[0])


def test_a_step_without_requests_draws_nothing(make_population: Make) -> None:
    members = begin(make_population(["l2=0.1", "l2=0.2"], SETTINGS))
    random = PopulationRandom(torch.device("cpu"), torch.float64, uniform=True)
    random.requests["step"] = []
    assert random.draw("step", 32, members) == []
