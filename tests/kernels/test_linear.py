"""oneDNN's linear layers equal torch's: values, gradients and second derivatives, for every layout and fallback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn import functional as F

from goodfit.kernels import linear as module
from goodfit.kernels.linear import linear, onednn_product, supports

Layer = tuple[Tensor, Tensor, Tensor | None]


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


LAYERS: dict[str, Layer] = {
    "usual": (random(8, 5), random(4, 5), random(4)),
    "no bias": (random(8, 5), random(4, 5), None),
    "one row": (random(1, 5), random(4, 5), random(4)),
    "one input": (random(8, 1), random(4, 1), random(4)),
    "one output": (random(8, 5), random(1, 5), random(1)),
    "a vector": (random(5), random(4, 5), random(4)),
    "sequences": (random(2, 3, 5), random(4, 5), random(4)),
    "transposed inputs": (random(5, 8).t(), random(4, 5), random(4)),
    "transposed weight": (random(8, 5), random(5, 4).t(), random(4)),
    "every second column": (random(8, 10)[:, ::2], random(4, 5), random(4)),
    "every second row": (random(16, 5)[::2], random(8, 5)[::2], random(4)),
    "overlapping rows": (random(60).unfold(0, 5, 1), random(4, 5), random(4)),
    "overlapping weight": (random(8, 5), random(60).unfold(0, 5, 2)[:4], random(4)),
    "repeated row": (random(1, 5).expand(8, 5), random(4, 5), random(4)),
    "repeated weight": (random(8, 5), random(1, 5).expand(4, 5), random(4)),
    "every second bias": (random(8, 5), random(4, 5), random(8)[::2]),
    "repeated bias": (random(8, 5), random(4, 5), random(1).expand(4)),
}


@pytest.fixture(autouse=True)
def _needs_onednn() -> None:
    if onednn_product() is None:
        pytest.skip("this build of torch has no oneDNN")


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The numbers of rows of the products that oneDNN computes."""
    product, rows = onednn_product(), []

    def record(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        assert product is not None
        rows.append(len(x))
        return product(x, weight, bias)

    monkeypatch.setattr(module, "onednn_product", lambda: record)
    return rows


def leaves(layer: Layer) -> Layer:
    """The same tensors with the same strides, as leaves that require gradients."""
    x, weight, bias = ((None if t is None else t.detach().requires_grad_()) for t in layer)
    assert x is not None
    assert weight is not None
    return x, weight, bias


def gradients(function: Callable[..., Tensor], layer: Layer, order: int) -> list[Tensor]:
    tensors = [t for t in layer if t is not None]
    output = (function(*layer) * 1.5).sin().sum()
    result = list(torch.autograd.grad(output, tensors, create_graph=order > 1))
    if order == 1:
        return result
    return list(torch.autograd.grad(sum(g.square().sum() for g in result), tensors, allow_unused=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_values_equal_those_of_torch(layer: Layer, products: list[int]) -> None:
    output = linear(*layer)
    assert products
    torch.testing.assert_close(output, F.linear(*layer), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_gradients_equal_those_of_torch(layer: Layer, order: int, products: list[int]) -> None:
    own = gradients(linear, leaves(layer), order)
    assert len(products) >= 3
    for ours, torchs in zip(own, gradients(F.linear, leaves(layer), order), strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-4)


def test_gradients_are_computed_only_where_they_are_needed(products: list[int]) -> None:
    x, weight, bias = leaves(LAYERS["usual"])
    linear(x.detach(), weight, bias).sum().backward()
    assert products == [8, 4]  # the output, and the gradient of the weight
    products.clear()
    linear(x, weight.detach(), None).sum().backward()
    assert products == [8, 8]
    products.clear()
    with torch.no_grad():
        assert not linear(x, weight, bias).requires_grad
    assert products == [8]


def test_the_result_does_not_change_between_calls() -> None:
    layer = (random(128, 300), random(200, 300), random(200))
    assert torch.equal(linear(*layer), linear(*layer))


def test_weights_that_change_before_the_backward_pass_are_noticed() -> None:
    x, weight, bias = leaves(LAYERS["usual"])
    output = linear(x, weight, bias).sum()
    with torch.no_grad():
        weight.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.backward()


class Subclass(Tensor):
    """A tensor with behaviour of its own."""


UNSUPPORTED: dict[str, Layer] = {
    "no rows": (random(0, 5), random(4, 5), random(4)),
    "no inputs": (random(8, 0), random(4, 0), random(4)),
    "no outputs": (random(8, 5), random(0, 5), random(0)),
    "double precision": (random(8, 5).double(), random(4, 5).double(), random(4).double()),
    "half precision": (random(8, 5).bfloat16(), random(4, 5).bfloat16(), random(4).bfloat16()),
    "subclass": (random(8, 5).as_subclass(Subclass), random(4, 5), random(4)),
    "weight vector": (random(8, 5), random(5), None),
}


@pytest.mark.parametrize("layer", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_other_layers_are_computed_by_torch(layer: Layer, products: list[int]) -> None:
    assert torch.equal(linear(*layer), F.linear(*layer))
    assert not products


def test_layers_that_do_not_fit_get_torchs_error() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        linear(random(8, 6), random(4, 5))


def in_autocast(layer: Layer) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return linear(*layer)


def forward_mode(layer: Layer) -> Any:
    x, weight, bias = layer
    return torch.func.jvp(lambda x: linear(x, weight, bias), (x,), (torch.ones_like(x),))[1]


def dual_numbers(layer: Layer) -> Any:
    x, weight, bias = layer
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(linear(forward_ad.make_dual(x, torch.ones_like(x)), weight, bias)).tangent


TRANSFORMS: dict[str, Callable[[Layer], Any]] = {
    "autocast": in_autocast,
    "vmap": lambda layer: torch.vmap(lambda x: linear(x, layer[1], layer[2]))(layer[0]),
    "grad": lambda layer: torch.func.grad(lambda w: linear(layer[0], w, layer[2]).sum())(layer[1]),
    "jvp": forward_mode,
    "dual numbers": dual_numbers,
}


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # by torch.func.jvp
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_are_computed_by_torch(transform: Callable[[Layer], Any], products: list[int]) -> None:
    assert torch.isfinite(transform(LAYERS["usual"])).all()
    assert not products


@pytest.mark.parametrize("failure", [AttributeError, RuntimeError, TypeError, None])
def test_an_operator_that_is_missing_or_wrong_is_not_used(failure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(*args: Any) -> Tensor:
        if failure:
            raise failure
        return torch.zeros(2, 4)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", operator, raising=False)
    onednn_product.cache_clear()
    try:
        assert onednn_product() is None
        assert not supports(*LAYERS["usual"])
        assert torch.equal(linear(*LAYERS["usual"]), F.linear(*LAYERS["usual"]))
    finally:
        onednn_product.cache_clear()


def test_parameters_of_a_layer() -> None:
    layer = nn.Linear(5, 4)
    torch.testing.assert_close(linear(LAYERS["usual"][0], layer.weight, layer.bias), layer(LAYERS["usual"][0]))
