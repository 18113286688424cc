"""What the linter knows beside recipe and network, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.reference import Reference

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first. error: it cannot do what it says; warning: it works against itself; note: worth knowing."""
SHOWN = 4
"""Places that the one-line text names."""


@dataclass(frozen=True)
class Context:
    """What is known of the training; what is not known keeps the rules about it silent."""

    optimizer: str = "adam"
    batch_size: int | None = None
    accumulate: int = 1
    epochs: int | None = None
    metric: str = ""
    loss: str = ""
    task: str = "classification"
    rows: int | None = None
    """Training rows."""
    smallest_class: int | None = None
    """Training rows of the rarest class."""
    stop_rows: int | None = None
    """Rows of the stop part."""
    integer_inputs: bool = False
    """Inputs are whole numbers, such as those of tokens."""
    categories: bool = False
    """Some columns are category codes or one-hot."""
    own_loop: bool | None = None
    """A loop of the user's own (`attach`) rather than `fit`; None: not known."""

    @property
    def adaptive(self) -> bool:
        """Whether the optimizer gives each weight a step size of its own."""
        return "sgd" not in self.optimizer.lower()

    @property
    def part(self) -> int | None:
        """Rows that the network sees at once: a batch, or its part where the gradient is accumulated.

        >>> Context(batch_size=64, accumulate=4).part, Context(batch_size=64, rows=20).part, Context().part
        (16, 20, None)
        """
        if self.batch_size is None:
            return None
        rows = self.batch_size if self.rows is None else min(self.batch_size, self.rows)
        return max(1, rows // max(1, self.accumulate))


@dataclass(frozen=True)
class LintMessage:
    """One thing about a recipe that is wrong or doubtful: why, who says so, and what to do.

    >>> print(LintMessage("note", ("sam", "batch_norm"), ("0", "2"), "the reason", "A. Author, 2020", "do this"))
    note: sam, batch_norm at 0, 2: the reason; do this. [A. Author, 2020]
    """

    severity: Severity
    techniques: tuple[str, ...]
    where: tuple[str, ...]
    """Layers or tensors."""
    reason: str
    citation: Reference | str
    remedy: str

    def __str__(self) -> str:
        who = ", ".join(dict.fromkeys(self.techniques)) or "the network"
        names = [name or "(network)" for name in self.where]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        at = f" at {', '.join(names[:SHOWN])}{more}" if names else ""
        source = f" [{self.citation}]" if self.citation else ""
        return f"{self.severity}: {who}{at}: {self.reason}; {self.remedy}.{source}"
