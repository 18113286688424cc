"""What every technique promises in training: bits, seeds, dtypes, resuming, knobs that do something."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Noise, Normalisation, OnEpoch
from goodfit.technique import Knob, Technique
from goodfit.train import Checkpoints, Run
from goodfit.train.attach import attach_layers

Train = Callable[..., Run]
SameBits = Callable[[Run, Run], None]
AtWork = Callable[[type[Technique]], Technique]


def test_same_seed_same_run(technique: type[Technique], train: Train, same_bits: SameBits, at_work: AtWork) -> None:
    same_bits(train(at_work(technique), seed=3), train(at_work(technique), seed=3))


def test_global_generators_are_left_alone(technique: type[Technique], train: Train, at_work: AtWork) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    train(at_work(technique), epochs=2)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_global_generators_do_not_matter(
    technique: type[Technique], train: Train, same_bits: SameBits, at_work: AtWork
) -> None:
    first = train(at_work(technique), epochs=2)
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        same_bits(first, train(at_work(technique), epochs=2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_dtype_is_kept(
    technique: type[Technique], dtype: torch.dtype, train: Train, at_work: AtWork, three: Split,
    doubled: Callable[[Split], Split], net: Callable[..., nn.Sequential],
) -> None:  # fmt: skip
    split = doubled(three) if dtype == torch.float64 else three
    run = train(at_work(technique), split, model=net(gain=3.0).to(dtype))
    for weights in (run.last, run.best):
        assert {t.dtype for t in weights.values() if t.is_floating_point()} == {dtype}
    assert run.outputs(split.stop.x).dtype == dtype
    assert all(np.isfinite(run.history["stop_loss"]))


def test_neutral_trains_as_if_absent(technique: type[Technique], train: Train) -> None:
    neutral = {name: knob.neutral for name, knob in technique.knobs().items() if knob.neutral is not None}
    if not neutral:
        pytest.skip("it has no strength: it is there or not")
    without, run = train(), train(technique.of(neutral))
    assert run.last.keys() == without.last.keys()
    assert all(torch.equal(run.last[name], without.last[name]) for name in run.last)
    shared = without.history.columns
    assert all(run.history[c] == without.history[c] for c in shared if c != "seconds")


def test_evaluation_is_deterministic(
    technique: type[Technique], train: Train, at_work: AtWork, three: Split, net: Callable[..., nn.Sequential]
) -> None:
    x = three.stop.x
    model = attach_layers(net(gain=3.0), Recipe.of(at_work(technique))).model.eval()
    assert torch.equal(model(x), model(x))
    run = train(at_work(technique))
    assert torch.equal(run.outputs(x), run.outputs(x))
    assert not run.model.training


def test_no_part_of_the_data_changes(technique: type[Technique], train: Train, at_work: AtWork, three: Split) -> None:
    before = {name: (part.x.clone(), part.y.clone()) for name, part in three.parts.items()}
    train(at_work(technique), three)
    for name, (x, y) in before.items():
        assert torch.equal(three.parts[name].x, x)
        assert torch.equal(three.parts[name].y, y)


def test_keys_stay_and_detach_restores(
    technique: type[Technique], at_work: AtWork, three: Split, net: Callable[..., nn.Sequential]
) -> None:
    model, x = net(gain=3.0), three.train.x
    before, plain = {n: t.clone() for n, t in model.state_dict().items()}, model.eval()(x)
    attachment = attach_layers(model, Recipe.of(at_work(technique)))
    attachment.source.generator = torch.Generator().manual_seed(0)
    if issubclass(technique, Normalisation):
        assert before.keys() < model.state_dict().keys()
    else:
        assert list(model.state_dict()) == list(before)
    noisy = model.train()(x)
    assert torch.equal(noisy, plain) != issubclass(technique, Noise | Normalisation)
    assert attachment.detach() is model
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(model.state_dict()[n], t) for n, t in before.items())
    assert torch.equal(model.train()(x), plain)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize("k", [1, 3])
def test_resumed_equals_unbroken(
    technique: type[Technique], k: int, train: Train, same_bits: SameBits, at_work: AtWork, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.05}  # the stop loss turns up, so that patience is being counted
    unbroken = train(at_work(technique), epochs=6, **settings)
    train(at_work(technique), epochs=k, checkpoints=Checkpoints(tmp_path), **settings)
    goes_on = Checkpoints(tmp_path, resume=True)
    same_bits(unbroken, train(at_work(technique), epochs=6, checkpoints=goes_on, **settings))


# ---- every knob does something ---------------------------------------------------------------------------

OTHER: dict[tuple[str, str], Any] = {
    ("max_norm", "axis"): 0,  # 1 to 4 are the incoming weights in a Linear, as the default is
    ("early_stopping", "monitor"): "train_loss",  # a free text: columns are the values that mean something
    ("early_stopping", "baseline"): 0.0,  # a loss never beats it; the knob has no range to search
    ("early_stopping", "min_delta"): 0.3,  # the search range is finer than the curve of this small problem
    ("early_stopping", "mode"): "max",  # "min" is what "auto" means for a loss
}
"""Values that no rule can find; each with its reason."""


def other(technique: type[Technique], name: str, knob: Knob, value: Any) -> Any:
    """Another valid value of a knob, as far as its declaration allows."""
    if (technique.name(), name) in OTHER:
        return OTHER[technique.name(), name]
    if name == "on":
        return "2"  # one layer in place of all
    if isinstance(knob.default, bool):
        return not value
    if knob.choices:
        return next(choice for choice in knob.choices if choice != value)
    if knob.search:
        return max(knob.search, key=lambda v: abs(v - value))
    raise AssertionError(f"{technique.__name__}: declare a search range for {name}, or a value in OTHER")


def test_each_knob_changes_the_trained_network(
    technique: type[Technique], knob_name: str, train: Train, at_work: AtWork, three: Split
) -> None:
    base = at_work(technique)
    moved = technique.of(
        base.values() | {knob_name: other(technique, knob_name, technique.knobs()[knob_name], getattr(base, knob_name))}
    )
    # The scenario of an OnEpoch technique: the stop loss jumps up and down and turns up in the end.
    settings = {"epochs": 12, "learning_rate": 0.1} if issubclass(technique, OnEpoch) else {}
    a, b = train(base, **settings), train(moved, **settings)
    if issubclass(technique, OnEpoch):
        assert (a.epochs, a.kept_epoch) != (b.epochs, b.kept_epoch)
    else:
        assert not torch.equal(a.outputs(three.select.x), b.outputs(three.select.x))


# ---- accumulated gradients ---------------------------------------------------------------------------


def test_four_parts_of_8_equal_a_batch_of_32(
    technique: type[Technique],
    train: Train,
    at_work: AtWork,
    three: Split,
    doubled: Callable[[Split], Split],
    net: Callable[..., nn.Sequential],
) -> None:
    if issubclass(technique, Normalisation):
        pytest.skip("statistics are those of the rows in one forward pass: 8 are not 32")
    if issubclass(technique, Noise):
        pytest.skip("noise is drawn in each forward pass: four of 8 rows draw other numbers than one of 32")
    runs = [
        train(
            at_work(technique), doubled(three), model=net(gain=3.0).double(), batch_size=32, accumulate=parts,
            optimizer="sgd", learning_rate=0.05,
        )
        for parts in (1, 4)
    ]  # fmt: skip
    for name, weight in runs[0].last.items():
        torch.testing.assert_close(runs[1].last[name], weight, rtol=1e-9, atol=1e-11)
    assert runs[0].epochs == runs[1].epochs
    np.testing.assert_allclose(runs[0].history["batch_loss"], runs[1].history["batch_loss"], rtol=1e-9)
