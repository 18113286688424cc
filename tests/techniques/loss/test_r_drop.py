from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import ForwardPass
from goodfit.techniques import Dropout, RDrop
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]


def outputs(columns: int = 4, rows: int = 6) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    return tuple(2 * torch.randn(rows, columns, generator=g, dtype=torch.float64) for _ in range(2))  # type: ignore


def as_published(p: Tensor, q: Tensor) -> Tensor:
    """The authors' `compute_kl_loss`, averaged over the samples."""
    p_loss = F.kl_div(F.log_softmax(p, dim=-1), F.softmax(q, dim=-1), reduction="none")
    q_loss = F.kl_div(F.log_softmax(q, dim=-1), F.softmax(p, dim=-1), reduction="none")
    return (p_loss.sum() + q_loss.sum()) / 2 / len(p)


@pytest.mark.parametrize("soft", [False, True])
def test_labels_equal_the_authors_code(soft: bool, make_forward: MakeForward) -> None:
    p, q = outputs()
    known = {"y": torch.full((6, 4), 0.25), "frequencies": torch.full((4,), 0.25)} if soft else {}
    term = RDrop(0.7).term(make_forward(p, network=lambda x: q, **known), ())
    torch.testing.assert_close(term, 0.7 * as_published(p, q))


def test_single_logit_equals_two_logits(make_forward: MakeForward) -> None:
    p, q = outputs(1)
    zero = torch.zeros_like(p)
    expected = as_published(torch.cat([zero, p], 1), torch.cat([zero, q], 1))
    torch.testing.assert_close(RDrop(1.0).term(make_forward(p, network=lambda x: q), ()), expected)


def test_pixels_of_masks_count_like_rows(make_forward: MakeForward) -> None:
    p, q = (o.reshape(2, 3, 4).movedim(2, 1)[..., None] for o in outputs())  # (row, class, height, width)
    masks = torch.zeros(2, 3, 1, dtype=torch.long)
    term = RDrop(0.7).term(make_forward(p, y=masks, network=lambda x: q), ())
    torch.testing.assert_close(term, 0.7 * as_published(*outputs()))


def test_values_by_hand(make_forward: MakeForward) -> None:
    p, q = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[1.5, 2.0], [0.0, 1.0]])
    term = RDrop(0.1).term(make_forward(p, y=torch.zeros(2, 2), network=lambda x: q), ())
    assert float(term) == pytest.approx(0.1 * (0.25 + 4) / 4)


def test_gradients_flow_into_both_passes(make_forward: MakeForward) -> None:
    p, q = (o.requires_grad_() for o in outputs())
    assert gradcheck(lambda p, q: RDrop(0.7).term(make_forward(p, network=lambda x: q), ()), (p, q))
    grads = torch.autograd.grad(RDrop(0.7).term(make_forward(p, network=lambda x: q), ()), (p, q))
    assert all(float(grad.abs().max()) > 0.01 for grad in grads)
    numbers = torch.zeros(6, 4)
    assert gradcheck(lambda p, q: RDrop(0.7).term(make_forward(p, y=numbers, network=lambda x: q), ()), (p, q))


def test_equal_passes_give_a_zero_term(make_forward: MakeForward) -> None:
    p = outputs()[0].requires_grad_()
    term = RDrop(5.0).term(make_forward(p, network=lambda x: p.clone()), ())
    assert term.item() == 0
    assert bool((torch.autograd.grad(term, p)[0] == 0).all())


def test_second_pass_uses_the_same_samples(make_forward: MakeForward) -> None:
    calls: list[Tensor] = []
    p, q = outputs()
    x = torch.arange(6.0)[:, None]
    RDrop().term(make_forward(p, x=x, network=lambda x: calls.append(x) or q), ())  # type: ignore[func-returns-value]
    assert len(calls) == 1
    assert torch.equal(calls[0], x)


def test_disagreement_under_dropout_decreases(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=8, batch_size=16, learning_rate=0.02)
    with pytest.raises(InputError, match="r_drop: its two forward passes do not differ"):
        fit(make_net(), three_class_split, RDrop(5.0), settings)

    def disagreement(recipe: Recipe) -> float:
        """Between passes under dropout masks that are the same for both networks."""
        model, g = fit(make_net(), three_class_split, recipe, settings).model, torch.Generator().manual_seed(0)
        passes = []
        for _ in range(2):
            h = three_class_split.train.x
            for layer in (model[:2], model[2:4]):
                h = layer(h)
                h = h * torch.empty_like(h).bernoulli_(0.5, generator=g) * 2
            passes.append(model[4](h))
        return as_published(*passes).item()

    dropout = Dropout(0.5)
    assert disagreement(Recipe((dropout, RDrop(5.0)))) < 0.5 * disagreement(Recipe((dropout,)))
