from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.stages.column_groups import categorical_columns, one_per_group, share_within_groups
from goodfit.train.manual_loop.attach import attach

GROUPED = Inputs(groups=((1, 2), (3, 6)))


def test_by_hand() -> None:
    drawn = torch.arange(14).reshape(2, 7)
    assert share_within_groups(drawn, GROUPED).tolist() == [[0, 1, 2, 3, 3, 3, 6], [7, 8, 9, 10, 10, 10, 13]]
    assert one_per_group(drawn, GROUPED).tolist() == [[0, 1, 2, 3, 6], [7, 8, 9, 10, 13]]
    assert categorical_columns(7, GROUPED, drawn.device).tolist() == [False, True, False, True, True, True, False]


def test_without_groups_every_column_is_its_own_group() -> None:
    drawn = torch.randn(3, 4, 5)
    assert share_within_groups(drawn, Inputs()) is drawn
    assert one_per_group(drawn, Inputs()) is drawn
    assert not bool(categorical_columns(5, Inputs(), drawn.device).any())


def test_groups_of_another_table_are_refused() -> None:
    model = nn.Linear(5, 2)
    x, y = torch.randn(8, 5), torch.arange(8) % 2
    with attach(model, "mixup=0.2", data=(x, y), inputs=GROUPED) as reg, pytest.raises(InputError, match=r"\(8, 5\)"):
        reg.batch(x, y)
