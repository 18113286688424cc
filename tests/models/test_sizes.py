"""Texts of reference networks that cannot be built."""

import pytest

from goodfit.errors import InputError
from goodfit.models import build


@pytest.mark.parametrize("text", ["mlp:", "mlp:0-", "mlp:a", "mlp:99999999999", "mlp:8,8"])
def test_sizes_that_make_no_network(text: str) -> None:
    with pytest.raises(InputError, match="sizes must be written mlp:256-256"):
        build(text, (4,), 2, 0)
