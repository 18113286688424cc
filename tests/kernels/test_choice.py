"""The choice of the product: measured, cached, and torch's if it is not clearly slower."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from goodfit.kernels import choice
from goodfit.kernels.choice import ProductChoice, compare, measure, processor, product_choice
from goodfit.kernels.linear import onednn_product

SMALL, LARGE = 64 * 256 * 256, 256 * 1024 * 1024


@pytest.fixture(autouse=True)
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache file, in a folder of the test."""
    if onednn_product() is None:
        pytest.skip("this build of torch has no oneDNN")
    monkeypatch.delenv("GOODFIT_PRODUCTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    choice._cached_choice.cache_clear()
    yield tmp_path / "goodfit" / "products.json"
    choice._cached_choice.cache_clear()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread counts for which the processor is measured; oneDNN is then used from SMALL on."""
    threads: list[int] = []

    def record() -> ProductChoice:
        threads.append(torch.get_num_threads())
        return ProductChoice(SMALL)

    monkeypatch.setattr(choice, "measure", record)
    return threads


def test_a_choice_is_measured_once_and_cached(cache_file: Path, measured: list[int]) -> None:
    assert [product_choice().least for _ in range(2)] == [SMALL, SMALL]
    choice._cached_choice.cache_clear()  # as in a new process
    assert product_choice().least == SMALL
    assert len(measured) == 1
    (key,) = json.loads(cache_file.read_text())
    assert processor() in key
    assert torch.__version__ in key


@pytest.mark.parametrize("change", ["torch", "processor", "threads"])
def test_it_is_measured_again_after_a_change(change: str, measured: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    product_choice()
    choice._cached_choice.cache_clear()
    if change == "torch":
        monkeypatch.setattr(torch, "__version__", "9.9")
    elif change == "processor":
        monkeypatch.setattr(choice, "processor", lambda: "another")
    else:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    product_choice()
    assert len(measured) == 2


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", "3", '{"KEY": "fast"}', '{"KEY": -1}', '{"KEY": "nan"}', '{"KEY": null}']
)
def test_a_damaged_cache_is_replaced(content: str, cache_file: Path, measured: list[int]) -> None:
    product_choice()
    (key,) = json.loads(cache_file.read_text())
    cache_file.write_text(content.replace("KEY", key))
    choice._cached_choice.cache_clear()
    assert product_choice().least == SMALL
    assert len(measured) == 2
    assert json.loads(cache_file.read_text()) == {key: SMALL}


def test_a_cache_that_cannot_be_written_is_not_needed(
    tmp_path: Path, measured: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # no folder can be made below a file
    assert product_choice().least == SMALL


def test_it_can_be_switched_off(measured: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOODFIT_PRODUCTS", "torch")
    assert product_choice().least == math.inf
    assert not measured


@pytest.mark.parametrize(
    ("ratios", "least"),
    [
        ({1024: 0.5, 512: 0.6, 256: 0.8, 128: 0.85}, 64 * 128 * 128),
        ({1024: 0.5, 512: 0.6, 256: 1.5, 128: 0.5}, 128 * 512 * 512),
        ({1024: 0.5, 512: 0.95}, LARGE),
        ({1024: 1.0}, math.inf),
    ],
)
def test_onednn_is_used_from_the_size_on_above_which_it_is_always_faster(
    ratios: dict[int, float], least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "compare", lambda rows, inputs, outputs: [ratios[inputs]] * 5)
    assert measure().least == least


def test_both_products_are_timed() -> None:
    ratios = compare(32, 32, 32)
    assert 3 <= len(ratios) <= choice.ROUNDS
    assert min(ratios) > 0


def test_thin_layers_stay_with_torch() -> None:
    assert not ProductChoice(0).covers(rows=4096, inputs=500, outputs=10)
    assert not ProductChoice(0).covers(rows=1, inputs=4096, outputs=4096)
