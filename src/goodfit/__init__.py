"""Find the regularization with which your network generalizes, and see the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit._lazy import lazy
from goodfit._version import __version__ as __version__

if TYPE_CHECKING:
    from goodfit import models, techniques
    from goodfit.augmentation.augment import augment
    from goodfit.compression import compress
    from goodfit.data import (
        Clips,
        Dataset,
        Images,
        Inputs,
        Series,
        Sounds,
        Split,
        Tables,
        Texts,
        from_tensors,
        load,
    )
    from goodfit.diagnosis import diagnose
    from goodfit.errors import InputError, TrainingError
    from goodfit.explanation import explain
    from goodfit.recipe import Recipe
    from goodfit.registry import register
    from goodfit.report import write_report
    from goodfit.store import load_run, save_run
    from goodfit.study import Protocol, Space, load_study, run_study
    from goodfit.train.checkpoint import Checkpoints
    from goodfit.train.config import Training
    from goodfit.train.fit import fit
    from goodfit.train.fit_many import FitManyResult, fit_many
    from goodfit.train.manual_loop.attach import attach
    from goodfit.train.run import Run

_HOMES = {
    # data
    "load": "data",
    "Tables": "data",
    "Series": "data",
    "Images": "data",
    "Clips": "data",
    "Sounds": "data",
    "Texts": "data",
    "from_tensors": "data",
    "Dataset": "data",
    "Split": "data",
    "Inputs": "data",
    # recipes and techniques
    "Recipe": "recipe",
    "techniques": "techniques",
    "register": "registry",
    "explain": "explanation",
    # training
    "models": "models",
    "Training": "train.config",
    "fit": "train.fit",
    "fit_many": "train.fit_many",
    "FitManyResult": "train.fit_many",
    "Run": "train.run",
    "Checkpoints": "train.checkpoint",
    # your own training loop
    "attach": "train.manual_loop.attach",
    "augment": "augmentation.augment",
    # results
    "diagnose": "diagnosis",
    "run_study": "study",
    "load_study": "study",
    "Protocol": "study",
    "Space": "study",
    "write_report": "report",
    "compress": "compression",
    "save_run": "store",
    "load_run": "store",
    # errors
    "InputError": "errors",
    "TrainingError": "errors",
}
"""Public name → the module that defines it, grouped by what users need them for."""

__all__ = [
    "Checkpoints",
    "Clips",
    "Dataset",
    "FitManyResult",
    "Images",
    "InputError",
    "Inputs",
    "Protocol",
    "Recipe",
    "Run",
    "Series",
    "Sounds",
    "Space",
    "Split",
    "Tables",
    "Texts",
    "Training",
    "TrainingError",
    "attach",
    "augment",
    "compress",
    "diagnose",
    "explain",
    "fit",
    "fit_many",
    "from_tensors",
    "load",
    "load_run",
    "load_study",
    "models",
    "register",
    "run_study",
    "save_run",
    "techniques",
    "write_report",
]


__getattr__, _names = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*_names(), "__version__"]
