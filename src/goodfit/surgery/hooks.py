"""Hooks without closures, so that a network that carries them can be copied and pickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

TensorFunction = Callable[[nn.Module, Tensor], Tensor]
"""(module, its input or output) → the tensor to use instead."""


@dataclass(frozen=True)
class ChangeInput:
    """A forward pre-hook that replaces a layer's first input, if this is a tensor of floats."""

    change: TensorFunction

    def __call__(self, layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The layer's new inputs, or None to leave them as they are."""
        if args and isinstance(args[0], PackedSequence):
            return (args[0]._replace(data=self.change(layer, args[0].data)), *args[1:])
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        changed = self.change(layer, args[0])
        # self-attention receives the same tensor as query, key and value
        return tuple(changed if argument is args[0] else argument for argument in args)


def change_input(module: nn.Module, change: TensorFunction) -> RemovableHandle:
    """Replace the first input of a layer by `change(module, x)`."""
    return module.register_forward_pre_hook(ChangeInput(change))


@dataclass(frozen=True)
class ChangeOutput:
    """A forward hook that replaces a module's output, or the first of several outputs."""

    change: TensorFunction

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """The module's new output, or None to leave it as it is."""
        if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
            return (self.change(layer, output[0]), *output[1:])
        return self.change(layer, output) if isinstance(output, Tensor) else None


def change_output(module: nn.Module, change: TensorFunction) -> RemovableHandle:
    """Replace the output of a module by `change(module, output)`."""
    return module.register_forward_hook(ChangeOutput(change))


@dataclass(frozen=True)
class ApplyAppended:
    """The forward hook that passes a layer's output through an appended layer."""

    name: str

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """The output of the appended layer.

        The features of a linear layer are the last dimension. An output (batch, time, features) is normalized as
        batch × time rows, because torch's batch norms treat the second dimension as channels.
        """
        appended = layer.get_submodule(self.name)
        if isinstance(layer, nn.Linear) and output.ndim != 2:
            return appended(output.reshape(-1, output.shape[-1])).reshape(output.shape)  # type: ignore[no-any-return]
        return appended(output)  # type: ignore[no-any-return]


def append_layer(module: nn.Module, name: str, layer: nn.Module) -> RemovableHandle:
    """Register `layer` as the submodule `name` of a module and pass the module's output through it."""
    module.add_module(name, layer)
    return module.register_forward_hook(ApplyAppended(name))
