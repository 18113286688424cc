"""Keras' classes, and the techniques that they become."""

from __future__ import annotations

import math
from typing import Any

from goodfit.errors import InputError
from goodfit.keras_names.read import NEEDED, Known, Make, Settings, same
from goodfit.technique import Technique
from goodfit.techniques import ALL

PLACES = {
    "kernel": "kernel",
    "bias": "bias",
    "embeddings": "Embedding",
    "recurrent": "*weight_hh*",
    "gamma": "norm *weight",
    "beta": "norm *bias",
}
"""What Keras calls a weight → the selector that chooses it."""
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


def made(name: str, **values: Any) -> list[Technique]:
    """One technique of the catalogue; none where every strength is the one that does nothing."""
    technique = ALL[name].of(values)
    return [] if technique.idle() else [technique]


def _one(name: str, **fixed: Any) -> Make:
    """A technique whose knobs are called like Keras' arguments."""
    return lambda settings, on: made(name, **settings, **fixed, on=on)


def _l1_l2(s: Settings, on: str) -> list[Technique]:
    if s["l1"] and s["l2"]:
        return made("elastic_net", l1=s["l1"], l2=s["l2"], on=on)
    return [*made("l1", l1=s["l1"], on=on), *made("l2", l2=s["l2"], on=on)]


def _activity(s: Settings, on: str) -> list[Technique]:
    return [t for name, value in s.items() for t in made(f"activity_{name}", **{name: value}, on=on)]


def _orthogonal(s: Settings, on: str) -> list[Technique]:
    over = {"rows": "inputs", "columns": "units"}.get(str(s["mode"]))  # kernels are (in, out) there
    if over is None:
        raise InputError(f"keras: mode of OrthogonalRegularizer must be 'rows' or 'columns', got {s['mode']!r}.")
    return made("orthogonal", factor=s["factor"], over=over, on=on)


def _bound(name: str) -> Make:
    """A constraint on norms: of the weights into each unit, or of each embedding vector."""

    def make(s: Settings, on: str) -> list[Technique]:
        if on in (PLACES["bias"], PLACES["gamma"], PLACES["beta"]):
            raise InputError(f"keras: {name} has no counterpart on vectors such as biases; leave it out.")
        vectors = on == PLACES["embeddings"]  # (words, features) there, where kernels are (space…, in, out)
        if not any(same(s["axis"], one) for one in (VECTORS if vectors else INCOMING)):
            wanted = (
                "1 (the norm of each vector)" if vectors else "0, or [0, 1, 2] for Conv2D (the weights into a unit)"
            )
            raise InputError(
                f"keras: axis of {name} must be {wanted}, got axis={s['axis']!r}; for another one take {name} from the "
                "catalogue, whose axis counts units first."
            )
        return made(name, **{knob: value for knob, value in s.items() if knob != "axis"}, on=on)

    return make


INCOMING: tuple[Any, ...] = (0, [0], [0, 1], [0, 1, 2], [0, 1, 2, 3])
VECTORS: tuple[Any, ...] = (1, -1, [1], [-1])


def _batch_norm(s: Settings, on: str) -> list[Technique]:
    kept = s["momentum"]
    if isinstance(kept, bool) or not isinstance(kept, float | int) or not 0 <= kept < 1:
        raise InputError(f"keras: momentum of BatchNormalization must be in [0, 1), got {kept!r}.")
    return made("batch_norm", momentum=round(1 - kept, 12), eps=s["epsilon"], on=on)  # torch's is the share of the new


def _early_stopping(s: Settings, on: str) -> list[Technique]:
    monitor = str(s["monitor"])
    metric = monitor.removeprefix("val_")
    column = ("train_" if metric == monitor else "stop_") + METRICS.get(metric, metric)
    baseline = math.inf if s["baseline"] is None else s["baseline"]
    kept = {knob: value for knob, value in s.items() if knob != "verbose"}
    return made("early_stopping", **{**kept, "monitor": column, "baseline": baseline})


BARE = {
    "center": (True,), "scale": (True,), "beta_initializer": ("zeros",), "gamma_initializer": ("ones",),
    "beta_regularizer": (None,), "gamma_regularizer": (None,), "beta_constraint": (None,), "gamma_constraint": (None,),
    "moving_mean_initializer": ("zeros",), "moving_variance_initializer": ("ones",), "synchronized": (False,),
    "renorm": (False,), "rms_scaling": (False,),
}  # fmt: skip
"""Arguments of normalisations, as they are here; regularizers of gamma and beta are arguments of their own."""
NO_SHAPE = {"noise_shape": (None,)}

REGULARIZERS = {
    "L1": Known({"l1": 0.01}, _one("l1")),
    "L2": Known({"l2": 0.01}, _one("l2")),
    "L1L2": Known({"l1": 0.0, "l2": 0.0}, _l1_l2),
    "OrthogonalRegularizer": Known({"factor": 0.01, "mode": "rows"}, _orthogonal),
}
ACTIVITY = {name: Known(REGULARIZERS[name].defaults, _activity) for name in ("L1", "L2", "L1L2")}
CONSTRAINTS = {
    "MaxNorm": Known({"max_value": 2, "axis": 0}, _bound("max_norm")),
    "MinMaxNorm": Known({"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0}, _bound("min_max_norm")),
    "UnitNorm": Known({"axis": 0}, _bound("unit_norm")),
    "NonNeg": Known({}, _one("non_neg")),
}
LAYERS = {
    "Dropout": Known({"rate": NEEDED}, _one("dropout"), NO_SHAPE),
    "SpatialDropout1D": Known({"rate": NEEDED}, _one("spatial_dropout")),
    "SpatialDropout2D": Known({"rate": NEEDED}, _one("spatial_dropout")),
    "SpatialDropout3D": Known({"rate": NEEDED}, _one("spatial_dropout")),
    "AlphaDropout": Known({"rate": NEEDED}, _one("alpha_dropout"), NO_SHAPE),
    "GaussianDropout": Known({"rate": NEEDED}, _one("gaussian_dropout")),
    "GaussianNoise": Known({"stddev": NEEDED}, _one("gaussian_noise", input_stddev=0.0)),
    "BatchNormalization": Known(
        {"axis": -1, "momentum": 0.99, "epsilon": 1e-3}, _batch_norm, {"axis": (-1, 1, 3), **BARE}
    ),
    "LayerNormalization": Known(
        {"axis": -1, "epsilon": 1e-3},
        lambda s, on: made("layer_norm", eps=s["epsilon"], on=on),
        {"axis": (-1, [-1]), **BARE},
    ),
    "ActivityRegularization": Known({"l1": 0.0, "l2": 0.0}, _activity),
    "MixUp": Known({"alpha": 0.2}, lambda s, on: made("mixup", **s)),
}
CALLBACKS = {
    "EarlyStopping": Known(
        {
            "monitor": "val_loss", "min_delta": 0.0, "patience": 0, "verbose": 0, "mode": "auto", "baseline": None,
            "restore_best_weights": False, "start_from_epoch": 0,
        },
        _early_stopping,
    ),
}  # fmt: skip
