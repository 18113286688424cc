"""Hooks without closures, so that a network that carries them can be copied and pickled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.hooks import RemovableHandle

Inputs = tuple[tuple[Any, ...], dict[str, Any]]
"""The positional arguments and the keyword arguments of a forward pass."""
TensorFunction = Callable[[nn.Module, Tensor], Tensor]
"""(module, its input or output) → the tensor to use instead."""


@dataclass(frozen=True)
class ChangeInput:
    """A forward pre-hook that replaces a layer's first input, if this is a tensor of floats.

    The input may be passed by position or by keyword (`layer(input=x)`).
    """

    change: TensorFunction

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs | None:
        """The layer's new inputs, or None to leave them as they are."""
        x = args[0] if args else _first_keyword(layer, kwargs)
        if isinstance(x, PackedSequence):
            changed: Any = x._replace(data=self.change(layer, x.data))
        elif isinstance(x, Tensor) and x.is_floating_point():
            changed = self.change(layer, x)
        else:
            return None
        # self-attention receives the same tensor as query, key and value
        return (
            tuple(changed if argument is x else argument for argument in args),
            {name: changed if argument is x else argument for name, argument in kwargs.items()},
        )


def _first_keyword(layer: nn.Module, kwargs: dict[str, Any]) -> Any:
    """The input of a layer that is called with keywords only: the first parameter of its forward pass."""
    names = list(inspect.signature(type(layer).forward).parameters)[1:]
    return next((kwargs[name] for name in (*names, *kwargs) if name in kwargs), None)


def change_input(module: nn.Module, change: TensorFunction) -> RemovableHandle:
    """Replace the first input of a layer by `change(module, x)`."""
    return module.register_forward_pre_hook(ChangeInput(change), with_kwargs=True)


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
