from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import ElasticNet as Reference

from goodfit.data import Split
from goodfit.techniques import L1, L2, ElasticNet
from goodfit.train.run import Run


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_equals_scikit_learn(optimizer: str, sparse_regression: Split, fit_linear: Callable[..., Run]) -> None:
    # scikit-learn: 1/(2n) Σ(y − ŷ)² + a r Σ|w| + a (1 − r)/2 Σw². Half of ours: a r = l1 / 2 and a (1 − r) = l2.
    l1, l2 = 0.2, 0.15
    alpha = l1 / 2 + l2
    reference = Reference(alpha=alpha, l1_ratio=l1 / 2 / alpha, tol=1e-10, max_iter=100_000)
    reference.fit(sparse_regression.train.x.numpy(), sparse_regression.train.y.numpy().ravel())
    w = fit_linear(ElasticNet(l1, l2), optimizer).last["weight"].numpy().ravel()
    assert np.array_equal(w != 0, reference.coef_ != 0)
    assert 0 < (w == 0).sum() < 20
    np.testing.assert_allclose(w, reference.coef_, atol=1e-9 if optimizer == "sgd" else 1e-5)


def test_equals_l1_and_l2_combined(
    train_steps: Callable[..., dict[str, torch.Tensor]], assert_weights_equal: Callable[..., None]
) -> None:
    for optimizer in ("sgd", "adam"):
        both = train_steps([L2(0.02), L1(0.01)], optimizer=optimizer)
        assert_weights_equal(train_steps(ElasticNet(0.01, 0.02), optimizer=optimizer), both)


def test_value_gradient_and_prox_by_hand() -> None:
    w, net = torch.tensor([[3.0, -0.5]]), ElasticNet(l1=0.5, l2=0.25)
    assert float(net.value(w)) == 0.5 * 3.5 + 0.25 * 9.25
    assert net.coefficient() == 0.5
    assert net.prox(w, 2.0).tolist() == [[2.0, 0.0]]


def test_alternative_constructors() -> None:
    assert ElasticNet.mix(0.01, 0.25) == ElasticNet(l1=0.0025, l2=0.0075)
    assert ElasticNet.per_sample(0.4, m=100, alpha=0.5) == ElasticNet(l1=0.001, l2=0.001)
