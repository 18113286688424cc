"""Hooks act in training only, and copies of a network have an inactive context."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from goodfit.techniques import Dropout, GaussianNoise, ManifoldMixUp, Zoneout
from goodfit.train.stages.hooks import (
    ActivationRecorder,
    ForwardRecord,
    ForwardRecorder,
    HiddenMixHook,
    NoiseHook,
    RebindInput,
    RecurrentHook,
    SiteKey,
    StepContext,
)

SITE = SiteKey("gaussian_noise", 0, "layer")


def test_noise_is_inactive_in_evaluation_mode_and_without_a_generator() -> None:
    layer, context, x = nn.Linear(3, 3), StepContext(torch.Generator().manual_seed(0)), torch.ones(2, 3)
    hook = NoiseHook(GaussianNoise(0.5), context, {}, SITE)
    assert not torch.equal(hook(layer.train(), x), x)
    assert hook(layer.eval(), x) is x
    context.generator = None
    assert hook(layer.train(), x) is x


def test_a_context_resolves_schedules_and_learned_strengths() -> None:
    context = StepContext(progress=0.75)
    assert context.resolve(Dropout(0.4, schedule="linear"), SITE).rate == pytest.approx(0.1)
    learned = torch.tensor(0.2)
    assert context.resolve(GaussianNoise(0.5), SITE, {"stddev": learned}).stddev is learned


def test_the_context_of_a_copy_is_inactive() -> None:
    context = StepContext(torch.Generator(), progress=0.5, activations={0: []})
    copied = copy.deepcopy(context)
    assert (copied.generator, copied.activations, copied.progress) == (None, None, 0.0)
    assert context.generator is not None


def test_recurrent_layers_are_evaluated_with_the_strengths_at_the_end_of_training() -> None:
    layer, x = nn.LSTM(2, 3).eval(), torch.ones(4, 1, 2)
    constant, late, early = (
        RecurrentHook((Zoneout(0.5, schedule=schedule),), StepContext())(layer, layer.forward, (x,), {})[0]
        for schedule in ("constant", "late", "early")
    )
    assert torch.equal(late, constant)
    torch.testing.assert_close(early, layer(x)[0])
    assert not torch.allclose(early, constant)


def test_hidden_mixing_acts_only_at_the_chosen_layer() -> None:
    layer, context, x = nn.Linear(2, 2), StepContext(torch.Generator()), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    technique = ManifoldMixUp(1.0)
    hooks = [HiddenMixHook(technique, context, 0, number) for number in (0, 1)]
    y = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    draw = technique.draw(x, y, torch.Generator().manual_seed(0))
    context.hidden_mixes[0] = 1, draw
    assert hooks[0](layer, x) is x
    assert torch.equal(hooks[1](layer, x), technique.mix(x, draw))
    context.hidden_mixes[0] = torch.tensor(1), draw  # a stacked program cannot branch on the number of the layer
    assert torch.equal(hooks[0](layer, x), x)
    assert torch.equal(hooks[1](layer, x), technique.mix(x, draw))


def test_activations_are_recorded_if_a_term_requests_them() -> None:
    layer, context, x = nn.Linear(2, 2), StepContext(), torch.ones(1, 2)
    recorder = ActivationRecorder(context, number=3)
    assert recorder(layer, x) is x
    context.activations = {}
    recorder(layer.eval(), x)
    assert not context.activations
    recorder(layer.train(), x)
    assert context.activations[3][0] is x


def test_a_forward_pass_is_recorded_in_training_only() -> None:
    network, context = nn.Linear(2, 1), StepContext(torch.Generator())
    x = torch.ones(1, 2)
    network.register_forward_hook(ForwardRecorder(context), with_kwargs=True)
    network.eval()(x)
    assert context.forward_record is None
    output = network.train()(x)
    assert context.forward_record is not None
    assert context.forward_record.x is x
    assert context.forward_record.output is output


def test_a_rebound_network_is_a_function_of_its_first_input() -> None:
    class Difference(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a - b

    a, b, other = (torch.tensor([number]) for number in (1.0, 2.0, 7.0))
    by_position = ForwardRecord((a, b), {}, a)
    by_name = ForwardRecord((), {"a": a, "b": b}, a)
    for record in (by_position, by_name):
        assert RebindInput(Difference(), record)(other).tolist() == [5.0]
        assert record.x is a
