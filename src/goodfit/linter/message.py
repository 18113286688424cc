"""The context of a training, which the linter checks against, and the messages it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodfit.reference import Reference

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""From the most severe. error: a technique cannot work as requested; warning: it counteracts itself or another
technique; note: worth knowing."""
SHOWN = 4
"""Largest number of layers or tensors that the one-line text lists."""


@dataclass(frozen=True)
class Context:
    """What is known about the training. A rule that needs an unknown value reports nothing."""

    optimizer: str | None = None
    batch_size: int | None = None
    accumulate: int = 1
    epochs: int | None = None
    metric: str = ""
    loss: str = ""
    task: str | None = None
    rows: int | None = None
    """Number of training rows."""
    smallest_class: int | None = None
    """Number of training rows of the rarest class."""
    stop_rows: int | None = None
    """Number of rows of the stop part."""
    integer_inputs: bool = False
    """Whether the inputs are whole numbers, such as word ids."""
    categories: bool = False
    """Whether some columns are category codes or one-hot encoded."""
    manual_loop: bool | None = None
    """Whether the training loop is the user's (`attach`) rather than `fit`; None: unknown."""

    @property
    def adaptive(self) -> bool | None:
        """Whether the optimizer uses a separate step size for each weight; None: unknown."""
        return None if self.optimizer is None else "sgd" not in self.optimizer.lower()

    @property
    def micro_batch_size(self) -> int | None:
        """Rows per forward pass: the batch size, divided by the number of accumulated parts; None: unknown.

        >>> sizes = Context(batch_size=64, accumulate=4), Context(batch_size=64, rows=20), Context()
        >>> [context.micro_batch_size for context in sizes]
        [16, 20, None]
        """
        if self.batch_size is None:
            return None
        rows = self.batch_size if self.rows is None else min(self.batch_size, self.rows)
        return max(1, rows // max(1, self.accumulate))


@dataclass(frozen=True)
class LintMessage:
    """One problem of a recipe: where it is, why it matters, the source of this claim, and what to do.

    >>> print(LintMessage("note", ("sam", "batch_norm"), ("0", "2"), "the reason", "A. Author, 2020", "do this"))
    note: sam, batch_norm at 0, 2: the reason; do this. [A. Author, 2020]
    """

    severity: Severity
    techniques: tuple[str, ...]
    """Names of techniques; each name once."""
    where: tuple[str, ...]
    """Names of layers or tensors."""
    reason: str
    citation: Reference | str
    remedy: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "techniques", tuple(dict.fromkeys(self.techniques)))

    def __str__(self) -> str:
        who = ", ".join(self.techniques) or "the network"
        names = [name or "(network)" for name in self.where]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        at = f" at {', '.join(names[:SHOWN])}{more}" if names else ""
        source = f" [{self.citation}]" if self.citation else ""
        return f"{self.severity}: {who}{at}: {self.reason}; {self.remedy}.{source}"
