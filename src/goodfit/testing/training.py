"""Checks of a technique in training: seeds, generators, data types, evaluation, resuming, the effect of each knob."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import SkipTest

import numpy as np
import torch
from torch import Tensor, nn

from goodfit.recipe import Recipe
from goodfit.rng import seeded
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
from goodfit.testing.data import to_double
from goodfit.testing.runs import (
    assert_same_bits,
    baseline_run,
    observed_run,
    strongest,
    strongest_run,
    train,
    training_options,
)
from goodfit.testing.setups import setup
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.run import Run
from goodfit.train.stages.on_model import attach_layers


def check_same_seed_same_run(technique: type[Technique]) -> None:
    """Two runs with the same seed are equal to the bit."""
    run = train(technique, strongest(technique))
    assert_same_bits(strongest_run(technique), run, "two runs with the same seed must be equal")


def check_global_generators_do_not_matter(technique: type[Technique]) -> None:
    """The state of the global generators does not change a run, and a run does not change their state."""
    first = strongest_run(technique)  # also imports what training needs; some imports draw numbers
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        before = torch.get_rng_state(), _numpy_state(), random.getstate()
        run = train(technique, strongest(technique))
        for name, same in {
            "torch": torch.equal(torch.get_rng_state(), before[0]),
            "NumPy": np.array_equal(_numpy_state(), before[1]),
            "Python": random.getstate() == before[2],
        }.items():
            assert same, f"training must not use the global random generator of {name}; draw from `generator`"
    assert_same_bits(first, run, "the global generators must not change a run")


def check_dtype_is_kept(technique: type[Technique]) -> None:
    """Single and double precision are kept; the loss stays finite."""
    place = setup(technique)
    split = to_double(place.split)
    double = train(technique, strongest(technique), split, model=place.model().double())
    _check_dtype(strongest_run(technique), place.split.stop.x, torch.float32)
    _check_dtype(double, split.stop.x, torch.float64)


def check_neutral_trains_as_if_absent(technique: type[Technique]) -> None:
    """With every strength at its neutral value, training is bit-identical to training without the technique."""
    neutral = {name: knob.neutral for name, knob in technique.knobs().items() if knob.neutral is not None}
    if not neutral:
        raise SkipTest("it has no knob with a neutral value")
    baseline, run = baseline_run(technique), train(technique, technique.of(neutral))
    same = run.last.keys() == baseline.last.keys() and all(
        torch.equal(run.last[n], w) for n, w in baseline.last.items()
    )
    values = ", ".join(f"{name}={value!r}" for name, value in neutral.items())
    assert same, f"training with {values} must be bit-identical to training without it, but weights differ"
    for column in baseline.history.columns:
        same = column == "seconds" or run.history[column] == baseline.history[column]
        assert same, f"training with {values} must be bit-identical to training without it, but {column} differs"


def check_evaluation_is_deterministic(technique: type[Technique]) -> None:
    """In evaluation mode the network returns the same output twice, also after training."""
    x = setup(technique).split.stop.x
    model = attach_layers(setup(technique).model(), Recipe.of(strongest(technique))).model.eval()
    assert torch.equal(model(x), model(x)), "in evaluation mode the output must not be random"
    run = strongest_run(technique)
    assert torch.equal(run.outputs(x), run.outputs(x)), "after training the output must not be random"
    assert not run.model.training, "after training the network must be in evaluation mode"


def check_no_part_of_the_data_changes(technique: type[Technique]) -> None:
    """Training does not write into the data."""
    changed = observed_run(technique)[1]
    assert not changed, f"training must not write into the data, but it changes the parts {changed}"


def check_detach_restores_model(technique: type[Technique]) -> None:
    """Hooks leave the keys of `state_dict` alone (normalizations add some), and `detach` restores the network."""
    model, x = setup(technique).model(), setup(technique).split.train.x
    weights, output = {n: t.clone() for n, t in model.state_dict().items()}, _training_output(model, x)
    attachment = attach_layers(model, Recipe.of(strongest(technique)))
    attachment.context.generator = torch.Generator().manual_seed(0)
    keys = list(model.state_dict())
    if issubclass(technique, Normalization):
        assert weights.keys() < set(keys), "a normalization must add its tensors to state_dict"
    else:
        assert keys == list(weights), f"the keys of state_dict must stay {list(weights)}, got {keys}"
    changed = not torch.equal(_training_output(model, x), output)
    acts_inside = issubclass(technique, OnModel)
    rule = "must change" if acts_inside else "must not change"
    assert changed == acts_inside, f"attached to a network it {rule} the output in training mode"
    assert attachment.detach() is model, "detach must return the network"
    restored = model.state_dict()
    same = list(restored) == list(weights) and all(torch.equal(restored[n], t) for n, t in weights.items())
    assert same, "detach must restore the keys and the weights of state_dict"
    assert torch.equal(_training_output(model, x), output), "detach must restore the network's output"
    hooks = [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__]
    assert not hooks, f"detach must remove all hooks, got some on {hooks}"


@dataclass(frozen=True)
class InterruptedCheckpoints(Checkpoints):
    """Checkpoints that interrupt training as Ctrl-C does, after the checkpoint of an epoch is written."""

    after: int = 0

    def save(self, run: Any, epoch: int, improved: bool, kept: Any) -> None:
        """Write the checkpoint, then interrupt."""
        super().save(run, epoch, improved, kept)
        if epoch == self.after:
            raise KeyboardInterrupt


def check_resumed_equals_uninterrupted(technique: type[Technique]) -> None:
    """A run that is interrupted and resumed twice is equal to the bit to one that was never interrupted."""
    # At this learning rate the stop loss rises, so that epochs without improvement are counted.
    options: dict[str, Any] = {"learning_rate": 0.05, "epochs": 6}
    uninterrupted = train(technique, strongest(technique), **options)
    with tempfile.TemporaryDirectory() as folder:
        for epoch in (1, 3):
            checkpoints = InterruptedCheckpoints(Path(folder), resume=epoch > 1, after=epoch)
            interrupted = train(technique, strongest(technique), checkpoints=checkpoints, **options)
            assert interrupted.epochs == epoch, f"training must end after epoch {epoch}, got {interrupted.epochs}"
        resumed = train(technique, strongest(technique), checkpoints=Checkpoints(Path(folder), resume=True), **options)
    assert_same_bits(uninterrupted, resumed, "a run resumed after epochs 1 and 3 must equal an uninterrupted one")


def check_each_knob_changes_the_trained_network(technique: type[Technique]) -> None:
    """Another value of any knob leads to another trained network (or to another epoch at which training stops)."""
    for name in technique.knobs():
        check_knob_changes_the_trained_network(technique, name)


def check_knob_changes_the_trained_network(technique: type[Technique], name: str) -> None:
    """Another value of one knob leads to another trained network (or to another epoch at which training stops)."""
    base, options, place = strongest(technique), training_options(technique), setup(technique)
    value = _other_value(technique, name, technique.knobs()[name], getattr(base, name), place.selector)
    other = technique.of(base.values() | {name: value})
    # `augment` selects the samples that other techniques may augment.
    company = [CutOut(0.5)] if name == "augment" else []
    shared = not (options or company)
    a = strongest_run(technique) if shared else train(technique, Recipe((base, *company)), **options)
    b = train(technique, Recipe((other, *company)), **options)
    if issubclass(technique, OnEpoch):
        changed = (a.epochs, a.kept_epoch) != (b.epochs, b.kept_epoch)
    else:
        x = place.split.validation.x
        changed = not torch.equal(a.outputs(x), b.outputs(x))
    assert changed, f"knob {name} has no effect: {base.text()} and {other.text()} train the same network"


def check_accumulation_equals_large_batch(technique: type[Technique]) -> None:
    """Four accumulated parts of 8 rows give the gradient of one batch of 32 rows, to rounding."""
    for kinds, reason in PER_PASS.items():
        if issubclass(technique, kinds):
            raise SkipTest(reason)
    if issubclass(technique, OnLoss) and not technique.accumulates_exactly:
        raise SkipTest("its term depends on the batch as a whole, or is drawn in each forward pass")
    place = setup(technique)
    options: dict[str, Any] = {"batch_size": 32, "optimizer": "sgd", "learning_rate": 0.05}
    whole, parts = (
        train(
            technique,
            strongest(technique),
            to_double(place.split),
            model=place.model().double(),
            accumulate=n,
            **options,
        )
        for n in (1, 4)
    )
    rule = "four accumulated parts of 8 rows must equal a batch of 32 rows"
    for name, weight in whole.last.items():
        assert torch.allclose(parts.last[name], weight, rtol=1e-9, atol=1e-11), f"{rule}, but {name} differs"
    assert whole.epochs == parts.epochs, f"{rule}, but epochs differ: {whole.epochs} and {parts.epochs}"
    losses = (parts.history["batch_loss"], whole.history["batch_loss"])
    assert np.allclose(*losses, rtol=1e-9, atol=0), f"{rule}, but batch losses differ: {losses}"


PER_PASS: dict[Any, str] = {
    Normalization: "its statistics are those of the rows in one forward pass: 8 are not 32",
    (Noise, BranchNoise, WeightPerturbation, Recurrent, HiddenMix): (
        "its noise is drawn in each forward pass: four passes of 8 rows draw other numbers than one of 32"
    ),
}
"""Techniques for which accumulated parts differ from a batch by definition, with the reason."""

OTHER_VALUES: dict[tuple[type[Technique], str], Any] = {
    (OnWeights, "axis"): 0,  # 1 to 4 are the incoming weights of a Linear, as the default is
    (OnEpoch, "monitor"): "train_loss",  # free text: only the names of columns have a meaning
    (OnEpoch, "baseline"): 0.0,  # a loss never falls below it; the knob has no search range
    (OnEpoch, "min_delta"): 0.3,  # the search range is too fine for the curve of this small problem
    (OnEpoch, "mode"): "max",  # for a loss, "auto" means "min"
}
"""Values that no rule can choose, by base class and knob; each with its reason."""


def _other_value(technique: type[Technique], name: str, knob: Knob, value: Any, selector: str) -> Any:
    """Another valid value of a knob, chosen from its declaration."""
    for (base, knob_name), other in OTHER_VALUES.items():
        if issubclass(technique, base) and knob_name == name:
            return other
    if name == "on":
        return selector
    if name == "classes":
        return "0"
    if isinstance(knob.default, bool):
        return not value
    if knob.choices:
        return next(choice for choice in knob.choices if choice != value)
    if knob.search:
        return max(knob.search, key=lambda v: abs(v - value))
    raise AssertionError(f"knob {name} needs a search range (search=…), so that another value can be tried")


def _check_dtype(run: Run, x: Tensor, dtype: torch.dtype) -> None:
    for weights in (run.last, run.best):
        dtypes = {t.dtype for t in weights.values() if t.is_floating_point()}
        assert dtypes == {dtype}, f"weights must stay {dtype}, got {dtypes}"
    output = run.outputs(x)
    assert output.dtype == dtype, f"outputs must be {dtype}, got {output.dtype}"
    losses = run.history["stop_loss"]
    assert np.isfinite(losses).all(), f"the stop loss must be finite in {dtype}, got {losses}"


def _numpy_state() -> Any:
    state: Any = np.random.get_state()
    return state[1]


def _training_output(model: nn.Module, x: Tensor) -> Tensor:
    """The output in training mode; the network's own random layers draw the same each time."""
    with seeded(0):
        return model.train()(x)  # type: ignore[no-any-return]
