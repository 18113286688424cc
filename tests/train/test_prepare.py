"""`prepare`: checks network, recipe, data and settings against each other before any training."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split, load
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study import Protocol, run_study
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.manual_loop.attach import attach
from goodfit.train.phases import Phase
from goodfit.train.prepare import describe_recipe, prepare, probe_network
from goodfit.train.run import same, snapshot

Net = Callable[..., nn.Sequential]
SHORT = Training(epochs=1, batch_size=32)
ONE = Protocol(folds=1, repeats=1)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ("unit_norm, max_norm=0.5", "recipe: unit_norm, max_norm at 0.weight, .*; keep one of them"),
        (
            "max_norm=1, min_max_norm(min_value=2, max_value=3)",
            "recipe: max_norm, min_max_norm at .*; keep one of them",
        ),
        ("r_drop=1", "recipe: r_drop: .*"),
        ("ema=0.5, swa", "only one technique may choose the weights to keep, got ema, swa; keep one"),
        ("target_noise=0.1", "TargetNoise: it acts on numbers; the target has classes"),
        ("zoneout=0.1", "Zoneout: on must match a weight tensor"),
        ("drop_path=0.1", "DropPath: the network must have residual branches, got none"),
    ],
)
def test_a_contradiction_is_refused_with_its_reason(
    recipe: str, reason: str, three_class_split: Split, make_net: Net
) -> None:
    with pytest.raises(InputError, match=reason):
        fit(make_net(), three_class_split, recipe, SHORT)


def test_a_study_refuses_a_contradiction_before_its_first_run() -> None:
    with pytest.raises(InputError, match="recipe: unit_norm, max_norm at"):
        run_study(load("iris"), "mlp:4", ["l2=1e-3", "unit_norm, max_norm=0.5"], SHORT, protocol=ONE)


def test_warnings_are_stored_with_the_run(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "l2=1e-3, weight_decay=0.1", SHORT)
    (message,) = run.metadata["warnings"]
    assert message.startswith("warning: l2, weight_decay at 0.weight")
    assert run.metadata["acts"][3][3] == "l2=0.001, weight_decay=0.1"
    study = run_study(load("iris"), "mlp:4", ["l2=1e-3, weight_decay=0.1"], SHORT, protocol=ONE)
    assert any(note.startswith("l2=0.001, weight_decay=0.1: warning: l2, weight_decay at") for note in study.notes)


def test_an_error_leaves_the_network_unchanged(three_class_split: Split) -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    before = {name: w.clone() for name, w in model.state_dict().items()}
    with pytest.raises(InputError):
        fit(model, three_class_split, "batch_norm, r_drop=1", SHORT)
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert list(model.state_dict()) == list(before)


# ---- the plan ------------------------------------------------------------------------------------------


def test_a_plan_holds_what_is_decided_before_training(three_class_split: Split, make_net: Net) -> None:
    training = Training(batch_size=33, accumulate=4)
    plan = prepare(make_net(), three_class_split, Recipe.of("l1=0.1, dropout=0.2"), training)
    assert plan.training == training.with_values(metric="accuracy")
    assert plan.criterion.name == "cross_entropy"
    assert plan.phases == (Phase.FORWARD, Phase.GRADIENTS, Phase.OPTIMIZER, Phase.PROXIMAL)
    assert plan.training.rows_at_once == 9
    assert plan.messages == ()
    assert (plan.context.batch_size, plan.context.rows, plan.context.loss) == (33, 96, "cross_entropy")


def test_prepare_and_fit_refuse_without_building_a_trainer(
    three_class_split: Split, make_net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("no trainer must be built")

    monkeypatch.setattr("goodfit.train.fit.Trainer", fail)
    monkeypatch.setattr("goodfit.train.trainer.Trainer.__init__", fail)
    model, recipe = make_net(), Recipe.of("l2=0.1, zoneout=0.1")
    for refuse in (
        lambda: prepare(model, three_class_split, recipe, SHORT),
        lambda: fit(model, three_class_split, recipe, SHORT),
        lambda: fit_many(model, three_class_split, ["", recipe], SHORT),
        lambda: attach(model, recipe, torch.optim.SGD(model.parameters())),
    ):
        with pytest.raises(InputError, match="Zoneout"):
            refuse()
    assert prepare(model, three_class_split, Recipe.of("l2=0.1"), SHORT).phases
    with pytest.raises(AssertionError, match="no trainer must be built"):
        fit(model, three_class_split, "l2=0.1", SHORT)


@pytest.mark.parametrize(
    ("recipe", "outputs"), [("class_balance", 1), ("mixup, label_smoothing", 1), ("target_noise", 3)]
)
def test_techniques_for_other_targets_are_refused_before_training(
    recipe: str, outputs: int, three_class_split: Split, regression_split: Split, make_net: Net
) -> None:
    split = regression_split if outputs == 1 else three_class_split
    with pytest.raises(InputError, match=r"targets that are|it acts on"):
        prepare(make_net(outputs), split, Recipe.of(recipe), SHORT)


def test_prepare_changes_neither_the_network_nor_its_mode(three_class_split: Split, make_net: Net) -> None:
    model = make_net().train()
    before = snapshot(model)
    prepare(model, three_class_split, Recipe.of("batch_norm, noisy_linear, dropout=0.5, weight_noise"), SHORT)
    assert model.training
    assert same(snapshot(model), before)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_network_that_is_random_in_evaluation_mode_is_warned_about(three_class_split: Split) -> None:
    class AlwaysDropout(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.dropout(super().forward(x), 0.5)

    model = AlwaysDropout(6, 3)
    plan = prepare(model, three_class_split, Recipe(), SHORT)
    (message,) = plan.messages
    assert "its output differs between two passes in evaluation mode" in message.reason
    assert describe_recipe(model, plan)["warnings"] == [str(message)]


def test_a_probe_is_shared_by_recipes_of_one_structure(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    probe = probe_network(model, three_class_split)
    for recipe, structures in (("l2=0.1", 1), ("l2=0.2", 1), ("l2=0.0", 2), ("l2(0.1, on='kernel 0')", 3)):
        prepare(model, three_class_split, Recipe.of(recipe), SHORT, probe=probe)
        assert len(probe.checked) == structures
