"""Hooks as plain records, so that a network that carries them can be copied and pickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

Change = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class ChangeInput:
    """The hook in front of a layer: replaces the first input where that is a tensor of floats."""

    change: Change

    def __call__(self, layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The layer's new inputs, or None where there is nothing to change."""
        if args and isinstance(args[0], PackedSequence):
            return (args[0]._replace(data=self.change(layer, args[0].data)), *args[1:])
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        changed = self.change(layer, args[0])
        return tuple(changed if argument is args[0] else argument for argument in args)  # attention is given x thrice


def change_input(module: nn.Module, change: Change) -> RemovableHandle:
    """Let `change(module, x)` replace the first input of a layer."""
    return module.register_forward_pre_hook(ChangeInput(change))


@dataclass(frozen=True)
class ChangeOutput:
    """The hook behind a module: replaces its output, or the first of several."""

    change: Change

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        """The module's new output, or None where there is nothing to change."""
        if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
            return (self.change(layer, output[0]), *output[1:])
        return self.change(layer, output) if isinstance(output, Tensor) else None


def change_output(module: nn.Module, change: Change) -> RemovableHandle:
    """Let `change(module, output)` replace the output of a module."""
    return module.register_forward_hook(ChangeOutput(change))


@dataclass(frozen=True)
class PassOn:
    """The forward hook of an appended layer."""

    name: str

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        """The layer's output, passed through the appended layer.

        Behind a linear layer the features are the last dimension: (batch, time, features) is normalised like
        batch × time rows, where torch's batch norms would take the second dimension for the channels.
        """
        added = layer.get_submodule(self.name)
        if isinstance(layer, nn.Linear) and output.ndim != 2:
            return added(output.reshape(-1, output.shape[-1])).reshape(output.shape)  # type: ignore[no-any-return]
        return added(output)  # type: ignore[no-any-return]


def append_layer(module: nn.Module, name: str, added: nn.Module) -> RemovableHandle:
    """Register `added` under `name` within a layer and let the layer's output pass through it."""
    module.add_module(name, added)
    return module.register_forward_hook(PassOn(name))
