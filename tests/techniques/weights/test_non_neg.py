from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from goodfit.data import Split
from goodfit.techniques import NonNeg
from goodfit.train.config import Training
from goodfit.train.fit import fit


def test_values_by_hand() -> None:
    w = torch.tensor([[0.5, -2.0, 0.0], [-1e-30, 3.0, -0.1]], dtype=torch.float64)
    moved, state = NonNeg().project(w.clone(), NonNeg().start(w))
    assert moved.tolist() == [[0.5, 0.0, 0.0], [0.0, 3.0, 0.0]]
    assert state == ()
    assert NonNeg(0.25).project(w.clone(), ())[0].tolist() == [
        [0.5, -1.5, 0.0],
        [pytest.approx(-0.75e-30), 3.0, pytest.approx(-0.075)],
    ]


def test_equals_keras() -> None:
    keras = pytest.importorskip("keras")
    w = torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    theirs = keras.constraints.NonNeg()(w)
    assert torch.equal(NonNeg().project(w.clone(), ())[0], theirs)
    assert 0 < int((theirs == 0).sum()) < w.numel()


def test_solution_equals_nonnegative_least_squares(sparse_regression: Split) -> None:
    reference = LinearRegression(positive=True).fit(
        sparse_regression.train.x.numpy(), sparse_regression.train.y.numpy().ravel()
    )
    model = nn.Linear(20, 1).double()
    nn.init.zeros_(model.weight)
    settings = Training(epochs=200, batch_size=len(sparse_regression.train), learning_rate=0.05, optimizer="sgd")
    w = fit(model, sparse_regression, NonNeg(), settings).last["weight"].numpy().ravel()
    np.testing.assert_allclose(w, reference.coef_, atol=5e-5)
    assert 0 < (w == 0).sum() < 20


def test_only_selected_tensors_are_constrained(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    run = train_steps(NonNeg(on="bias"))
    for name, tensor in run.items():
        assert bool((tensor >= 0).all()) == ("bias" in name)
