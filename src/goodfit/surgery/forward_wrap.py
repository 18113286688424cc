"""Wrap a layer's forward pass: compute it differently, or with other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Forward = Callable[..., Any]
Wrap = Callable[[nn.Module, Forward, tuple[Any, ...], dict[str, Any]], Any]
"""(layer, its unwrapped forward pass, args, kwargs) → output."""


@dataclass(eq=False)
class ForwardWrapper:
    """Replaces `layer.forward`. It holds no closures, so that the network can be copied and pickled.

    `inner` is what the layer's own attribute `forward` was before: an earlier wrapper, a function that the user
    assigned, or None if the layer has only the method of its class.
    """

    layer: nn.Module
    wrap: Wrap
    inner: Forward | None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the layer's output with `wrap`."""
        return self.wrap(self.layer, self.inner or self._original, args, kwargs)

    def _original(self, *args: Any, **kwargs: Any) -> Any:
        return type(self.layer).forward(self.layer, *args, **kwargs)

    def remove(self) -> None:
        """Undo the wrapping; wrappers that were added later stay in place."""
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
    """Let `wrap(layer, forward, args, kwargs)` compute the layer's output; `remove()` on the result undoes this."""
    wrapper = ForwardWrapper(layer, wrap, layer.__dict__.get("forward"))
    layer.forward = wrapper
    return wrapper


@contextmanager
def replace_parameters(layer: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block, use other tensors in place of a layer's parameters.

    `tensors` maps the parameters' names in the layer (`weight`, `out_proj.weight`) to tensors.
    """
    targets = [
        (layer.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], t) for name, t in tensors.items()
    ]
    originals: list[tuple[nn.Module, str, Tensor | None]] = [(m, name, m._parameters[name]) for m, name, _ in targets]
    try:
        for module, name, tensor in targets:
            _set(module, name, tensor)
        yield
    finally:
        for module, name, original in originals:
            _set(module, name, original)


def _set(module: nn.Module, name: str, tensor: Tensor | None) -> None:
    module._parameters[name] = tensor  # type: ignore[assignment]
    if isinstance(module, nn.RNNBase):
        # torch's recurrent layers compute with their own list of weights, not with the registered parameters
        module._flat_weights[module._flat_weights_names.index(name)] = tensor
