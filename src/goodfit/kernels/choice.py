"""How a run computes its layers: chosen before it starts, and kept when it is resumed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from goodfit.kernels.measurements import switched_off
from goodfit.kernels.memory_format import prefers_channels_last, set_channels_last, unset_channels_last
from goodfit.kernels.mode import describe_products, has_large_layers, largest_rows
from goodfit.kernels.products import ProductChoice, product_choice


@dataclass(frozen=True)
class KernelChoice:
    """The kernels of a run; by default torch's own, in the usual memory format."""

    products: ProductChoice = field(default_factory=ProductChoice)
    channels_last: bool = False

    @classmethod
    def of(cls, model: nn.Module, x: Tensor, rows: int) -> KernelChoice:
        """The fastest kernels for a network and batches of `rows` rows of x (n, …), as measured on this processor."""
        has_large = has_large_layers(model, largest_rows(x, rows))
        return cls(product_choice() if has_large else ProductChoice(), prefers_channels_last(model, x[:rows]))

    def apply(self, model: nn.Module) -> None:
        """Let the network's convolutions compute in the channels-last format, if it is chosen."""
        if self.channels_last:
            set_channels_last(model)

    def undo(self, model: nn.Module) -> None:
        """The inverse of `apply`; a network that was in another format before stays in it."""
        if self.channels_last:
            unset_channels_last(model)

    def describe(self, model: nn.Module, x: Tensor, rows: int) -> dict[str, str]:
        """The choice for passes over `rows` rows of x (n, …), for the metadata of a run."""
        return {
            "linear_products": describe_products(model, x, rows, self.products),
            "memory_format": "channels-last" if self.channels_last else "usual",
        }

    def state(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        least = self.products.least
        return {"products": least if math.isfinite(least) else "inf", "channels_last": self.channels_last}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> KernelChoice:
        """The inverse of `state`; torch's own kernels without one, or if the user has switched the others off since.

        >>> KernelChoice.from_state({})
        KernelChoice(products=ProductChoice(least=inf), channels_last=False)
        """
        if switched_off() or not state:
            return cls()
        return cls(ProductChoice(float(state["products"])), bool(state["channels_last"]))
