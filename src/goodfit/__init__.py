"""goodfit finds the regularization with which your network generalises, and shows the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit._lazy import lazy
from goodfit._version import __version__ as __version__

if TYPE_CHECKING:
    from goodfit import models, techniques
    from goodfit.compression import compress
    from goodfit.data import Clips, Dataset, Images, Series, Sounds, Split, Tables, Texts, load
    from goodfit.diagnosis import diagnose
    from goodfit.errors import InputError
    from goodfit.explanation import explain
    from goodfit.recipe import Recipe
    from goodfit.registry import register
    from goodfit.report import write_report
    from goodfit.store import load_run, save_run
    from goodfit.study import run_study
    from goodfit.train.checkpoint import Checkpoints
    from goodfit.train.config import Training
    from goodfit.train.fit import fit
    from goodfit.train.fit_many import fit_many
    from goodfit.train.manual_loop.attach import attach
    from goodfit.train.run import Run

_HOMES = {
    "Checkpoints": "train.checkpoint",
    "Clips": "data",
    "Dataset": "data",
    "Images": "data",
    "InputError": "errors",
    "Recipe": "recipe",
    "Run": "train.run",
    "Series": "data",
    "Sounds": "data",
    "Split": "data",
    "Tables": "data",
    "Texts": "data",
    "Training": "train.config",
    "attach": "train.manual_loop.attach",
    "compress": "compression",
    "diagnose": "diagnosis",
    "explain": "explanation",
    "fit": "train.fit",
    "fit_many": "train.fit_many",
    "load": "data",
    "load_run": "store",
    "models": "models",
    "register": "registry",
    "run_study": "study",
    "save_run": "store",
    "techniques": "techniques",
    "write_report": "report",
}

__all__ = [
    "Checkpoints",
    "Clips",
    "Dataset",
    "Images",
    "InputError",
    "Recipe",
    "Run",
    "Series",
    "Sounds",
    "Split",
    "Tables",
    "Texts",
    "Training",
    "attach",
    "compress",
    "diagnose",
    "explain",
    "fit",
    "fit_many",
    "load",
    "load_run",
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
