"""Convert the regularization arguments of Keras to techniques; Keras is not imported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from goodfit.checks import is_whole_number
from goodfit.errors import InputError, near
from goodfit.keras_names.parsing import KerasArguments, KerasClass, bind_arguments, parse_argument
from goodfit.keras_names.tables import ACTIVITY, CALLBACKS, CONSTRAINTS, LAYERS, REGULARIZERS, WEIGHTS, make_techniques
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
"""Numeric argument → the technique, its knob, and fixed values of other knobs."""
EMA_ARGUMENTS = ("use_ema", "ema_momentum", "ema_overwrite_frequency", "steps_per_epoch")
UNSUPPORTED = {
    "clipnorm": "Keras clips each variable separately; use global_clipnorm=… to clip the whole gradient",
    "ModelCheckpoint": "use the argument checkpoints of fit",
    "ReduceLROnPlateau": "the learning-rate schedule is an option of Training",
    "LearningRateScheduler": "the learning-rate schedule is an option of Training",
    "TerminateOnNaN": "fit always stops if the loss is not finite",
    "SwapEMAWeights": "use use_ema=True, which evaluates the averaged weights",
}
"""Arguments and callbacks without a corresponding technique → what to use instead."""


def techniques_from_keras(**arguments: Any) -> list[Technique]:
    """Convert Keras arguments of layers, optimizers, losses and callbacks to techniques.

    - `kernel_regularizer`, `bias_regularizer`, `kernel_constraint`, `bias_constraint` (also with the prefixes
      `embeddings`, `recurrent`, `gamma`, `beta`) and `activity_regularizer`: a name ("l2"), a call as text
      ("L1L2(l1=1e-5, l2=1e-4)"), a config or a Keras object. They apply to all layers; kernels are the weights of
      linear, convolution, embedding and recurrent layers.
    - `dropout=0.25`, `recurrent_dropout`, and `layers=[…]`: layers such as Dropout, GaussianNoise or
      BatchNormalization, as used between hidden layers. Noise on the network's input is a knob `input_…` of the
      technique.
    - `callbacks=[EarlyStopping(…)]`, `weight_decay`, `global_clipnorm`, `clipvalue`, `label_smoothing`, and `use_ema`
      with `ema_momentum`. The momentum is per step, so `use_ema` also needs `steps_per_epoch`.

    Defaults are those of Keras. Arguments that are None, and strengths of zero, yield no technique. `weight_decay`
    applies to kernels; in Keras it applies to all variables that are not excluded.

    >>> techniques_from_keras(kernel_regularizer="l2(1e-4)", dropout=0.25)
    [L2(l2=0.0001, on='kernel'), Dropout(rate=0.25, input_rate=0.0, on='kernel')]

    Raises:
        InputError: an argument is unknown, or no technique corresponds to it.
    """
    clips = [n for n in ("clipnorm", "clipvalue", "global_clipnorm") if arguments.get(n) is not None]
    if len(clips) > 1:
        raise InputError(
            f"keras: at most one of clipnorm, clipvalue and global_clipnorm is possible, got {clips}; keep one."
        )
    techniques = [t for name, value in arguments.items() for t in _argument(name, value, arguments)]
    unique = list(dict.fromkeys(techniques))
    for technique in unique:
        variants = [t.text() for t in unique if (t.name(), t.on) == (technique.name(), technique.on)]
        if len(variants) > 1:
            raise InputError(
                f"keras: {technique.name()} must have the same values in all layers, got {' and '.join(variants)}; "
                "write techniques that select layers with on=."
            )
    return unique


def _argument(name: str, value: Any, arguments: KerasArguments) -> list[Technique]:
    part, _, kind = name.rpartition("_")
    if kind in ("regularizer", "constraint") and part in (*WEIGHTS, "activity"):
        table = ACTIVITY if part == "activity" else REGULARIZERS if kind == "regularizer" else CONSTRAINTS
        return [] if value is None else _convert(value, table, name, WEIGHTS.get(part, "kernel"))
    if name in ("layers", "callbacks"):
        items = value if isinstance(value, list | tuple) else [] if value is None else [value]
        table = LAYERS if name == "layers" else CALLBACKS
        return [technique for item in items for technique in _convert(item, table, name)]
    if name in EMA_ARGUMENTS:
        return _average(arguments) if name == "use_ema" and value else []
    if name in NUMBERS:
        technique, knob, others = NUMBERS[name]
        return [] if value is None else make_techniques(technique, **{knob: value}, **others)
    if name in UNSUPPORTED:
        raise InputError(f"keras: no technique corresponds to {name}; {UNSUPPORTED[name]}.")
    kinds = [f"{p}_{k}" for p in WEIGHTS for k in ("regularizer", "constraint")]
    known = [*kinds, "activity_regularizer", "layers", "callbacks", *EMA_ARGUMENTS, *NUMBERS]
    raise InputError(f"keras: there is no argument '{name}'.{near(name, known)}")


def _average(arguments: KerasArguments) -> list[Technique]:
    """Convert Keras' momentum per step to the half-life in epochs of EMA."""
    momentum, steps = arguments.get("ema_momentum"), arguments.get("steps_per_epoch")
    momentum = 0.99 if momentum is None else momentum
    if (frequency := arguments.get("ema_overwrite_frequency")) is not None:
        raise InputError(
            f"keras: no technique corresponds to ema_overwrite_frequency, got {frequency!r}; consider lookahead."
        )
    if isinstance(momentum, bool) or not isinstance(momentum, float | int) or not 0 <= momentum < 1:
        raise InputError(f"keras: ema_momentum must be in [0, 1), got ema_momentum={momentum!r}.")
    if not is_whole_number(steps, 1):
        raise InputError(
            "keras: use_ema requires steps_per_epoch, a whole number of at least 1, to convert ema_momentum to a "
            f"half-life in epochs, got steps_per_epoch={steps!r}."
        )
    return make_techniques("ema", half_life=math.log(0.5) / math.log(momentum) / steps) if momentum else []


def _convert(value: Any, table: Mapping[str, KerasClass], who: str, on: str = "kernel") -> list[Technique]:
    name, args, kwargs = parse_argument(value, who, CALLBACKS["EarlyStopping"].defaults)
    key = {known.lower(): known for known in table}.get(name.lower().replace("_", ""))
    if key is None:
        reason = f"; {UNSUPPORTED[name]}." if name in UNSUPPORTED else "." + near(name, table)
        raise InputError(f"{who}: no technique corresponds to Keras' '{name}'{reason}")
    if name == "l1_l2" and not args and not kwargs:  # as Keras documents the bare name; the class has 0 for both
        kwargs = {"l1": 0.01, "l2": 0.01}
    return table[key].convert(bind_arguments(table[key], f"{who}: {key}", args, kwargs), on)
