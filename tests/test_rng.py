"""Random streams: the same seed, epoch and purpose give the same numbers, everything else gives others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from goodfit.rng import PURPOSES, generator, seeded, stream


def test_streams_differ_in_seed_epoch_and_purpose() -> None:
    keys = list(itertools.product(range(20), range(20), PURPOSES))
    assert len({stream(*key) for key in keys}) == len(keys)


def test_a_stream_is_the_seed_sequence_of_its_key() -> None:
    first, second = np.random.SeedSequence([3, 5, PURPOSES.index("noise")]).generate_state(2, np.uint32)
    assert stream(3, 5, "noise") == int(first) * 2**31 + int(second) // 2
    assert all(0 <= stream(seed, 1, "order") < 2**63 for seed in range(200))  # torch's range of seeds


def test_a_new_generator_repeats_its_stream_and_does_not_touch_torch_s_own() -> None:
    state = torch.get_rng_state()
    one, same, other = (generator(0, epoch, "order") for epoch in (1, 1, 2))
    numbers = torch.rand(4, generator=one)
    assert torch.equal(numbers, torch.rand(4, generator=same))
    assert not torch.equal(numbers, torch.rand(4, generator=other))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("accelerator", [False, True])
def test_seeded_block_draws_as_after_manual_seed_and_leaves_the_generator(
    accelerator: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: accelerator)
    state = torch.get_rng_state()
    with seeded(5):
        drawn = torch.rand(4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(drawn, torch.rand(4, generator=torch.Generator().manual_seed(5)))


def test_unknown_purposes_are_refused() -> None:
    with pytest.raises(ValueError, match="x not in tuple"):
        stream(0, 1, "dropout")
