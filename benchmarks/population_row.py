"""The results of one trainer in `population.py`."""

from dataclasses import dataclass

from problems import Problem
from timing import Record


@dataclass(frozen=True)
class Row:
    """The timings of one trainer; trainers are compared by the time per member and step."""

    record: Record
    members: int
    problem: Problem
    processes: int = 1  # 0: not a trainer, but the matrix products alone

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def micros(self) -> list[float]:
        """µs per member and step, for each round."""
        return [1e6 * s / (self.members * self.problem.steps) for s in self.record.seconds]
