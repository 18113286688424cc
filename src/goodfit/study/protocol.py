"""The protocol of a study: folds, repeats and seed."""

from __future__ import annotations

from goodfit.knobs import Record, knob


class Protocol(Record):
    """How a study divides the rows and repeats its fits. None: chosen by the number of rows.

    The test rows are set apart first. The other rows are divided into folds; each fold is scored by fits that are
    trained on the others, so that every row is scored once per repeat. Each repeat draws other folds. Above 10,000 rows
    there is one validation part of at least 5,000 rows (of at most a quarter of the rows), and repeats differ in their
    seeds only. Data with times is divided into consecutive blocks, each scored after training on earlier rows; its
    repeats differ in their seeds only, too.

    >>> Protocol(folds=10, repeats=1).changed()
    {'folds': 10, 'repeats': 1}
    """

    folds: int | None = knob(default=None, value_type=int, low=1, high=100,
                             doc="parts of the rows; each is scored by fits on the others. 1: one validation part. "
                             "Default: 5, or 1 above 10,000 rows")  # fmt: skip
    repeats: int | None = knob(default=None, value_type=int, low=1, high=100,
                               doc="repetitions with other folds and seeds. Default: 2, or 4 below 300 rows, 3 above "
                               "10,000")  # fmt: skip
    seed: int = knob(default=0, low=0, doc="folds, initial weights and batch order follow from it; the test rows do "
                     "not depend on it")  # fmt: skip
