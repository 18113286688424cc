"""Studies: search recipes, compare them over folds and repeats, and say how sure the answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit._lazy import lazy

if TYPE_CHECKING:
    from goodfit.study.candidates import Candidate
    from goodfit.study.fits import Fit
    from goodfit.study.protocol import Protocol
    from goodfit.study.result import RankedRecipe, Study
    from goodfit.study.save import load_study
    from goodfit.study.search.space import Space
    from goodfit.study.study import run_study

_HOMES = {
    "Candidate": "candidates",
    "Fit": "fits",
    "Protocol": "protocol",
    "RankedRecipe": "result",
    "Space": "search.space",
    "Study": "result",
    "load_study": "save",
    "run_study": "study",
}

__all__ = ["Candidate", "Fit", "Protocol", "RankedRecipe", "Space", "Study", "load_study", "run_study"]

__getattr__, __dir__ = lazy(__name__, _HOMES)
