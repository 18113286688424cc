import math

import pytest
import torch
from sklearn import metrics as sk

from goodfit.data import metric

NUMBERS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_values_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    y, out = NUMBERS[:, :1], NUMBERS[:, :1] * 0.5 + NUMBERS[:, 1:2]
    a, b = y.numpy(), out.numpy()
    assert metric("r2")(out.reshape(shape), y) == pytest.approx(sk.r2_score(a, b), abs=1e-5)
    assert metric("mae")(out, y.reshape(shape)) == pytest.approx(sk.mean_absolute_error(a, b), abs=1e-5)
    assert metric("rmse")(out, y) == pytest.approx(math.sqrt(sk.mean_squared_error(a, b)), abs=1e-5)
