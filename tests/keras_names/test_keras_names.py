"""Conversion of Keras callbacks, optimizers and losses, and errors."""

from __future__ import annotations

import math
from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.keras_names import techniques_from_keras
from goodfit.recipe import Recipe


def converted(**arguments: Any) -> Recipe:
    return Recipe(tuple(techniques_from_keras(**arguments)))


def error_of(**arguments: Any) -> str:
    with pytest.raises(InputError) as raised:
        techniques_from_keras(**arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- callbacks, optimizers, losses ----------------------------------------------------------------


def test_early_stopping_has_keras_defaults() -> None:
    (one,) = techniques_from_keras(callbacks=["EarlyStopping()"])
    assert one.values() == {
        "monitor": "stop_loss",
        "min_delta": 0.0,
        "patience": 0,
        "mode": "auto",
        "baseline": math.inf,
        "restore_best_weights": False,
        "start_from_epoch": 0,
    }


def test_early_stopping_with_everything() -> None:
    callback = (
        "EarlyStopping('val_acc', 0.5, 3, 1, mode='max', baseline=0.25, restore_best_weights=True, start_from_epoch=2)"
    )
    (one,) = techniques_from_keras(callbacks=callback)
    assert one.values() == {
        "monitor": "stop_accuracy",
        "min_delta": 0.5,
        "patience": 3,
        "mode": "max",
        "baseline": 0.25,
        "restore_best_weights": True,
        "start_from_epoch": 2,
    }


@pytest.mark.parametrize(
    ("monitor", "column"),
    [("val_loss", "stop_loss"), ("loss", "train_loss"), ("accuracy", "train_accuracy"), ("val_auc", "stop_roc_auc")],
)
def test_monitors(monitor: str, column: str) -> None:
    (one,) = techniques_from_keras(callbacks=[f"EarlyStopping(monitor='{monitor}')"])
    assert one.values()["monitor"] == column


def test_numbers() -> None:
    assert converted(dropout=0.25, weight_decay=0.004) == Recipe.of("dropout=0.25, weight_decay=0.004")
    assert converted(global_clipnorm=2.0, label_smoothing=0.1) == Recipe.of("clip_grad_norm=2.0, label_smoothing=0.1")
    assert converted(recurrent_dropout=0.3) == Recipe.of("variational_dropout(0.0, recurrent_rate=0.3)")
    assert converted(clipvalue=0.5) == Recipe.of("clip_grad_value=0.5")
    assert converted(dropout=0.0, label_smoothing=0.0, weight_decay=None, clipvalue=None) == Recipe.of("")


def test_momentum_is_converted_to_epochs() -> None:
    (one,) = techniques_from_keras(use_ema=True, ema_momentum=0.5, steps_per_epoch=4)
    assert (one.name(), one.values()["half_life"]) == ("ema", 0.25)  # four steps, each halves the share
    (default,) = techniques_from_keras(use_ema=True, steps_per_epoch=10)
    assert 0.5 ** (1 / (10 * float(default.values()["half_life"]))) == pytest.approx(0.99, abs=1e-15)
    assert converted(use_ema=False, ema_momentum=0.99) == Recipe.of("")
    assert converted(use_ema=True, ema_momentum=0.0, steps_per_epoch=4) == Recipe.of("")


def test_unsupported_averages() -> None:
    assert "requires steps_per_epoch" in error_of(use_ema=True)
    assert "ema_momentum must be in [0, 1)" in error_of(use_ema=True, ema_momentum=1.0, steps_per_epoch=4)
    assert "lookahead" in error_of(use_ema=True, ema_overwrite_frequency=5, steps_per_epoch=4)


# ---- errors ---------------------------------------------------------------------------------------


def test_errors_suggest_similar_names() -> None:
    assert "Did you mean 'kernel_regularizer'" in error_of(kernel_regulariser="l2")
    assert error_of(kernel_regularizer="l3").startswith("kernel_regularizer: no technique corresponds to Keras' 'l3'. ")
    assert "Did you mean 'Dropout'" in error_of(layers=["Droput(0.5)"])
    assert "there is no argument 'rte'. Did you mean 'rate'" in error_of(layers=["Dropout(rte=0.5)"])
    assert "Dropout: rate must be passed" in error_of(layers=["Dropout()"])
    assert "takes at most 1 positional arguments, got 2" in error_of(kernel_regularizer="l2(1, 2)")


def test_unsupported_arguments_name_the_alternative() -> None:
    assert "global_clipnorm" in error_of(clipnorm=1.0)
    assert "at most one of" in error_of(clipvalue=1.0, global_clipnorm=1.0)
    assert "checkpoints" in error_of(callbacks=["ModelCheckpoint('file.keras')"])


def test_values_are_checked_by_the_technique() -> None:
    assert error_of(kernel_regularizer="l2(-1)").startswith("L2: l2 must be in [0, inf)")
    assert error_of(dropout=1.5).startswith("Dropout: rate must be in [0, 1)")
    assert "momentum of BatchNormalization must be in [0, 1)" in error_of(layers=["BatchNormalization(momentum='0.9')"])
    assert "must be in [0, 1), got momentum=1.0" in error_of(layers=["BatchNormalization(momentum=1.0)"])
    assert converted(layers=["BatchNormalization(momentum=0.0)"]) == Recipe.of("batch_norm(momentum=1.0, eps=0.001)")
    assert "mode of OrthogonalRegularizer" in error_of(kernel_regularizer="OrthogonalRegularizer(mode=[1])")
    assert "l2 must be passed only once" in error_of(kernel_regularizer="l2(0.1, l2=0.2)")
    assert converted(kernel_regularizer="l2(1e300)") == Recipe.of("l2=1e300")
