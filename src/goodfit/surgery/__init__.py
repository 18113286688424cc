"""Inspect a user's network and attach hooks to it; independent of techniques."""

from goodfit.surgery.branches import residual_branches
from goodfit.surgery.copies import copy_module
from goodfit.surgery.forward_wrap import Forward, ForwardWrapper, replace_parameters, wrap_forward
from goodfit.surgery.hooks import append_layer, change_input, change_output
from goodfit.surgery.layers import Layer, dropout_rate, features, has_batch_norm, layers, owning_layer, set_train_mode
from goodfit.surgery.recurrent import StepHooks, unroll
from goodfit.surgery.weight_ref import (
    COMPONENT,
    DIRECT,
    MAGNITUDE,
    NORMS,
    WEIGHT_KINDS,
    WEIGHTED,
    Selector,
    WeightRef,
    ordered_layers,
    select,
    units_first,
    weight_kind,
    weight_refs,
)

__all__ = [
    "COMPONENT",
    "DIRECT",
    "MAGNITUDE",
    "NORMS",
    "WEIGHTED",
    "WEIGHT_KINDS",
    "Forward",
    "ForwardWrapper",
    "Layer",
    "Selector",
    "StepHooks",
    "WeightRef",
    "append_layer",
    "change_input",
    "change_output",
    "copy_module",
    "dropout_rate",
    "features",
    "has_batch_norm",
    "layers",
    "ordered_layers",
    "owning_layer",
    "replace_parameters",
    "residual_branches",
    "select",
    "set_train_mode",
    "units_first",
    "unroll",
    "weight_kind",
    "weight_refs",
    "wrap_forward",
]
