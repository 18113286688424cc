"""The OnLoss stage: terms enter the gradient, but not the History; class shares; extra forward passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob
from goodfit.techniques import SpectralDecoupling
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_loss import LossTerms, class_shares, extra_forward
from goodfit.train.stages.on_model import attach_layers

Net = Callable[..., nn.Sequential]
SETTINGS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


class LogitPenalty(OnLoss):
    """factor · mean of squared outputs."""

    factor: float = knob(0.1, low=0, neutral=0.0)

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        assert torch.equal(forward.network(forward.x), forward.output)
        return self.factor * forward.output.square().mean()


def test_a_term_changes_the_gradient_but_not_the_losses_in_the_history(three_class_split: Split, make_net: Net) -> None:
    def loss_with_penalty(output: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        return loss + 0.3 * output.square().mean() if torch.is_grad_enabled() else loss

    run = fit(make_net(), three_class_split, LogitPenalty(0.3), Training(**SETTINGS))
    expected = fit(make_net(), three_class_split, "", Training(**SETTINGS), loss=loss_with_penalty)
    for name, weight in expected.last.items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-6)
    assert run.history["stop_loss"] == pytest.approx(expected.history["stop_loss"], rel=1e-4)
    assert run.history["batch_loss"][0] < expected.history["batch_loss"][0]  # only the data loss
    neutral = fit(make_net(), three_class_split, LogitPenalty(0.0), Training(**SETTINGS))
    plain = fit(make_net(), three_class_split, "", Training(**SETTINGS))
    assert all(torch.equal(neutral.last[name], plain.last[name]) for name in plain.last)


# ---- parts of the stage --------------------------------------------------------------------------------


def test_one_term_for_each_technique_in_the_order_of_the_recipe() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    recipe = Recipe((LogitPenalty(0.5), SpectralDecoupling(2.0)))
    terms = LossTerms(recipe, attach_layers(model, recipe, StepContext(torch.Generator())), None)
    x = torch.tensor([[1.0, 2.0]])
    output = model(x)
    squares = output.detach().square()
    values = terms.terms(model, x, torch.tensor([0]), output, None)
    assert [value.item() for value in values] == pytest.approx([0.5 * float(squares.mean()), float(squares.sum())])


def test_hidden_activations_are_recorded_for_one_forward_pass() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    recipe = Recipe.of("activity_l1=0.5")
    terms = LossTerms(recipe, attach_layers(model, recipe, StepContext(torch.Generator())), None)
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([0])
    terms.start_recording()
    output = model(x)
    (term,) = terms.terms(model, x, y, output, None)
    assert term.item() == pytest.approx(0.5 * model[0](x).abs().sum().item(), rel=1e-6)
    with pytest.raises(InputError, match="ActivityL1: no layer selected by on='kernel' received a float tensor"):
        terms.terms(model, x, y, output, None)


def test_an_extra_forward_pass_changes_neither_buffers_nor_the_global_generator() -> None:
    model, x = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)), torch.randn(8, 2)
    buffers, state = [b.clone() for b in model.buffers()], torch.get_rng_state()
    first, second = extra_forward(model, x), extra_forward(model, x)
    assert all(torch.equal(b, before) for b, before in zip(model.buffers(), buffers, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, second)


def test_an_extra_forward_pass_draws_other_numbers_than_the_next_pass() -> None:
    model, x = nn.Dropout(0.5), torch.ones(8, 8)
    assert not torch.equal(extra_forward(model, x), model(x))


def test_class_shares_of_masks_count_pixels() -> None:
    assert class_shares(torch.tensor([[[0, 1], [1, 1]]]), 3).tolist() == [0.25, 0.75, 0.0]
