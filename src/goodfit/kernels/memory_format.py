"""Convolutions in torch's channels-last memory format, where a network trains faster with it."""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from goodfit.kernels.measurements import FASTER, measured, switched_off, time_ratio
from goodfit.kernels.mode import is_compiled
from goodfit.rng import seeded
from goodfit.surgery import Forward, ForwardWrapper, copy_module, wrap_forward

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The channels-last format of a weight with so many dimensions."""
ROWS = 32
"""Rows of the passes that are compared, at most."""
ROUNDS, SECONDS = 7, 0.3
"""Pairs of passes that are timed, at most; three if they take longer than this."""
TOLERANCE = 1e-2
"""Outputs and gradients may differ between the formats by this share of their size: by rounding, and where it
moves an activation across the bend of a ReLU. A network that depends on the layout differs by about 1."""
NEGLIGIBLE = 1e-3
"""Gradients of less than this share of the largest are compared with that share: a bias in front of batch norm has a
gradient that consists of rounding."""


def set_channels_last(model: nn.Module) -> None:
    """Let a network's 2-D and 3-D convolutions compute in the channels-last format, with their weights in it."""
    for layer in _convolutions(model):
        layer.weight.data = _in_format(layer.weight.data)
        wrap_forward(layer, _compute_in_format)


def unset_channels_last(model: nn.Module) -> None:
    """The inverse of `set_channels_last`: weights in the usual format, and nothing left behind."""
    for layer in _convolutions(model):
        layer.weight.data = layer.weight.data.clone(memory_format=torch.contiguous_format)  # also strides of size 1
        layer.weight.grad = None  # a fused optimizer would confuse its values: it has the other layout
        wrapper = layer.__dict__.get("forward")
        while isinstance(wrapper, ForwardWrapper):
            if wrapper.wrap is _compute_in_format:
                wrapper.remove()
            wrapper = wrapper.inner


def _compute_in_format(layer: nn.Module, forward: Forward, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Convert the layer's input, which does nothing if it comes from such a layer."""
    return forward(*(_in_format(x) if isinstance(x, Tensor) else x for x in args), **kwargs)


def _in_format(t: Tensor) -> Tensor:
    return t.to(memory_format=FORMATS[t.ndim]) if t.ndim in FORMATS else t


def prefers_channels_last(model: nn.Module, x: Tensor) -> bool:
    """Whether a network computes the same in the channels-last format, and trains faster.

    The time is measured once per processor, architecture and shape. False for networks without convolutions of float32
    on the CPU, for those that are in another format already, and where it cannot be tried.

    Shape: x (n, channels, …): inputs on which to try it.
    """
    weights = [layer.weight for layer in _convolutions(model)]
    usual = all(w.dtype == torch.float32 and w.device.type == "cpu" and w.is_contiguous() for w in weights)
    if switched_off() or not weights or not usual or not len(x) or torch.is_autocast_enabled("cpu"):
        return False
    if any(map(is_compiled, model.modules())):
        return False
    x = x[:ROWS]
    question = f"channels-last {_digest(model, x)}"
    ratio = measured(question, lambda: compare(model, x) if computes_the_same(model, x) else math.inf)
    return ratio is not None and ratio <= FASTER and computes_the_same(model, x)


def computes_the_same(model: nn.Module, x: Tensor) -> bool:
    """Whether a network computes the same in both formats: outputs and gradients in training, outputs in evaluation.

    False if the network fails, as one that depends on the memory layout may.
    """
    networks = _both_formats(_without_zeros(model))
    try:
        trained = [_pass(network, x) for network in networks]
        evaluated = [_evaluated(network, x) for network in networks]
    except Exception:  # noqa: BLE001  (this runs the user's code, which may raise anything)
        return False
    outputs, gradients = ([result[:1] for result in trained], [result[1:] for result in trained])
    return all(_are_close(*pair) for pair in (outputs, gradients, evaluated))


def _without_zeros(model: nn.Module) -> nn.Module:
    """A copy in which no parameter is zero: a last layer that starts at zero would hide what comes before it."""
    network = copy_module(model)
    with torch.no_grad(), seeded(0):
        for parameter in network.parameters():
            if parameter.is_floating_point() and not parameter.any():
                parameter.normal_(std=0.1)
    return network


def compare(model: nn.Module, x: Tensor) -> float:
    """The time of a pass in the channels-last format relative to that in the usual one, forward and backward."""
    usual, other = _both_formats(model)
    return time_ratio(lambda: _pass(usual, x), lambda: _pass(other, x), ROUNDS, SECONDS)


def _both_formats(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    usual, other = copy_module(model), copy_module(model)
    set_channels_last(other)
    return usual, other


def _pass(network: nn.Module, x: Tensor) -> list[Tensor]:
    """The output and the gradients of a network in training mode, with equal random numbers in every pass."""
    network.train()
    with _equal_random_numbers(), torch.enable_grad():
        output = network(x)
        trained = [p for p in network.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(output.square().mean(), trained, allow_unused=True) if trained else ()
    return [output.detach(), *(g for g in gradients if g is not None)]


def _evaluated(network: nn.Module, x: Tensor) -> list[Tensor]:
    """The outputs in evaluation mode, for all rows and for one."""
    network.eval()
    with _equal_random_numbers(), torch.no_grad():
        return [network(rows) for rows in (x, x[:1])]


@contextlib.contextmanager
def _equal_random_numbers() -> Iterator[None]:
    """A block in which the generators of torch, Python and NumPy start from one seed; they are restored afterwards."""
    before = random.getstate(), np.random.get_state()
    random.seed(0)
    np.random.seed(0)
    try:
        with seeded(0):
            yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def _are_close(results: list[Tensor], others: list[Tensor]) -> bool:
    """Whether tensors are equal up to rounding; those that are tiny next to the largest may consist of rounding."""
    if [t.shape for t in results] != [t.shape for t in others]:
        return False
    sizes = [float(t.double().norm()) for t in results]
    least = NEGLIGIBLE * max(sizes, default=0.0)
    differences = (float((a.double() - b.double()).norm()) for a, b in zip(results, others, strict=True))
    return all(d <= TOLERANCE * max(size, least) for d, size in zip(differences, sizes, strict=True))


def _convolutions(model: nn.Module) -> list[_ConvNd]:
    """The 2-D and 3-D convolutions with a weight of their own, not one that is computed from others."""
    layers = [m for m in model.modules() if isinstance(m, _ConvNd)]
    return [m for m in layers if isinstance(w := m._parameters.get("weight"), Tensor) and w.ndim in FORMATS]


def _digest(model: nn.Module, x: Tensor) -> str:
    """A key for a network's architecture and the shape of its inputs."""
    shapes = [(name, tuple(p.shape)) for name, p in model.named_parameters()]
    layers = re.sub(r"0x[0-9a-f]+", "", repr(model))  # addresses of functions differ between processes
    return hashlib.sha256(repr((layers, shapes, tuple(x.shape))).encode()).hexdigest()[:16]
