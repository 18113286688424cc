"""Standing around a layer's forward pass: other weights, or another computation, for the length of one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Forward = Callable[..., Any]
Wrap = Callable[[nn.Module, Forward, tuple[Any, ...], dict[str, Any]], Any]
"""(layer, its forward pass as it was, arguments) → output."""


@dataclass(eq=False)
class ForwardWrapper:
    """Stands in for `layer.forward`; a plain record, so that the network can be copied and pickled."""

    layer: nn.Module
    wrap: Wrap
    inner: ForwardWrapper | None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's output, computed by `wrap`."""
        return self.wrap(self.layer, self.inner or self._own, args, kwargs)

    def _own(self, *args: Any, **kwargs: Any) -> Any:
        return type(self.layer).forward(self.layer, *args, **kwargs)

    def remove(self) -> None:
        """Give the layer its forward pass back; what was put around it later stays."""
        outer = self.layer.__dict__.get("forward")
        if outer is self:
            if self.inner is None:
                del self.layer.forward
            else:
                self.layer.forward = self.inner
            return
        while isinstance(outer, ForwardWrapper):
            if outer.inner is self:
                outer.inner = self.inner
            outer = outer.inner


def wrap_forward(layer: nn.Module, wrap: Wrap) -> ForwardWrapper:
    """Let `wrap(layer, plain, args, kwargs)` compute the layer's output; returns what `remove` undoes."""
    inner = layer.__dict__.get("forward")
    made = ForwardWrapper(layer, wrap, inner if isinstance(inner, ForwardWrapper) else None)
    layer.forward = made
    return made


@contextmanager
def replace_parameters(layer: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Other tensors in place of a layer's parameters (by their names in it, `out_proj.weight`), inside the block."""
    places = [(layer.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], t) for name, t in tensors.items()]
    before: list[tuple[nn.Module, str, Tensor | None]] = [(m, name, m._parameters[name]) for m, name, _ in places]
    try:
        for module, name, tensor in places:
            _put(module, name, tensor)
        yield
    finally:
        for module, name, own in before:
            _put(module, name, own)


def _put(module: nn.Module, name: str, tensor: Tensor | None) -> None:
    module._parameters[name] = tensor  # type: ignore[assignment]
    if isinstance(module, nn.RNNBase):
        # torch's recurrent layers compute with a list of their weights that is made beside the registered ones.
        module._flat_weights[module._flat_weights_names.index(name)] = tensor
