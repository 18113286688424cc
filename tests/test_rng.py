"""Random streams depend on seed, epoch and purpose only."""

from __future__ import annotations

import torch

from goodfit.rng import PURPOSES, generator, stream


def test_every_seed_epoch_and_purpose_has_its_own_stream() -> None:
    keys = [(seed, epoch, purpose) for seed in range(3) for epoch in range(3) for purpose in PURPOSES]
    seeds = {stream(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_generator_of_a_stream_always_draws_the_same_numbers() -> None:
    first, same, other = (
        torch.rand(4, generator=generator(*key)) for key in ((1, 2, "noise"), (1, 2, "noise"), (1, 3, "noise"))
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
