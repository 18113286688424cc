from __future__ import annotations

import pytest
import torch

from goodfit.errors import InputError
from goodfit.models import build


def test_weights_depend_only_on_the_seed() -> None:
    before = torch.get_rng_state()
    a = build("mlp:8-4", (6,), 3, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    b, c = build("mlp:8-4", (6,), 3, seed=1).state_dict(), build("mlp:8-4", (6,), 3, seed=2).state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not any(torch.equal(a[name], c[name]) for name in a)


def test_sizes_in_the_text() -> None:
    assert [tuple(p.shape) for p in build("mlp:5", (2, 3), 4, seed=0).parameters()] == [(5, 6), (5,), (4, 5), (4,)]
    assert next(build("mlp", (3,), 2, seed=0).parameters()).shape == (256, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mpl:8", "there is no reference network 'mpl'. Did you mean 'mlp'"),
        ("mlp:8x8", "sizes must be written mlp:256-256, got 'mlp:8x8'"),
        ("mlp:-8", "sizes must be written"),
        ("mlp:0", "every size must be at least 1"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(text, (3,), 2, seed=0)


@pytest.mark.parametrize("text", ["mlp:", "mlp:0-", "mlp:a", "mlp:99999999999", "mlp:8,8"])
def test_invalid_sizes(text: str) -> None:
    with pytest.raises(InputError, match="sizes must be written mlp:256-256"):
        build(text, (4,), 2, 0)
