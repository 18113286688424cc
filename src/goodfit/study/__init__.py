"""Studies: compare recipes over folds and repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit._lazy import lazy

if TYPE_CHECKING:
    from goodfit.study.fits import Fit
    from goodfit.study.protocol import Protocol
    from goodfit.study.result import RankedRecipe, Study
    from goodfit.study.save import load_study
    from goodfit.study.study import run_study

_HOMES = {
    "Fit": "fits",
    "Protocol": "protocol",
    "RankedRecipe": "result",
    "Study": "result",
    "load_study": "save",
    "run_study": "study",
}

__all__ = ["Fit", "Protocol", "RankedRecipe", "Study", "load_study", "run_study"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
