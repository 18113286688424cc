"""A block in which large linear layers are computed by oneDNN, without a change of the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from goodfit.kernels.choice import LEAST_SIDE, SIZES, ProductChoice, product_choice
from goodfit.kernels.linear import linear


class FastLinear(TorchFunctionMode):
    """Inside the block, `torch.nn.functional.linear` computes layers of the chosen sizes by oneDNN.

    It concerns every call in this thread, also by `nn.Linear`, and the gradients of these calls. The projections of
    torch's attention stay with torch, because torch runs the whole function of the attention outside of the block.
    """

    def __init__(self, choice: ProductChoice) -> None:
        super().__init__()
        self.choice = choice

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Called by torch in place of its functions."""
        if function is F.linear:
            return self._linear(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if weight.ndim == 2 and input.ndim and weight.numel():
            inputs = weight.shape[1]
            if self.choice.covers(input.numel() // max(1, inputs), inputs, weight.shape[0]):
                return linear(input, weight, bias)
        return F.linear(input, weight, bias)


def fast_linear(model: nn.Module, rows: int) -> AbstractContextManager[Any]:
    """A block for passes over up to `rows` rows. It does nothing if no layer of the network is large enough.

    Compiled networks and scripts stay with torch.
    """
    weights = [p for p in model.parameters() if p.ndim == 2 and min(p.shape) >= LEAST_SIDE and p.device.type == "cpu"]
    largest = rows * max((p.numel() for p in weights), default=0)
    if largest < math.prod(SIZES[0]) or any(_is_compiled(module) for module in model.modules()):
        return nullcontext()
    choice = product_choice()
    return FastLinear(choice) if largest >= choice.least else nullcontext()


def describe_products(model: nn.Module, rows: int) -> str:
    """How linear layers are computed in passes over `rows` rows, for the metadata of a run."""
    block = fast_linear(model, rows)
    if not isinstance(block, FastLinear):
        return "torch"
    return f"oneDNN from {block.choice.least:,.0f} multiplications, below torch"


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or type(module).__module__.startswith("torch.jit")
