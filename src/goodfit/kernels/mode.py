"""Large linear layers of any network computed by oneDNN, in place of torch's default."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import is_parametrized
from torch.overrides import TorchFunctionMode

from goodfit.kernels.linear import TORCH_LINEAR, linear
from goodfit.kernels.products import LEAST_SIDE, SIZES, ProductChoice, product_choice
from goodfit.surgery import ForwardWrapper, wrap_forward


class FastLinear(TorchFunctionMode):
    """Inside the block, `torch.nn.functional.linear` computes layers of the chosen sizes by oneDNN.

    It concerns every call in this thread, also by `nn.Linear` and in `nn.MultiheadAttention`, and the gradients of
    these calls.
    """

    def __init__(self, choice: ProductChoice) -> None:
        super().__init__()
        self.choice = choice

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of its functions."""
        if function is TORCH_LINEAR:
            function = partial(linear_by, self.choice)
        elif function is F.multi_head_attention_forward:
            function = attention_by(self.choice)
        return function(*args, **(kwargs or {}))


def linear_by(choice: ProductChoice, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Like `torch.nn.functional.linear`, by oneDNN where it is chosen."""
    if weight.ndim == 2 and input.ndim and weight.numel():
        inputs = weight.shape[1]
        if choice.covers(input.numel() // max(1, inputs), inputs, weight.shape[0]):
            return linear(input, weight, bias)
    return TORCH_LINEAR(input, weight, bias)


@cache
def attention_by(choice: ProductChoice) -> Callable[..., Any]:
    """torch's function for attention with `linear_by` as its `linear`: the functions it calls bypass a `FastLinear`."""
    function: Any = F.multi_head_attention_forward
    names = {**vars(F), "linear": partial(linear_by, choice), "has_torch_function": lambda tensors: False}
    for name in ("_in_projection_packed", "_in_projection"):
        if isinstance(part := names.get(name), FunctionType):
            names[name] = _with_names(part, names)
    return _with_names(function, names) if isinstance(function, FunctionType) else function


def _with_names(function: FunctionType, names: dict[str, Any]) -> Callable[..., Any]:
    """The function with other global names."""
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


# ---- the layers of a network -------------------------------------------------------------------------


@contextmanager
def fast_linear(model: nn.Module, x: Tensor, rows: int) -> Iterator[None]:
    """A block in which the network computes its large linear layers by oneDNN, in passes over up to `rows` rows of x.

    It wraps the forward pass of the layers that can be large enough, and leaves the others and all hooks as they are.
    Compiled networks and scripts stay with torch.

    Shape: x (n, …); its values do not matter.
    """
    wrappers = wrap_linear_layers(model, largest_rows(x, rows))
    try:
        yield
    finally:
        for wrapper in reversed(wrappers):
            wrapper.remove()


def wrap_linear_layers(model: nn.Module, rows: float) -> list[ForwardWrapper]:
    """Wrap the layers that can be large enough for oneDNN, if they compute up to `rows` rows (infinity: not known)."""
    choice = product_choice() if has_large_layers(model, rows) else ProductChoice()
    if choice == ProductChoice():
        return []
    return [wrap_forward(layer, _Fast(choice)) for layer in _large_layers(model, rows, choice.least)]


def has_large_layers(model: nn.Module, rows: float) -> bool:
    """Whether oneDNN may be faster for a layer, if the layers compute up to `rows` rows."""
    return bool(_large_layers(model, rows, math.prod(SIZES[0])))


def _large_layers(model: nn.Module, rows: float, least: float) -> list[nn.Module]:
    """The layers of at least so many multiplications; none in compiled networks and scripts."""
    modules = list(model.modules())
    layers = [layer for layer in modules if _multiplications(layer, rows) >= least]
    return [] if layers and any(map(is_compiled, modules)) else layers


class _Fast:
    """Computes a layer inside a `FastLinear` block."""

    def __init__(self, choice: ProductChoice) -> None:
        self.mode = FastLinear(choice)

    def __call__(self, layer: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The layer's output. Attention without gradients has a kernel of its own in torch."""
        if isinstance(layer, nn.MultiheadAttention) and not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        with self.mode:
            return forward(*args, **kwargs)


def largest_rows(x: Tensor, rows: int) -> int:
    """An upper bound on the rows that a linear layer computes in a pass over `rows` rows of x (n, …).

    Layers of sequences and images compute each position.

    >>> largest_rows(torch.zeros(9, 20), 4), largest_rows(torch.zeros(9, 5, 20), 4)
    (4, 400)
    """
    return min(rows, len(x)) * (1 if is_table(x) else math.prod(x.shape[1:]))


def is_table(x: Tensor) -> bool:
    """Whether x (n, features) has a number for each feature; words of texts are whole numbers."""
    return x.ndim == 2 and x.is_floating_point()


def _multiplications(layer: nn.Module, rows: float) -> float:
    """The largest number of multiplications of a product with one of the layer's own weights; 0 if it has none."""
    weights = [p for p in layer.parameters(recurse=False) if p.dtype == torch.float32 and p.device.type == "cpu"]
    shapes = [tuple(p.shape) for p in weights]
    if isinstance(layer, nn.Linear) and is_parametrized(layer):
        shapes.append((layer.out_features, layer.in_features))
    return rows * max((math.prod(s) for s in shapes if len(s) == 2 and min(s) >= LEAST_SIDE), default=0)


def describe_products(model: nn.Module, x: Tensor, rows: int, choice: ProductChoice) -> str:
    """How linear layers are computed in passes over `rows` rows of x, for the metadata of a run."""
    if not _large_layers(model, largest_rows(x, rows), choice.least):
        return "torch"
    return f"oneDNN from {choice.least:,.0f} multiplications, below torch"


def is_compiled(module: nn.Module) -> bool:
    """Whether a module was compiled or is a script."""
    compiled = hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
    return compiled or type(module).__module__.startswith("torch.jit")
