"""Studies: compare recipes over several seeds."""

from goodfit.study.result import RankedRecipe, Study, Trial
from goodfit.study.study import run_study

__all__ = ["RankedRecipe", "Study", "Trial", "run_study"]
