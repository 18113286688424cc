"""What decides the results of a study in addition to its settings: the user's own network, loss and techniques."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

from goodfit.recipe import Recipe
from goodfit.registry import is_registered
from goodfit.serialization import to_json

LIBRARIES = ("builtins", "abc", "torch", "goodfit")
"""Packages whose code decides no difference between two studies."""


def hash_of(data: Any) -> str:
    """A hash of plain values."""
    return blake2b(to_json(data).encode(), digest_size=8).hexdigest()


def modules_of(model: nn.Module | str) -> str:
    """A hash of the user's own network; "" for a reference network, whose text says all.

    It covers layers, shapes, buffers, frozen weights, constants and the code of the user's classes. The values of
    parameters do not matter, because each fold has initial weights of its own.
    """
    if isinstance(model, str):
        return ""
    structure = re.sub(r" at 0x[0-9a-f]+", "", repr(model))  # functions show their addresses
    shapes = [[name, list(tensor.shape)] for name, tensor in model.state_dict().items()]
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    buffers = [[name, _bytes(tensor)] for name, tensor in model.named_buffers()]
    modules = [[name, _constants(vars(module)), code_of(type(module))] for name, module in model.named_modules()]
    return hash_of([structure, shapes, frozen, buffers, modules])


def loss_text(loss: Any) -> str:
    """The name of the user's own loss with its settings; "" for None."""
    if loss is None:
        return ""
    if isinstance(loss, functools.partial):
        settings = [*map(repr, loss.args), *(f"{k}={v!r}" for k, v in loss.keywords.items())]
        return f"{loss_text(loss.func)}({', '.join(settings)})"
    if hasattr(loss, "__code__"):
        return f"{loss.__qualname__} {hash_of(_code(loss))}"
    settings = [f"{name}={value!r}" for name, value in _constants(vars(loss)).items()]
    tensors = loss.state_dict() if isinstance(loss, nn.Module) else {}
    settings += [f"{name}={_bytes(tensor)}" for name, tensor in tensors.items()]
    code = code_of(type(loss))
    return f"{type(loss).__name__}({', '.join(settings)}){f' {code}' if code else ''}"


def techniques_of(recipes: Sequence[Recipe]) -> list[list[str]]:
    """Name and code of the users' own techniques in recipes."""
    own = {type(technique) for recipe in recipes for technique in recipe if is_registered(type(technique))}
    return sorted([technique.name(), code_of(technique)] for technique in own)


def code_of(kind: type) -> str:
    """A hash of the functions of a class and its bases, without those of torch and goodfit; "" if there are none."""
    own = [
        base for base in kind.__mro__ if base.__module__.split(".")[0] not in ("builtins", "torch", "goodfit", "abc")
    ]
    functions = [_code(member) for base in own for member in vars(base).values() if hasattr(member, "__code__")]
    return hash_of(functions) if functions else ""


def _code(function: Any) -> list[str]:
    code = function.__code__
    constants = [re.sub(r" at 0x[0-9a-f]+|, file .*?, line \d+", "", repr(value)) for value in code.co_consts]
    return [code.co_code.hex(), *constants, *code.co_names]


def _constants(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The simple values among attributes."""
    simple = {k: v for k, v in attributes.items() if isinstance(v, bool | int | float | str)}
    return {k: simple[k] for k in sorted(simple) if not k.startswith("_") and k != "training"}


def _bytes(tensor: Tensor) -> str:
    data = tensor.detach().cpu().reshape(-1).view(torch.uint8)
    return blake2b(data.numpy().tobytes(), digest_size=8).hexdigest()
