"""The supported Keras classes, and how they are converted to techniques."""

from __future__ import annotations

import math
from typing import Any

from goodfit.errors import InputError
from goodfit.keras_names.parsing import REQUIRED, Converter, KerasArguments, KerasClass, equal
from goodfit.technique import Technique
from goodfit.techniques import ALL

WEIGHTS = {
    "kernel": "kernel",
    "bias": "bias",
    "embeddings": "Embedding",
    "recurrent": "*weight_hh*",
    "gamma": "norm *weight",
    "beta": "norm *bias",
}
"""Prefix of Keras' arguments → the selector of these weights."""
METRICS = {
    "acc": "accuracy",
    "binary_accuracy": "accuracy",
    "categorical_accuracy": "accuracy",
    "sparse_categorical_accuracy": "accuracy",
    "auc": "roc_auc",
    "r2_score": "r2",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
}
"""Keras' names of metrics → goodfit's names."""


def make_techniques(name: str, **values: Any) -> list[Technique]:
    """A technique with the given knobs, in a list; an empty list if all its strengths are neutral."""
    technique = ALL[name].of(values)
    return [] if technique.idle() else [technique]


def _technique(name: str, **fixed: Any) -> Converter:
    """Convert a class to a technique whose knobs have the names of Keras' arguments."""
    return lambda settings, on: make_techniques(name, **settings, **fixed, on=on)


def _l1_l2(s: KerasArguments, on: str) -> list[Technique]:
    if s["l1"] and s["l2"]:
        return make_techniques("elastic_net", l1=s["l1"], l2=s["l2"], on=on)
    return [*make_techniques("l1", l1=s["l1"], on=on), *make_techniques("l2", l2=s["l2"], on=on)]


def _activity(s: KerasArguments, on: str) -> list[Technique]:
    return [t for name, value in s.items() for t in make_techniques(f"activity_{name}", **{name: value}, on=on)]


def _orthogonal(s: KerasArguments, on: str) -> list[Technique]:
    over = {"rows": "inputs", "columns": "units"}.get(str(s["mode"]))  # Keras' kernels are (inputs, outputs)
    if over is None:
        raise InputError(f"keras: mode of OrthogonalRegularizer must be 'rows' or 'columns', got {s['mode']!r}.")
    return make_techniques("orthogonal", factor=s["factor"], over=over, on=on)


def _norm_constraint(name: str) -> Converter:
    """Convert a constraint on the norm of the incoming weights of each unit, or of each embedding vector."""

    def convert(s: KerasArguments, on: str) -> list[Technique]:
        if on in (WEIGHTS["bias"], WEIGHTS["gamma"], WEIGHTS["beta"]):
            raise InputError(f"keras: {name} must not be used on vectors such as biases, got on={on!r}; remove it.")
        vectors = on == WEIGHTS["embeddings"]  # in Keras (words, features), while kernels are (space…, inputs, outputs)
        if not any(equal(s["axis"], axis) for axis in (VECTOR_AXES if vectors else INCOMING_AXES)):
            allowed = "1 (each vector)" if vectors else "0, or [0, 1, 2] for Conv2D (the incoming weights of each unit)"
            raise InputError(
                f"keras: axis of {name} must be {allowed}, got axis={s['axis']!r}; for other axes use the technique "
                f"{name}, whose knob axis counts units first."
            )
        return make_techniques(name, **{knob: value for knob, value in s.items() if knob != "axis"}, on=on)

    return convert


INCOMING_AXES: tuple[Any, ...] = (0, [0], [0, 1], [0, 1, 2], [0, 1, 2, 3])
VECTOR_AXES: tuple[Any, ...] = (1, -1, [1], [-1])


def _batch_norm(s: KerasArguments, on: str) -> list[Technique]:
    momentum = s["momentum"]
    if isinstance(momentum, bool) or not isinstance(momentum, float | int) or not 0 <= momentum < 1:
        raise InputError(f"keras: momentum of BatchNormalization must be in [0, 1), got momentum={momentum!r}.")
    # torch's momentum is the weight of the new statistics, Keras' that of the old ones
    return make_techniques("batch_norm", momentum=round(1 - momentum, 12), eps=s["epsilon"], on=on)


def _early_stopping(s: KerasArguments, on: str) -> list[Technique]:
    monitor = str(s["monitor"])
    metric = monitor.removeprefix("val_")
    column = ("train_" if metric == monitor else "stop_") + METRICS.get(metric, metric)
    baseline = math.inf if s["baseline"] is None else s["baseline"]
    knobs = {knob: value for knob, value in s.items() if knob != "verbose"}
    return make_techniques("early_stopping", **{**knobs, "monitor": column, "baseline": baseline})


NORMALIZATION_DEFAULTS = {
    "center": (True,), "scale": (True,), "beta_initializer": ("zeros",), "gamma_initializer": ("ones",),
    "beta_regularizer": (None,), "gamma_regularizer": (None,), "beta_constraint": (None,), "gamma_constraint": (None,),
    "moving_mean_initializer": ("zeros",), "moving_variance_initializer": ("ones",), "synchronized": (False,),
    "renorm": (False,), "rms_scaling": (False,),
}  # fmt: skip
"""Supported values of the arguments of normalizations; see also `gamma_regularizer` and `beta_regularizer`."""
NO_SHAPE = {"noise_shape": (None,)}

REGULARIZERS = {
    "L1": KerasClass({"l1": 0.01}, _technique("l1")),
    "L2": KerasClass({"l2": 0.01}, _technique("l2")),
    "L1L2": KerasClass({"l1": 0.0, "l2": 0.0}, _l1_l2),
    "OrthogonalRegularizer": KerasClass({"factor": 0.01, "mode": "rows"}, _orthogonal),
}
ACTIVITY = {name: KerasClass(REGULARIZERS[name].defaults, _activity) for name in ("L1", "L2", "L1L2")}
CONSTRAINTS = {
    "MaxNorm": KerasClass({"max_value": 2, "axis": 0}, _norm_constraint("max_norm")),
    "MinMaxNorm": KerasClass(
        {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0}, _norm_constraint("min_max_norm")
    ),
    "UnitNorm": KerasClass({"axis": 0}, _norm_constraint("unit_norm")),
    "NonNeg": KerasClass({}, _technique("non_neg")),
}
LAYERS = {
    "Dropout": KerasClass({"rate": REQUIRED}, _technique("dropout"), NO_SHAPE),
    "SpatialDropout1D": KerasClass({"rate": REQUIRED}, _technique("spatial_dropout")),
    "SpatialDropout2D": KerasClass({"rate": REQUIRED}, _technique("spatial_dropout")),
    "SpatialDropout3D": KerasClass({"rate": REQUIRED}, _technique("spatial_dropout")),
    "AlphaDropout": KerasClass({"rate": REQUIRED}, _technique("alpha_dropout"), NO_SHAPE),
    "GaussianDropout": KerasClass({"rate": REQUIRED}, _technique("gaussian_dropout")),
    "GaussianNoise": KerasClass({"stddev": REQUIRED}, _technique("gaussian_noise", input_stddev=0.0)),
    "BatchNormalization": KerasClass(
        {"axis": -1, "momentum": 0.99, "epsilon": 1e-3}, _batch_norm, {"axis": (-1, 1, 3), **NORMALIZATION_DEFAULTS}
    ),
    "LayerNormalization": KerasClass(
        {"axis": -1, "epsilon": 1e-3},
        lambda s, on: make_techniques("layer_norm", eps=s["epsilon"], on=on),
        {"axis": (-1, [-1]), **NORMALIZATION_DEFAULTS},
    ),
    "ActivityRegularization": KerasClass({"l1": 0.0, "l2": 0.0}, _activity),
    "MixUp": KerasClass({"alpha": 0.2}, lambda s, on: make_techniques("mixup", **s)),
}
CALLBACKS = {
    "EarlyStopping": KerasClass(
        {
            "monitor": "val_loss", "min_delta": 0.0, "patience": 0, "verbose": 0, "mode": "auto", "baseline": None,
            "restore_best_weights": False, "start_from_epoch": 0,
        },
        _early_stopping,
    ),
}  # fmt: skip
