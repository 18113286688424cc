"""Study: many runs compared; its plan, its statistics, its answer."""

from goodfit.study.result import Outcome, Ranked, Study
from goodfit.study.study import run_study

__all__ = ["Outcome", "Ranked", "Study", "run_study"]
