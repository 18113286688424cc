"""The context of a population's step: strengths and random numbers set in advance, and dropout of torch's layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.recipe import Recipe
from goodfit.stages import Draw, ForwardPass
from goodfit.techniques import L2, Dropout, GaussianNoise, ManifoldMixUp, MaxNorm
from goodfit.train.population.context import (
    DropoutMask,
    DropoutMode,
    SiteTechnique,
    StackedContext,
    techniques_by_site,
    without_values,
)
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_model import attach_layers

SITE, OTHER = SiteKey("gaussian_noise", 0, "0"), SiteKey("max_norm", 0)


def test_a_technique_gets_the_strengths_of_its_site() -> None:
    context = StackedContext()
    stddev = torch.tensor([0.1, 0.2])
    context.set_inputs({SITE: {"stddev": stddev}}, ())
    assert context.resolve(GaussianNoise(0.5), SITE).stddev is stddev
    assert context.resolve(GaussianNoise(0.5), OTHER).stddev == 0.5
    learned = torch.tensor(0.7)
    parameter = nn.Parameter(torch.zeros(()))
    context.learned = {id(parameter): learned}
    assert context.resolve(GaussianNoise(0.5), SITE, {"stddev": parameter}).stddev is learned


def test_requests_are_recorded_and_answered_in_their_order() -> None:
    context, x = StackedContext(torch.Generator().manual_seed(0)), torch.ones(2, 3)
    noise, norm = GaussianNoise(0.5), NoDraw(1.0)
    context.requests = []
    (drawn,) = context.draw(noise, SITE, x)
    assert context.draw(norm, OTHER, x) == ()
    (request,) = context.requests
    assert request.site == SITE
    assert torch.equal(request.draw(noise, torch.Generator().manual_seed(0))[0], drawn)
    context.requests = None
    numbers = (torch.zeros(2, 3),)
    context.set_inputs({}, [numbers])
    assert context.draw(norm, OTHER, x) == ()  # it is known to draw nothing
    assert context.draw(noise, SITE, x) is numbers


class NoDraw(MaxNorm):
    """Draws no random numbers."""

    def draw(self, x: Tensor, generator: torch.Generator | None) -> Draw:
        return ()


def test_a_request_for_hidden_mixing_contains_the_layer() -> None:
    context, technique = StackedContext(torch.Generator().manual_seed(0)), ManifoldMixUp(1.0)
    x, y = torch.ones(4, 2), torch.eye(4)
    context.requests = []
    layer, draw = context.draw_mix(technique, SiteKey("mix", 0), 3, x, y)
    (request,) = context.requests
    answer = request.draw(technique, torch.Generator().manual_seed(0))
    assert int(answer[0]) == technique.layer_index(answer[1:], 3)
    context.requests = None
    context.set_inputs({}, [answer])
    stacked_layer, stacked_draw = context.draw_mix(technique, SiteKey("mix", 0), 3, x, y)
    assert torch.equal(stacked_layer, answer[0])
    assert len(stacked_draw) == len(draw)
    assert 0 <= layer < 3


def test_arguments_of_draw_are_kept_without_their_values() -> None:
    x = torch.randn(2, 3, 4).transpose(1, 2)
    like = without_values([x, (x,), "text"])
    assert like[0].shape == x.shape
    assert like[0].stride() == x.stride()
    assert like[2] == "text"
    forward = ForwardPass(lambda x: x, x, x, x, None, (x,), None)
    assert without_values(forward).activations[0].shape == x.shape


def test_reset_removes_the_inputs_of_a_step() -> None:
    context = StackedContext(torch.Generator(), requests=[])
    context.set_inputs({SITE: {}}, [(torch.ones(1),)])
    context.hidden_mixes[0] = 1, ()
    context.reset()
    assert (context.generator, context.requests, context.strengths, context.hidden_mixes) == (None, None, {}, {})
    with pytest.raises(StopIteration):
        next(context.draws)


def test_techniques_of_a_member_by_site() -> None:
    aligned = Recipe.of("dropout=0.5, l2=0.1, max_norm=2")
    attachment = attach_layers(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), aligned)
    by_site = techniques_by_site(attachment, aligned, (True, False, True))
    assert by_site[SiteKey("weights", 0)] == SiteTechnique(L2(0.1), draws=False)
    assert by_site[SiteKey("weights", 1)] == SiteTechnique(MaxNorm(2.0), draws=True)
    (dropout,) = (technique for site, technique in by_site.items() if site.stage == "dropout")
    assert dropout == SiteTechnique(Dropout(0.5), draws=True)


def test_only_scheduled_techniques_change_during_training() -> None:
    scheduled = SiteTechnique(Dropout(0.4, schedule="linear"), draws=True)
    constant = SiteTechnique(Dropout(0.4), draws=True)
    assert (scheduled.scheduled, constant.scheduled) == (True, False)
    assert scheduled.at(0.75).rate == pytest.approx(0.1)
    assert constant.at(0.75).rate == 0.4


# ---- dropout of torch's layers -------------------------------------------------------------------------


def recorded_and_repeated(function: Callable[[], Tensor]) -> tuple[Tensor, Tensor, list[tuple[int, ...]]]:
    """The result with recorded requests, the result with the numbers of these requests, and the shapes of masks."""
    context = StackedContext(torch.Generator().manual_seed(5), requests=[])
    with DropoutMode(context):
        first = function()
    requests = context.requests or []
    generator = torch.Generator().manual_seed(5)
    draws = [request.draw(request.dropout, generator) for request in requests]
    context.requests = None
    context.set_inputs({}, draws)
    with DropoutMode(context):
        second = function()
    return first, second, [tuple(mask.shape) for (mask,) in draws]


def test_a_dropout_mask_has_the_numbers_of_torch() -> None:
    x = torch.randn(50, 4)
    torch.manual_seed(3)
    expected = F.dropout(x, 0.3)
    (mask,) = DropoutMask(0.3).draw(x, torch.Generator().manual_seed(3))
    assert torch.equal(x * mask, expected)


@pytest.mark.parametrize(
    ("layer", "mask"),
    [(nn.Dropout(0.5), (4, 3, 2, 2)), (nn.Dropout2d(0.5), (4, 3, 1, 1)), (nn.AlphaDropout(0.5), None)],
)
def test_layers_take_their_mask_from_the_context(layer: nn.Module, mask: tuple[int, ...] | None) -> None:
    x = torch.ones(4, 3, 2, 2)
    first, second, shapes = recorded_and_repeated(lambda: layer(x))
    assert shapes == ([] if mask is None else [mask])
    if mask:
        assert torch.equal(first, second)
        assert set(first.unique().tolist()) == {0.0, 2.0}


def test_no_mask_is_requested_in_evaluation_mode() -> None:
    x = torch.ones(4, 3)
    first, _, shapes = recorded_and_repeated(lambda: nn.Dropout(0.5).eval()(x))
    assert first is x
    assert not shapes


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"mask": "bool"}, {"mask": "float"}, {"scale": 0.3}])
def test_attention_equals_that_of_torch(options: dict[str, object]) -> None:
    query, key, value = (torch.randn(2, 4, 5, 6, dtype=torch.float64) for _ in range(3))
    options, kind = dict(options), options.get("mask")
    options.pop("mask", None)
    if kind:
        visible = torch.rand(5, 5) > 0.3
        visible.fill_diagonal_(True)
        options["attn_mask"] = visible if kind == "bool" else torch.randn(5, 5, dtype=torch.float64)
    expected = F.scaled_dot_product_attention(query, key, value, **options)  # type: ignore[arg-type]
    with DropoutMode(StackedContext()):
        result = F.scaled_dot_product_attention(query, key, value, **options)  # type: ignore[arg-type]
    torch.testing.assert_close(result, expected)


def test_multi_head_attention_requests_the_mask_of_its_weights() -> None:
    layer, x = nn.MultiheadAttention(4, 2, dropout=0.5, batch_first=True), torch.randn(3, 5, 4)
    for need_weights in (True, False):
        first, second, shapes = recorded_and_repeated(lambda n=need_weights: layer(x, x, x, need_weights=n)[0])
        torch.testing.assert_close(first, second)
        assert len(shapes) == 1


def test_dropout_of_all_inputs_gives_zeros_as_in_torch() -> None:
    (mask,) = DropoutMask(1.0).draw(torch.ones(4), torch.Generator().manual_seed(0))
    assert mask.tolist() == F.dropout(torch.ones(4), 1.0).tolist() == [0.0] * 4
