from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.stages import Clock
from goodfit.techniques import Lookahead
from goodfit.train.config import Training
from goodfit.train.fit import fit


def test_by_hand() -> None:
    """The optimizer adds 1 per step; k = 2, step_size = ¼, an epoch has three steps."""
    lookahead = Lookahead(k=2, step_size=0.25)
    w = torch.zeros(1, dtype=torch.float64)
    state, evaluated, live = lookahead.start([w]), [], []
    for step in range(1, 7):
        w = (w + 1).requires_grad_()
        clock = Clock(step, per_epoch=3, total=6)
        if lookahead.acts(clock):
            state = lookahead.update(state, [w], clock)
        if lookahead.resets(clock):
            w = lookahead.weights(state)[0].clone()
            state = lookahead.reset_state(state)
        w = w.detach()
        evaluated.append(float(lookahead.weights(state)[0]))
        live.append(float(w))
    # resets after steps 2, 4, 6: 0 + ¼ · 2 = 0.5, 0.5 + ¼ · 2 = 1, 1.5; at the end of the epoch, step 3: 0.5 + ¼ · 1
    assert evaluated == [0.0, 0.5, 0.75, 1.0, 1.0, 1.5]
    assert live == [1.0, 0.5, 1.5, 1.0, 2.0, 1.5]


def test_resets_every_k_steps() -> None:
    assert [step for step in range(1, 13) if Lookahead(k=5).resets(Clock(step, 4, 12))] == [5, 10]


def test_step_size_of_one_gives_the_weights_bit_equal() -> None:
    g = torch.Generator().manual_seed(0)
    w, slow = 1e-5 * torch.randn(1000, generator=g), 1e5 * torch.randn(1000, generator=g)
    for step, per_epoch in ((5, 100), (3, 3)):  # a reset; the end of an epoch between two resets
        lookahead = Lookahead(k=5, step_size=1.0)
        clock = Clock(step, per_epoch, 300)
        assert lookahead.acts(clock)
        state = lookahead.update(lookahead.start([slow]), [w], clock)
        assert torch.equal(lookahead.weights(state)[0], w)


def test_slow_weights_are_not_shared() -> None:
    """Weight files cannot store a tensor twice, and changing the evaluated weights must not change the slow weights."""
    lookahead, w = Lookahead(k=1), [torch.ones(2), torch.ones(3)]
    for state in (lookahead.start(w), lookahead.reset_state(lookahead.update(lookahead.start(w), w, Clock(1, 1, 1)))):
        assert len({t.data_ptr() for t in state}) == 4


# ---- in a training run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_equal_a_manual_loop(
    optimizer: str,
    three_class_split: Split,
    to_double: Callable[[Split], Split],
    make_net: Callable[..., nn.Sequential],
    train_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    """Algorithm 1 of Zhang et al.: k = 3, six steps; the optimizer keeps its momentum."""
    train, model = to_double(three_class_split).train, make_net().double()
    weights = list(model.parameters())
    inner = (
        torch.optim.SGD(weights, lr=0.05, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(weights, lr=0.05)
    )
    slow = [w.detach().clone() for w in weights]
    for _ in range(2):
        for _ in range(3):
            inner.zero_grad()
            F.cross_entropy(model(train.x), train.y).backward()
            inner.step()
        with torch.no_grad():
            for s, w in zip(slow, weights, strict=True):
                s += 0.4 * (w - s)
                w.copy_(s)
    assert_weights_equal(train_steps(Lookahead(k=3, step_size=0.4), optimizer=optimizer), model.state_dict())


def test_step_size_of_one_trains_like_the_plain_network(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=3, batch_size=16)  # six steps per epoch, resets at 4, 8, 12, 16
    plain, run = (
        fit(make_net(), three_class_split, recipe, settings) for recipe in ("", Lookahead(k=4, step_size=1.0))
    )
    assert run.history["stop_loss"] == plain.history["stop_loss"]
    assert all(torch.equal(run.last[name], plain.last[name]) for name in plain.last)
