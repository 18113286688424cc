"""Texts of Keras arguments are parsed but never executed."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.keras_names import techniques_from_keras


def error_of(**arguments: Any) -> str:
    with pytest.raises(InputError) as raised:
        techniques_from_keras(**arguments)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_text_is_never_executed() -> None:
    for text in (
        "l2(open('x'))",
        "__import__('os').system('true')",
        "l2(",
        "1",
        "l2(*[1])",
        "lambda: 1",
        "",
        "l2(**{})",
    ):
        assert "kernel_regularizer: " in error_of(kernel_regularizer=text)
    assert "it must be a name like" in error_of(kernel_regularizer=3)
    assert "it must be a name like" in error_of(kernel_regularizer={"l2": 0.1})


def test_all_supported_values_are_listed() -> None:
    with pytest.raises(InputError, match="axis must be -1 or 1 or 3, got axis=2; change it, or leave it out"):
        techniques_from_keras(layers=["BatchNormalization(axis=2)"])
