"""A step of a recipe in the user's own loop: learning rates, gradient scalers, accumulated gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.models.ensemble import EnsembleModel
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer

Network = Callable[..., nn.Module]


def test_a_recipe_scales_the_learning_rate_of_a_step() -> None:
    """`pace_to` of SWA, from half of training on; plain SGD on the loss w."""
    model = nn.Linear(1, 1, bias=False)
    optimizer, changes = torch.optim.SGD(model.parameters(), lr=0.1), []
    with attach(model, "swa(0.5, pace_to=0.25)", optimizer, epochs=4, steps_per_epoch=1) as reg:
        for _ in range(4):
            before = float(model.weight.detach())
            model.weight.sum().backward()
            reg.step()
            changes.append(before - float(model.weight.detach()))
    assert changes == pytest.approx([0.1, 0.1, 0.025, 0.025], rel=1e-5)


@pytest.mark.parametrize("recipe", ["l1=0.01, max_norm=1", "sam=0.1, clip_grad_norm=0.5", "class_weights, ema=0.5"])
def test_a_gradient_accumulated_from_four_parts_is_one_step(
    recipe: str, three_class_split: Split, to_double: Callable[[Split], Split], make_net: Callable[..., nn.Sequential]
) -> None:
    """Penalties, averages and clipping act once."""
    data = to_double(three_class_split)
    x, y, models = data.train.x, data.train.y, []
    for parts in (1, 4):
        model = make_net().double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        with attach(model, recipe, optimizer, data=(x, y), epochs=1, steps_per_epoch=4) as reg:
            for _ in range(4):

                def closure(model: nn.Module = model, reg: Regularizer = reg, parts: int = parts) -> None:
                    for xs, ys in zip(x.chunk(parts), y.chunk(parts), strict=True):
                        reg.batch(xs, ys)
                        losses = F.cross_entropy(model(xs), ys, reduction="none")
                        ((losses.mean() + reg.penalty(losses)) / parts).backward()

                closure()
                reg.step(closure)
        models.append(model)
    for one, four in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(one, four, rtol=1e-10, atol=1e-12)


# ---- errors ------------------------------------------------------------------------------------------


@pytest.fixture
def batch(three_class_split: Split) -> tuple[Tensor, Tensor]:
    return three_class_split.train.x, three_class_split.train.y


@pytest.mark.parametrize("call", ["step", "scaler"])
def test_the_optimizer_s_own_step_is_refused_while_a_recipe_acts_around_it(
    call: str, batch: tuple[Tensor, Tensor], make_net: Callable[..., nn.Sequential]
) -> None:
    model, scaler = make_net(), torch.amp.GradScaler("cpu")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with attach(model, "l1=0.1", optimizer):
        scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
        with pytest.raises(InputError, match=r"call reg.step\(\) instead of SGD.step\(\), .* because the recipe acts"):
            optimizer.step() if call == "step" else scaler.step(optimizer)
    optimizer.step()
    with attach(model, "dropout=0.5", optimizer):  # no technique acts around the step
        optimizer.step()


def test_sam_needs_a_closure(batch: tuple[Tensor, Tensor], make_net: Callable[..., nn.Sequential]) -> None:
    model = make_net()
    weights = [p.clone() for p in model.parameters()]
    with attach(model, "sam=0.1", torch.optim.SGD(model.parameters(), lr=0.1)) as reg:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        with pytest.raises(InputError, match=r"needs a closure that computes the loss again .* \(required by sam\)"):
            reg.step()
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))  # SAM has moved them back


def test_an_error_in_the_closure_moves_the_weights_back(
    batch: tuple[Tensor, Tensor], make_net: Callable[..., nn.Sequential]
) -> None:
    model = make_net()
    weights = [p.clone() for p in model.parameters()]

    def fail() -> None:
        raise RuntimeError("no memory")

    with attach(model, "sam=0.1", torch.optim.SGD(model.parameters(), lr=0.1)) as reg:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        with pytest.raises(RuntimeError, match="no memory"):
            reg.step(fail)
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))


# ---- gradient scalers --------------------------------------------------------------------------------


def train_scaled(
    model: nn.Module, recipe: str, split: Split, scaler: Any, infinite_step: int = -1, infinite_pass: int = -1
) -> tuple[Regularizer, int]:
    """Train six steps with a scaler; the number of forward passes. The loss is infinite in one step or one pass."""
    x, y, count = split.train.x, split.train.y, [0]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with attach(model, recipe, optimizer, data=(x, y), epochs=2, steps_per_epoch=3) as reg:
        for number in range(6):

            def closure(number: int = number) -> None:
                count[0] += 1
                factor = float("inf") if number == infinite_step or count[0] == infinite_pass else 1.0
                loss = F.cross_entropy(model(x), y) * factor
                (loss if scaler is None else scaler.scale(loss)).backward()

            closure()
            reg.step(closure, scaler=scaler)
            if scaler is not None:
                scaler.update()
    return reg, count[0]


@pytest.mark.parametrize(
    "recipe", ["l1=0.01, l2=0.1, max_norm=1", "clip_grad_norm=0.2", "sam=0.2, clip_grad_norm=0.2", "ema=0.3"]
)
@pytest.mark.parametrize("enabled", [True, False])
def test_a_scaler_does_not_change_the_results(
    recipe: str, enabled: bool, three_class_split: Split, network: Network
) -> None:
    plain, model = network(), network()
    train_scaled(plain, recipe, three_class_split, None)
    train_scaled(model, recipe, three_class_split, torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=enabled))
    for parameter, expected in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


@pytest.mark.parametrize("recipe", ["l1=0.01, weight_decay=0.1, max_norm=0.5, clip_grad_norm=0.2", "sam=0.2"])
@pytest.mark.parametrize("infinite_step", [0, 5])
def test_a_step_that_the_scaler_skips_changes_nothing(
    recipe: str, infinite_step: int, three_class_split: Split, network: Network
) -> None:
    model, five_steps = network(), network()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    reg, passes = train_scaled(model, recipe, three_class_split, scaler, infinite_step)
    assert reg.steps == 6
    assert scaler.get_scale() == 512.0  # halved, because a gradient was infinite
    assert passes == 6 + 5 * recipe.startswith("sam")  # no second pass after an infinite gradient
    optimizer = torch.optim.SGD(five_steps.parameters(), lr=0.1, momentum=0.9)
    with attach(five_steps, recipe, optimizer) as other:
        for _ in range(5):

            def closure() -> None:
                F.cross_entropy(five_steps(three_class_split.train.x), three_class_split.train.y).backward()

            closure()
            other.step(closure)
    for parameter, expected in zip(model.parameters(), five_steps.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected)


def test_a_step_that_the_scaler_skips_still_updates_the_average(three_class_split: Split, network: Network) -> None:
    """An ensemble does not lose the member of its last step."""
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    reg, _ = train_scaled(network(), "snapshot_ensemble=2", three_class_split, scaler, infinite_step=5)
    assert scaler.get_scale() == 512.0
    ensemble = reg.eval_model()
    assert isinstance(ensemble, EnsembleModel)
    assert len(ensemble.members) == 2


def test_a_step_with_an_infinite_second_pass_is_skipped_too(three_class_split: Split, network: Network) -> None:
    model, scaler = network(), torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=100)
    train_scaled(model, "sam=0.2", three_class_split, scaler, infinite_pass=2)
    assert scaler.get_scale() == 512.0
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())


def test_a_scaler_in_place_of_the_closure_is_refused() -> None:
    model = nn.Linear(2, 1)
    with attach(model, "l2=0.1", torch.optim.SGD(model.parameters(), lr=0.1)) as reg:
        model(torch.ones(1, 2)).sum().backward()
        with pytest.raises(InputError, match=r"step\(closure\) must be a function, got GradScaler; pass .* scaler=…"):
            reg.step(torch.amp.GradScaler("cpu"))  # type: ignore[arg-type]
