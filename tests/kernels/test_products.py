"""The choice of the product: measured, stored, and torch's if it is not clearly slower."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.kernels import products
from goodfit.kernels.linear import onednn_product
from goodfit.kernels.products import ProductChoice, compare, measure, product_choice, use_products

SMALL, LARGE = 64 * 256 * 256, 256 * 1024 * 1024


@pytest.fixture(autouse=True)
def _measured(cache_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN is measured to be faster from SMALL on."""
    if onednn_product() is None:
        pytest.skip("this build of torch has no oneDNN")
    ratios = {2048: 0.5, 1024: 0.5, 512: 0.5, 256: 0.5, 128: 2.0}
    monkeypatch.setattr(products, "compare", lambda rows, inputs, outputs: ratios[inputs])


def test_the_measurement_decides() -> None:
    assert product_choice().least == SMALL


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODFIT_PRODUCTS", "torch")
    assert product_choice().least == math.inf


def test_torch_stays_where_the_operator_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "onednn_product", lambda: None)
    assert product_choice().least == math.inf


def test_torch_stays_where_nothing_can_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert product_choice().least == math.inf


def test_the_choice_of_a_run_holds_inside_its_block() -> None:
    with use_products(ProductChoice(7.0)):
        assert product_choice().least == 7
        with use_products(ProductChoice()):
            assert product_choice().least == math.inf
        assert product_choice().least == 7
    assert product_choice().least == SMALL


@pytest.mark.parametrize(
    ("ratios", "least"),
    [
        ({2048: 0.5, 1024: 0.5, 512: 0.6, 256: 0.8, 128: 0.85}, 64 * 128 * 128),
        ({2048: 0.5, 1024: 0.5, 512: 0.6, 256: 1.5, 128: 0.5}, 128 * 512 * 512),
        ({2048: 0.5, 1024: 0.5, 512: 0.96}, LARGE),
        ({2048: 0.8, 1024: 0.96}, 96 * 2048 * 2048),
        ({2048: 1.0, 1024: 0.5}, math.inf),
    ],
)
def test_onednn_is_used_from_the_size_on_above_which_it_is_always_faster(
    ratios: dict[int, float], least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(products, "compare", lambda rows, inputs, outputs: ratios[inputs])
    assert measure().least == least


def test_both_passes_of_both_products_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[str] = []

    def record(name: str, product: Callable[..., Tensor], *layer: Tensor) -> Tensor:
        output = product(*layer)
        output.register_hook(lambda gradient: passes.append(name))
        return output

    for name in ("linear", "TORCH_LINEAR"):
        monkeypatch.setattr(products, name, partial(record, name, getattr(products, name)))
    assert compare(32, 32, 32) > 0
    assert passes[:4] == ["TORCH_LINEAR", "linear"] * 2


def test_autocast_plays_no_part_in_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    dtypes: set[torch.dtype] = set()

    def record(*layer: Tensor) -> Tensor:
        output = F.linear(*layer)
        dtypes.add(output.dtype)
        return output

    monkeypatch.setattr(products, "TORCH_LINEAR", record)
    with torch.autocast("cpu"):
        compare(32, 32, 32)
    assert dtypes == {torch.float32}


def test_thin_layers_stay_with_torch() -> None:
    assert not ProductChoice(0).covers(rows=4096, inputs=500, outputs=10)
    assert not ProductChoice(0).covers(rows=1, inputs=4096, outputs=4096)
