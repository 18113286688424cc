"""Tables: rows of columns that hold numbers, categories and dates."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd

from goodfit.data.checks import check_columns
from goodfit.data.columns import convert_texts
from goodfit.data.kinds.base import DataKind
from goodfit.data.options import Options, Tables


class TableKind(DataKind):
    """Rows of a table, or of a two-dimensional array."""

    name: ClassVar[str] = "table"
    samples: ClassVar[str] = "rows"
    options: ClassVar[type[Options]] = Tables
    shape_text: ClassVar[str] = "(rows, columns)"
    preview: ClassVar[str] = "rows"
    previewed_in_batch: ClassVar[bool] = True
    example: ClassVar[str] = "swap_noise=0.1 or cutmix"

    def take_columns(self, frame: pd.DataFrame, options: Options) -> pd.DataFrame:
        """All columns, with their types inferred.

        Raises:
            InputError: columns from which nothing can be learned.
        """
        check_columns(frame)
        return convert_texts(frame)
