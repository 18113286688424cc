"""Regularization as Keras users write it, turned into techniques; Keras itself is never imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from goodfit.checks import is_whole_number
from goodfit.errors import InputError, near
from goodfit.keras_names.read import Known, Settings, bind, read
from goodfit.keras_names.tables import ACTIVITY, CALLBACKS, CONSTRAINTS, LAYERS, PLACES, REGULARIZERS, made
from goodfit.technique import Technique

__all__ = ["techniques_from_keras"]

NUMBERS: dict[str, tuple[str, str, dict[str, float]]] = {
    "dropout": ("dropout", "rate", {}),
    "recurrent_dropout": ("variational_dropout", "recurrent_rate", {"rate": 0.0}),
    "weight_decay": ("weight_decay", "rate", {}),
    "global_clipnorm": ("clip_grad_norm", "max_norm", {}),
    "clipvalue": ("clip_grad_value", "clip_value", {}),
    "label_smoothing": ("label_smoothing", "amount", {}),
}
"""Arguments that are one number → the technique, its knob, and the values of others."""
AVERAGE = ("use_ema", "ema_momentum", "ema_overwrite_frequency", "steps_per_epoch")
ELSEWHERE = {
    "clipnorm": "Keras clips each variable by itself there; global_clipnorm=… clips the whole gradient",
    "ModelCheckpoint": "give fit its checkpoints",
    "ReduceLROnPlateau": "the learning rate's schedule is the training's",
    "LearningRateScheduler": "the learning rate's schedule is the training's",
    "TerminateOnNaN": "fit stops there by itself",
    "SwapEMAWeights": "take use_ema=True: averaged weights are then the ones evaluated",
}


def techniques_from_keras(**arguments: Any) -> list[Technique]:
    """The techniques that Keras' arguments for layers, optimizers and losses stand for.

    - `kernel_regularizer`, `bias_regularizer`, `kernel_constraint`, `bias_constraint` (also of embeddings, recurrent,
      gamma, beta), and `activity_regularizer`: a name ("l2"), a call ("L1L2(l1=1e-5, l2=1e-4)"), a config or a Keras
      object. They hold for all layers: kernels are the weights of linear, convolution, embedding and recurrent layers.
    - `dropout=0.25`, `recurrent_dropout`, and `layers=[…]`: Dropout, GaussianNoise, BatchNormalization, … as they stand
      between hidden layers (a noise on the network's own input is an `input_…` knob of the technique).
    - `callbacks=[EarlyStopping(…)]`, `weight_decay`, `global_clipnorm`, `clipvalue`, `label_smoothing`, and `use_ema`
      with `ema_momentum`, which counts steps: give `steps_per_epoch` too.

    Defaults are Keras'; what is None or of no strength gives no technique. `weight_decay` acts on kernels (Keras decays
    every variable that is not excluded).

    >>> techniques_from_keras(kernel_regularizer="l2(1e-4)", dropout=0.25)
    [L2(l2=0.0001, on='kernel'), Dropout(rate=0.25, input_rate=0.0, on='kernel')]

    Raises:
        InputError: something is not known, or has no counterpart.
    """
    clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if arguments.get(n) is not None]
    if len(clips) > 1:
        raise InputError(f"keras: only one of clipnorm, clipvalue and global_clipnorm may be given, got {clips}.")
    found = [t for name, value in arguments.items() for t in _argument(name, value, arguments)]
    unique = list(dict.fromkeys(found))
    for technique in unique:
        twins = [t.text() for t in unique if (t.name(), _on(t)) == (technique.name(), _on(technique))]
        if len(twins) > 1:
            both = " and ".join(twins)
            raise InputError(
                f"keras: {technique.name()} must be the same everywhere, got {both}; choose layers by on=."
            )
    return unique


def _argument(name: str, value: Any, arguments: Settings) -> list[Technique]:
    part, _, kind = name.rpartition("_")
    if kind in ("regularizer", "constraint") and part in (*PLACES, "activity"):
        table = ACTIVITY if part == "activity" else REGULARIZERS if kind == "regularizer" else CONSTRAINTS
        return [] if value is None else _translate(value, table, name, PLACES.get(part, "kernel"))
    if name in ("layers", "callbacks"):
        several = value if isinstance(value, list | tuple) else [] if value is None else [value]
        table = LAYERS if name == "layers" else CALLBACKS
        return [technique for each in several for technique in _translate(each, table, name)]
    if name in AVERAGE:
        return _average(arguments) if name == "use_ema" and value else []
    if name in NUMBERS:
        technique, knob, others = NUMBERS[name]
        return [] if value is None else made(technique, **{knob: value}, **others)
    if name in ELSEWHERE:
        raise InputError(f"keras: {name} has no counterpart; {ELSEWHERE[name]}.")
    kinds = [f"{p}_{k}" for p in PLACES for k in ("regularizer", "constraint")]
    known = [*kinds, "activity_regularizer", "layers", "callbacks", *AVERAGE, *NUMBERS]
    raise InputError(f"keras: there is no argument '{name}'.{near(name, known)}")


def _average(arguments: Settings) -> list[Technique]:
    """Keras' average keeps a share `ema_momentum` per step; ours halves a weight's share per `half_life` epochs."""
    given, steps = arguments.get("ema_momentum"), arguments.get("steps_per_epoch")
    momentum = 0.99 if given is None else given
    if arguments.get("ema_overwrite_frequency") is not None:
        raise InputError("keras: ema_overwrite_frequency has no counterpart; lookahead puts averaged weights back.")
    if isinstance(momentum, bool) or not isinstance(momentum, float | int) or not 0 <= momentum < 1:
        raise InputError(f"keras: ema_momentum must be in [0, 1), got ema_momentum={momentum!r}.")
    if not is_whole_number(steps, 1):
        raise InputError(
            "keras: use_ema needs steps_per_epoch, a whole number of at least 1, because ema_momentum counts steps and "
            f"EMA's half-life counts epochs; got steps_per_epoch={steps!r}."
        )
    return made("ema", half_life=math.log(0.5) / math.log(momentum) / steps) if momentum else []


def _translate(given: Any, table: Mapping[str, Known], who: str, on: str = "kernel") -> list[Technique]:
    name, values, named = read(given, who, CALLBACKS["EarlyStopping"].defaults)
    key = {known.lower(): known for known in table}.get(name.lower().replace("_", ""))
    if key is None:
        reason = f"; {ELSEWHERE[name]}." if name in ELSEWHERE else "." + near(name, table)
        raise InputError(f"{who}: there is no counterpart of Keras' '{name}'{reason}")
    if name == "l1_l2" and not values and not named:  # as Keras documents the bare name; the class has 0 for both
        named = {"l1": 0.01, "l2": 0.01}
    return table[key].make(bind(table[key], f"{who}: {key}", values, named), on)


def _on(technique: Technique) -> str:
    return technique.on
