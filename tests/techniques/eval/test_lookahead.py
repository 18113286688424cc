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
    # pulls after 2, 4, 6: 0 + ¼ · 2 = 0.5, 0.5 + ¼ · 2 = 1, 1.5; at the epoch's end 3: 0.5 + ¼ · 1
    assert evaluated == [0.0, 0.5, 0.75, 1.0, 1.0, 1.5]
    assert live == [1.0, 0.5, 1.5, 1.0, 2.0, 1.5]


def test_pulls_every_k_steps() -> None:
    assert [step for step in range(1, 13) if Lookahead(k=5).resets(Clock(step, 4, 12))] == [5, 10]


def test_a_step_of_one_is_the_weights_own_bits() -> None:
    g = torch.Generator().manual_seed(0)
    w, slow = 1e-5 * torch.randn(1000, generator=g), 1e5 * torch.randn(1000, generator=g)
    for step, per_epoch in ((5, 100), (3, 3)):  # a pull; the end of an epoch between two
        lookahead = Lookahead(k=5, step_size=1.0)
        clock = Clock(step, per_epoch, 300)
        assert lookahead.acts(clock)
        state = lookahead.update(lookahead.start([slow]), [w], clock)
        assert torch.equal(lookahead.weights(state)[0], w)


def test_slow_weights_are_not_shared() -> None:
    """Files of weights cannot hold a tensor twice, and a change to the evaluated ones must not reach the slow ones."""
    lookahead, w = Lookahead(k=1), [torch.ones(2), torch.ones(3)]
    for state in (lookahead.start(w), lookahead.reset_state(lookahead.update(lookahead.start(w), w, Clock(1, 1, 1)))):
        assert len({t.data_ptr() for t in state}) == 4


# ---- in a run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_equal_a_loop_by_hand(
    optimizer: str,
    three_class_split: Split,
    to_double: Callable[[Split], Split],
    make_net: Callable[..., nn.Sequential],
    stepped: Callable[..., dict[str, Tensor]],
    assert_equal: Callable[..., None],
) -> None:
    """Algorithm 1 of Zhang et al.: k = 3, six steps; the optimizer keeps its momentum."""
    train, model = to_double(three_class_split).train, make_net().double()
    weights = list(model.parameters())
    made = torch.optim.SGD(weights, lr=0.05, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(weights, lr=0.05)
    slow = [w.detach().clone() for w in weights]
    for _ in range(2):
        for _ in range(3):
            made.zero_grad()
            F.cross_entropy(model(train.x), train.y).backward()
            made.step()
        with torch.no_grad():
            for s, w in zip(slow, weights, strict=True):
                s += 0.4 * (w - s)
                w.copy_(s)
    assert_equal(stepped(Lookahead(k=3, step_size=0.4), optimizer=optimizer), model.state_dict())


def test_a_step_of_one_trains_as_if_absent(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=3, batch_size=16)  # six steps an epoch, pulls at 4, 8, 12, 16
    plain, run = (
        fit(make_net(), three_class_split, recipe, settings) for recipe in ("", Lookahead(k=4, step_size=1.0))
    )
    assert run.history["stop_loss"] == plain.history["stop_loss"]
    assert all(torch.equal(run.last[name], plain.last[name]) for name in plain.last)
