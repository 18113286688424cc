"""What every technique promises in training: bits, seeds, dtypes, resuming, knobs that do something."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import (
    BranchNoise,
    HiddenMix,
    Noise,
    Normalization,
    OnEpoch,
    OnLoss,
    OnModel,
    OnWeights,
    Recurrent,
    WeightPerturbation,
)
from goodfit.technique import Knob, Technique
from goodfit.techniques import CutOut
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.run import Run
from goodfit.train.stages.on_model import attach_layers

Train = Callable[..., Run]
SameBits = Callable[[Run, Run], None]
AtWork = Callable[[type[Technique]], Technique]
Homes = Callable[[type[Technique]], Any]


def test_same_seed_same_run(technique: type[Technique], train: Train, same_bits: SameBits, at_work: AtWork) -> None:
    same_bits(train(technique, at_work(technique), seed=3), train(technique, at_work(technique), seed=3))


def test_global_generators_are_left_alone(technique: type[Technique], train: Train, at_work: AtWork) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    train(technique, at_work(technique), epochs=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_global_generators_do_not_matter(
    technique: type[Technique], train: Train, same_bits: SameBits, at_work: AtWork
) -> None:
    first = train(technique, at_work(technique), epochs=2)
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        same_bits(first, train(technique, at_work(technique), epochs=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_dtype_is_kept(
    technique: type[Technique], dtype: torch.dtype, train: Train, at_work: AtWork, home: Homes,
    to_double: Callable[[Split], Split],
) -> None:  # fmt: skip
    place = home(technique)
    split = to_double(place.split) if dtype == torch.float64 else place.split
    run = train(technique, at_work(technique), split, model=place.model().to(dtype))
    for weights in (run.last, run.best):
        assert {t.dtype for t in weights.values() if t.is_floating_point()} == {dtype}
    assert run.outputs(split.stop.x).dtype == dtype
    assert all(np.isfinite(run.history["stop_loss"]))


def test_neutral_trains_as_if_absent(technique: type[Technique], train: Train) -> None:
    neutral = {name: knob.neutral for name, knob in technique.knobs().items() if knob.neutral is not None}
    if not neutral:
        pytest.skip("it has no strength: it is there or not")
    without, run = train(technique), train(technique, technique.of(neutral))
    assert run.last.keys() == without.last.keys()
    assert all(torch.equal(run.last[name], without.last[name]) for name in run.last)
    shared = without.history.columns
    assert all(run.history[c] == without.history[c] for c in shared if c != "seconds")


def test_evaluation_is_deterministic(technique: type[Technique], train: Train, at_work: AtWork, home: Homes) -> None:
    x = home(technique).split.stop.x
    model = attach_layers(home(technique).model(), Recipe.of(at_work(technique))).model.eval()
    assert torch.equal(model(x), model(x))
    run = train(technique, at_work(technique))
    assert torch.equal(run.outputs(x), run.outputs(x))
    assert not run.model.training


def test_no_part_of_the_data_changes(technique: type[Technique], train: Train, at_work: AtWork, home: Homes) -> None:
    split = home(technique).split
    before = {name: (part.x.clone(), part.y.clone()) for name, part in split.parts.items()}
    train(technique, at_work(technique), split)
    for name, (x, y) in before.items():
        assert torch.equal(split.parts[name].x, x)
        assert torch.equal(split.parts[name].y, y)


def in_training(model: nn.Module, x: Tensor) -> Tensor:
    """The output in training mode; layers of the user's own draw the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model.train()(x)  # type: ignore[no-any-return]


def test_keys_stay_and_detach_restores(technique: type[Technique], at_work: AtWork, home: Homes) -> None:
    model, x = home(technique).model(), home(technique).split.train.x
    before, plain = {n: t.clone() for n, t in model.state_dict().items()}, in_training(model, x)
    attachment = attach_layers(model, Recipe.of(at_work(technique)))
    attachment.source.generator = torch.Generator().manual_seed(0)
    if issubclass(technique, Normalization):
        assert before.keys() < model.state_dict().keys()
    else:
        assert list(model.state_dict()) == list(before)
    noisy = in_training(model, x)
    assert torch.equal(noisy, plain) != issubclass(technique, OnModel)
    assert attachment.detach() is model
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(model.state_dict()[n], t) for n, t in before.items())
    assert torch.equal(in_training(model, x), plain)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in module.__dict__


@dataclass(frozen=True)
class BrokenOff(Checkpoints):
    """Presses Ctrl-C when an epoch has been written."""

    after: int = 0

    def save(self, run: Any, epoch: int, improved: bool, kept: Any) -> None:
        super().save(run, epoch, improved, kept)
        if epoch == self.after:
            raise KeyboardInterrupt


@pytest.mark.parametrize("k", [1, 3])
def test_resumed_equals_unbroken(
    technique: type[Technique], k: int, train: Train, same_bits: SameBits, at_work: AtWork, tmp_path: Path
) -> None:
    # the stop loss turns up, so that patience is being counted
    settings: dict[str, Any] = {"learning_rate": 0.05, "epochs": 6}
    unbroken = train(technique, at_work(technique), **settings)
    broken = train(technique, at_work(technique), checkpoints=BrokenOff(tmp_path, after=k), **settings)
    assert broken.epochs == k
    goes_on = Checkpoints(tmp_path, resume=True)
    same_bits(unbroken, train(technique, at_work(technique), checkpoints=goes_on, **settings))


# ---- every knob does something ---------------------------------------------------------------------------

OTHER: dict[tuple[type[Technique], str], Any] = {
    (OnWeights, "axis"): 0,  # 1 to 4 are the incoming weights in a Linear, as the default is
    (OnEpoch, "monitor"): "train_loss",  # a free text: columns are the values that mean something
    (OnEpoch, "baseline"): 0.0,  # a loss never beats it; the knob has no range to search
    (OnEpoch, "min_delta"): 0.3,  # the search range is finer than the curve of this small problem
    (OnEpoch, "mode"): "max",  # "min" is what "auto" means for a loss
}
"""Values that no rule can find, by stage and knob; each with its reason."""


def other(technique: type[Technique], name: str, knob: Knob, value: Any, some: str) -> Any:
    """Another valid value of a knob, as far as its declaration allows."""
    for (stage, knob_name), another in OTHER.items():
        if issubclass(technique, stage) and knob_name == name:
            return another
    if name == "on":
        return some  # of the places in place of all
    if name == "classes":
        return "0"  # of the classes in place of all
    if isinstance(knob.default, bool):
        return not value
    if knob.choices:
        return next(choice for choice in knob.choices if choice != value)
    if knob.search:
        return max(knob.search, key=lambda v: abs(v - value))
    raise AssertionError(f"{technique.__name__}: declare a search range for {name}, or a value in OTHER")


def test_each_knob_changes_the_trained_network(
    technique: type[Technique], knob_name: str, train: Train, at_work: AtWork, home: Homes
) -> None:
    base = at_work(technique)
    place, knob = home(technique), technique.knobs()[knob_name]
    moved = technique.of(
        base.values() | {knob_name: other(technique, knob_name, knob, getattr(base, knob_name), place.some)}
    )
    # The scenario of an OnEpoch technique: the stop loss jumps up and down and turns up in the end.
    settings = {"epochs": 12, "learning_rate": 0.1} if issubclass(technique, OnEpoch) else {}
    company = [CutOut(0.5)] if knob_name == "augment" else []  # it says whom other techniques change
    a, b = (train(technique, Recipe((t, *company)), **settings) for t in (base, moved))
    if issubclass(technique, OnEpoch):
        assert (a.epochs, a.kept_epoch) != (b.epochs, b.kept_epoch)
    else:
        x = place.split.validation.x
        assert not torch.equal(a.outputs(x), b.outputs(x))


# ---- accumulated gradients ---------------------------------------------------------------------------

PER_PASS: dict[Any, str] = {
    Normalization: "statistics are those of the rows in one forward pass: 8 are not 32",
    (Noise, BranchNoise, WeightPerturbation, Recurrent, HiddenMix): (
        "noise is drawn in each forward pass: four of 8 rows draw other numbers than one of 32"
    ),
}
"""What the mathematics does not promise, with the reason."""


def test_four_parts_of_8_equal_a_batch_of_32(
    technique: type[Technique], train: Train, at_work: AtWork, home: Homes, to_double: Callable[[Split], Split]
) -> None:
    for kinds, why in PER_PASS.items():
        if issubclass(technique, kinds):
            pytest.skip(why)
    if issubclass(technique, OnLoss) and not technique.row_mean:
        pytest.skip("the term is one of the batch as a whole, or drawn in each forward pass")
    place = home(technique)
    runs = [
        train(
            technique, at_work(technique), to_double(place.split), model=place.model().double(), batch_size=32,
            accumulate=parts, optimizer="sgd", learning_rate=0.05,
        )
        for parts in (1, 4)
    ]  # fmt: skip
    for name, weight in runs[0].last.items():
        torch.testing.assert_close(runs[1].last[name], weight, rtol=1e-9, atol=1e-11)
    assert runs[0].epochs == runs[1].epochs
    np.testing.assert_allclose(runs[0].history["batch_loss"], runs[1].history["batch_loss"], rtol=1e-9)
