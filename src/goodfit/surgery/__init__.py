"""Looking into a user's network and hooking onto it; knows nothing of techniques."""

from goodfit.surgery.around import Around, Plain, around, swapped
from goodfit.surgery.branches import branches
from goodfit.surgery.copies import copied
from goodfit.surgery.hooks import append_layer, change_input, change_output
from goodfit.surgery.layers import Layer, features, has_batch_norm, layers, owner, train_mode
from goodfit.surgery.recurrent import Steps, unrolled
from goodfit.surgery.slots import (
    KINDS,
    MAGNITUDE,
    NORMS,
    PART,
    PLAIN,
    WEIGHTED,
    Selector,
    Slot,
    kind_of,
    ordered_layers,
    select,
    slots,
    units_first,
)

__all__ = [
    "KINDS",
    "MAGNITUDE",
    "NORMS",
    "PART",
    "PLAIN",
    "WEIGHTED",
    "Around",
    "Layer",
    "Plain",
    "Selector",
    "Slot",
    "Steps",
    "append_layer",
    "around",
    "branches",
    "change_input",
    "change_output",
    "copied",
    "features",
    "has_batch_norm",
    "kind_of",
    "layers",
    "ordered_layers",
    "owner",
    "select",
    "slots",
    "swapped",
    "train_mode",
    "units_first",
    "unrolled",
]
