from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.techniques import Orthogonal

OVER = ("units", "inputs")
MODES = {"units": "columns", "inputs": "rows"}  # Keras' kernels are (in, out)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def by_loop(w: Tensor, factor: float, over: str) -> Tensor:
    """The penalty as a loop over pairs, for autograd."""
    count = w.shape[0 if over == "units" else 1]
    vectors = [(w[i] if over == "units" else w[:, i]).flatten() for i in range(count)]
    cosines = [(a @ b / (a.norm() * b.norm())).abs() for a, b in combinations(vectors, 2)]
    return factor * torch.stack(cosines).mean()


def test_values_by_hand() -> None:
    w = torch.tensor([[3.0, 4.0], [2.0, 0.0]], dtype=torch.float64)  # the cosine is 0.6
    assert float(Orthogonal(0.5).value(w)) == pytest.approx(0.3, rel=1e-15)
    # ∂cos/∂w₁ = (h₂ − cos h₁) / ‖w₁‖ = ((1, 0) − 0.6 (0.6, 0.8)) / 5, and the same for w₂ with ‖w₂‖ = 2.
    expected = 0.5 * torch.tensor([[0.64 / 5, -0.48 / 5], [0.0, 0.8 / 2]], dtype=torch.float64)
    torch.testing.assert_close(Orthogonal(0.5).gradient(w), expected, rtol=1e-14, atol=1e-16)
    torch.testing.assert_close(Orthogonal(0.5, "inputs").gradient(w.T), expected.T, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("over", OVER)
def test_value_equals_keras(over: str) -> None:
    keras = pytest.importorskip("keras")
    w = draw(5, 4)
    theirs = keras.regularizers.OrthogonalRegularizer(factor=0.25, mode=MODES[over])(w.T)
    assert float(Orthogonal(0.25, over).value(w)) == pytest.approx(
        float(theirs), rel=1e-6
    )  # partly in single precision


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("shape", [(5, 4), (3, 8), (4, 3, 2, 2)])
def test_value_and_gradient_equal_autograd(over: str, shape: tuple[int, ...]) -> None:
    w = draw(*shape).requires_grad_()
    reference = by_loop(w, 0.7, over)
    reference.backward()
    technique = Orthogonal(0.7, over)
    assert float(technique.value(w.detach())) == pytest.approx(float(reference.detach()), rel=1e-13)
    torch.testing.assert_close(technique.gradient(w.detach()), w.grad, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("over", OVER)
def test_gradient_by_finite_differences(over: str) -> None:
    w, technique, h = draw(4, 3), Orthogonal(0.7, over), 1e-6
    numeric = torch.zeros_like(w)
    for index in np.ndindex(*w.shape):
        change = torch.zeros_like(w)
        change[index] = h
        numeric[index] = (technique.value(w + change) - technique.value(w - change)) / (2 * h)
    torch.testing.assert_close(technique.gradient(w), numeric, rtol=1e-6, atol=1e-9)


def test_lengths_do_not_matter_and_zero_vectors_are_unchanged() -> None:
    w, lengths = draw(4, 6), torch.tensor([[0.01], [1.0], [5.0], [300.0]], dtype=torch.float64)
    torch.testing.assert_close(Orthogonal(0.3).value(w * lengths), Orthogonal(0.3).value(w), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        Orthogonal(0.3).gradient(w * lengths) * lengths, Orthogonal(0.3).gradient(w), rtol=1e-12, atol=1e-16
    )
    w[2] = 0.0
    gradient = Orthogonal(0.3).gradient(w)
    assert (gradient[2] == 0).all()
    others = torch.tensor([0, 1, 3])
    torch.testing.assert_close(gradient[others] * 2, Orthogonal(0.3).gradient(w[others]), rtol=1e-12, atol=1e-16)


def test_term_is_zero_for_orthogonal_or_single_vectors() -> None:
    for w in (torch.eye(3), draw(1, 5)):  # already orthogonal; a single unit has no pair
        assert float(Orthogonal(0.3).value(w)) == 0
        assert (Orthogonal(0.3).gradient(w) == 0).all()


def test_training_equals_the_penalty_through_autograd(
    train_steps: Callable[..., dict[str, Tensor]],
    manual_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.SGD(kernels + others, lr=0.05, momentum=0.9)

    for over in OVER:
        hand = manual_steps(make, penalty=lambda kernels, over=over: sum(by_loop(w, 0.5, over) for w in kernels))
        assert_weights_equal(train_steps(Orthogonal(0.5, over), optimizer="sgd"), hand)


def test_units_become_orthogonal(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    free, run = train_steps("", epochs=30), train_steps(Orthogonal(2.0), epochs=30)
    means = [float(Orthogonal(1.0).value(weights["2.weight"])) for weights in (free, run)]
    assert means[1] < 0.5 * means[0]


def test_biases_are_not_penalized(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    with pytest.raises(InputError, match="Orthogonal: on must choose"):
        train_steps(Orthogonal(on="bias"))
