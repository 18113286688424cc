"""Conversion of Keras regularizers, constraints and layers; also of Keras objects if Keras is installed."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.keras_names import techniques_from_keras
from goodfit.keras_names.tables import CALLBACKS, CONSTRAINTS, LAYERS, REGULARIZERS
from goodfit.recipe import Recipe


def converted(**arguments: Any) -> Recipe:
    return Recipe(tuple(techniques_from_keras(**arguments)))


def error_of(**arguments: Any) -> str:
    with pytest.raises(InputError) as raised:
        techniques_from_keras(**arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# ---- penalties ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("l2", "l2=0.01"),
        ("L1", "l1=0.01"),
        ("l2(0.5)", "l2=0.5"),
        ("l2(l2=0.5)", "l2=0.5"),
        ("regularizers.l2(0.5)", "l2=0.5"),
        ("keras.regularizers.L2(l2=1e-4)", "l2=0.0001"),
        ("L1L2(l1=1e-5, l2=1e-4)", "elastic_net(l1=1e-05, l2=0.0001)"),
        ("l1_l2(l1=1e-5, l2=1e-4)", "elastic_net(l1=1e-05, l2=0.0001)"),
        ("l1_l2(1e-5)", "l1=1e-05"),
        ("L1L2(l2=0.5)", "l2=0.5"),
        ("l1_l2", "elastic_net(l1=0.01, l2=0.01)"),
        ("L1L2", ""),
        ("l2(0.0)", ""),
        (None, ""),
        ("orthogonal_regularizer", "orthogonal(factor=0.01, over='inputs')"),
        ("OrthogonalRegularizer(factor=0.5, mode='columns')", "orthogonal=0.5"),
        ({"class_name": "L2", "config": {"l2": 0.5}}, "l2=0.5"),
        ({"module": "keras.regularizers", "class_name": "L1", "config": {"l1": 0.009999999776482582}}, "l1=0.01"),
    ],
)
def test_regularizers(value: Any, expected: str) -> None:
    assert converted(kernel_regularizer=value) == Recipe.of(expected)


@pytest.mark.parametrize(
    ("part", "on"),
    [("bias", "bias"), ("embeddings", "Embedding"), ("recurrent", "*weight_hh*"), ("gamma", "norm *weight")],
)
def test_regularizers_of_other_weights(part: str, on: str) -> None:
    (one,) = techniques_from_keras(**{f"{part}_regularizer": "l2(0.5)"})
    assert (one.name(), one.on) == ("l2", on)  # type: ignore[attr-defined]


def test_activity_regularizers() -> None:
    assert converted(activity_regularizer="l1(0.5)") == Recipe.of("activity_l1=0.5")
    assert converted(activity_regularizer="L1L2(0.5, 0.25)") == Recipe.of("activity_l1=0.5, activity_l2=0.25")
    assert "OrthogonalRegularizer" in error_of(activity_regularizer="OrthogonalRegularizer()")


# ---- constraints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("max_norm(2.)", "max_norm=2.0"),
        ("max_norm", "max_norm=2.0"),
        ("MaxNorm(max_value=4, axis=[0, 1, 2])", "max_norm=4.0"),
        ("max_norm(3, axis=(0,))", "max_norm=3.0"),
        ("non_neg", "non_neg"),
        ("NonNeg()", "non_neg"),
        ("unit_norm", "unit_norm"),
        ("min_max_norm(0.5, 1.5, rate=0.9)", "min_max_norm(min_value=0.5, max_value=1.5, rate=0.9)"),
        ({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}}, "max_norm=3.0"),
    ],
)
def test_constraints(value: Any, expected: str) -> None:
    assert converted(kernel_constraint=value) == Recipe.of(expected)


@pytest.mark.parametrize("axis", ["0", "[0]", "[0, 1]", "(0, 1, 2)", "[0, 1, 2, 3]"])
def test_axes_of_incoming_weights(axis: str) -> None:
    assert converted(kernel_constraint=f"unit_norm(axis={axis})") == Recipe.of("unit_norm")
    assert "axis of unit_norm must be 1" in error_of(embeddings_constraint=f"unit_norm(axis={axis})")


@pytest.mark.parametrize("axis", ["1", "-1", "[1]", "[-1]"])
def test_axes_of_embedding_vectors(axis: str) -> None:
    assert converted(embeddings_constraint=f"unit_norm(axis={axis})") == Recipe.of("unit_norm(on=Embedding)")
    assert "axis of unit_norm must be 0" in error_of(kernel_constraint=f"unit_norm(axis={axis})")


def test_unsupported_axes() -> None:
    assert "axis of max_norm must be 0, or [0, 1, 2]" in error_of(kernel_constraint="max_norm(2., axis=1)")
    assert "must be 1" in error_of(embeddings_constraint="unit_norm")
    assert converted(embeddings_constraint="unit_norm(axis=1)") == Recipe.of("unit_norm(on='Embedding')")
    assert converted(bias_constraint="non_neg") == Recipe.of("non_neg(on='bias')")
    assert "must not be used on vectors" in error_of(bias_constraint="max_norm")


# ---- layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Dropout(0.25)", "dropout=0.25"),
        ("layers.Dropout(rate=0.25, seed=3)", "dropout=0.25"),
        ("SpatialDropout2D(0.3)", "spatial_dropout=0.3"),
        ("AlphaDropout(0.3)", "alpha_dropout=0.3"),
        ("GaussianDropout(0.3)", "gaussian_dropout=0.3"),
        ("GaussianNoise(0.5)", "gaussian_noise(stddev=0.5, input_stddev=0.0)"),
        ("BatchNormalization()", "batch_norm(momentum=0.01, eps=0.001)"),
        ("BatchNormalization(momentum=0.9, epsilon=1e-5)", "batch_norm"),
        ("BatchNormalization(-1, 0.75)", "batch_norm(momentum=0.25, eps=0.001)"),
        ("LayerNormalization()", "layer_norm(eps=0.001)"),
        ("ActivityRegularization(l2=0.5)", "activity_l2=0.5"),
        ("MixUp(0.4)", "mixup=0.4"),
        ("Dropout(0.0)", ""),
    ],
)
def test_layers(value: str, expected: str) -> None:
    assert converted(layers=[value]) == Recipe.of(expected)


def test_equal_layers_become_one_technique() -> None:
    twice = techniques_from_keras(layers=["Dropout(0.25)", "BatchNormalization()", "Dropout(0.25)"])
    assert [t.name() for t in twice] == ["dropout", "batch_norm"]
    assert converted(dropout=0.25, layers=["Dropout(0.25)"]) == Recipe.of("dropout=0.25")
    assert "the same values in all layers, got dropout=0.25 and dropout=0.5" in error_of(
        layers=["Dropout(0.25)", "Dropout(0.5)"]
    )


def test_unsupported_arguments_of_layers() -> None:
    assert "noise_shape must be None" in error_of(layers=["Dropout(0.5, noise_shape=(1, 2))"])
    assert "center must be True" in error_of(layers=["BatchNormalization(center=False)"])
    assert "gamma_initializer must be 'ones'" in error_of(layers=["BatchNormalization(gamma_initializer='zeros')"])
    assert "axis must be -1" in error_of(layers=["BatchNormalization(axis=0)"])
    defaults = "BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer='Ones', trainable=True)"
    assert "trainable must be True" in error_of(layers=["BatchNormalization(trainable=False)"])
    assert converted(layers=[defaults]) == Recipe.of("batch_norm")


# ---- with Keras installed ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


def test_objects_and_their_configs(keras: Any) -> None:
    k = keras
    pairs = [
        ("kernel_regularizer", k.regularizers.L1(), "l1=0.01"),
        ("kernel_regularizer", k.regularizers.L2(0.5), "l2=0.5"),
        ("kernel_regularizer", k.regularizers.L2, "l2=0.01"),
        ("kernel_regularizer", k.regularizers.L1L2(0.5, 0.25), "elastic_net(l1=0.5, l2=0.25)"),
        ("kernel_regularizer", k.regularizers.OrthogonalRegularizer(0.1), "orthogonal(factor=0.1, over='inputs')"),
        ("kernel_constraint", k.constraints.MaxNorm(3), "max_norm=3.0"),
        ("kernel_constraint", k.constraints.NonNeg(), "non_neg"),
        ("kernel_constraint", k.constraints.MinMaxNorm(0.5, 2.0), "min_max_norm(min_value=0.5, max_value=2.0)"),
    ]
    for name, value, expected in pairs:
        assert converted(**{name: value}) == Recipe.of(expected)
        module = k.regularizers if name.endswith("regularizer") else k.constraints
        if not isinstance(value, type):
            assert converted(**{name: module.serialize(value)}) == Recipe.of(expected)


def test_keras_layers(keras: Any) -> None:
    layers = [
        keras.layers.Dropout(0.25),
        keras.layers.GaussianNoise(0.5),
        keras.layers.GaussianDropout(0.1),
        keras.layers.AlphaDropout(0.2),
        keras.layers.SpatialDropout2D(0.3),
        keras.layers.BatchNormalization(),
        keras.layers.LayerNormalization(),
        keras.layers.ActivityRegularization(0.5),
        keras.layers.MixUp(),
    ]
    assert converted(layers=layers) == Recipe.of(
        "dropout=0.25, gaussian_noise(stddev=0.5, input_stddev=0.0), gaussian_dropout=0.1, alpha_dropout=0.2, "
        "spatial_dropout=0.3, batch_norm(momentum=0.01, eps=0.001), layer_norm(eps=0.001), activity_l1=0.5, mixup=0.2"
    )
    assert "no technique corresponds to Keras' 'Dense'" in error_of(layers=[keras.layers.Dense(3)])
    assert "gamma_regularizer must be None" in error_of(
        layers=[keras.layers.BatchNormalization(gamma_regularizer="l2")]
    )


def test_keras_callbacks(keras: Any) -> None:
    callback = keras.callbacks.EarlyStopping("val_accuracy", patience=3, restore_best_weights=True, mode="max")
    (one,) = techniques_from_keras(callbacks=[callback])
    (same,) = techniques_from_keras(
        callbacks=["EarlyStopping('val_accuracy', patience=3, restore_best_weights=True, mode='max')"]
    )
    assert one == same
    assert "fit always stops if the loss is not finite" in error_of(callbacks=[keras.callbacks.TerminateOnNaN()])


def test_defaults_are_those_of_keras(keras: Any) -> None:
    import inspect

    modules = {"regularizers": REGULARIZERS, "constraints": CONSTRAINTS, "layers": LAYERS, "callbacks": CALLBACKS}
    for module, table in modules.items():
        for name, known in table.items():
            parameters = inspect.signature(getattr(getattr(keras, module), name)).parameters
            ours = {n: v for n, v in known.defaults.items() if isinstance(v, float | int | str | bool | None)}
            assert {n: parameters[n].default for n in ours} == ours
            assert [n for n in parameters if n in known.defaults] == list(known.defaults)
            assert next(iter(parameters), None) == next(iter(known.defaults), None)
