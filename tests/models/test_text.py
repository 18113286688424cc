from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import correlate

from goodfit.errors import InputError
from goodfit.models import bag, build, initialize, text_cnn

X = torch.tensor([[3, 5, 0, 0], [1, 1, 2, 4], [7, 0, 0, 0], [0, 0, 0, 0]])


def test_bag_averages_embeddings() -> None:
    net = bag(8, 3, (4, 5)).double()
    table = net[0].embedding.weight.detach().numpy()
    expected = [table[[3, 5]].mean(0), table[[1, 1, 2, 4]].mean(0), table[7], np.zeros(4)]
    np.testing.assert_allclose(net[0](X).detach().numpy(), expected, atol=1e-12)
    assert net(X).shape == (4, 3)


def test_padding_has_no_effect() -> None:
    longer = torch.cat([X, torch.zeros(4, 7, dtype=torch.int64)], 1)
    for net in (bag(8, 3, (4, 5)), text_cnn(8, 3, (4, 5))):
        for convolution in getattr(net[0], "convolutions", ()):
            torch.nn.init.ones_(convolution.bias)  # so that padding would change the output
        before = net(X)
        torch.testing.assert_close(net(longer), before)
        with torch.no_grad():
            net[0].embedding.weight[0] += 1.0
        assert torch.equal(net(X), before)


def test_text_cnn_equals_scipy() -> None:
    net = text_cnn(8, 2, (4, 3)).double()
    table = net[0].embedding.weight.detach().numpy()
    outputs = net[0](X[1:2])[0].detach().numpy()
    expected = []
    for layer, width in zip(net[0].convolutions, (3, 4, 5), strict=True):
        vectors = np.concatenate([table[[1, 1, 2, 4]].T, np.zeros((4, width - 1))], 1)  # (size, words and padding)
        for weight, bias in zip(layer.weight.detach().numpy(), layer.bias.detach().numpy(), strict=True):
            answers = sum(correlate(vectors[i], weight[i], mode="valid") for i in range(4)) + bias
            expected.append(max(answers.max(), 0.0))
    np.testing.assert_allclose(outputs, expected, atol=1e-12)


def test_a_single_word_is_enough() -> None:
    assert text_cnn(8, 2)(X[:, :1]).shape == (4, 2)


def test_under_vmap() -> None:
    for net in (bag(8, 3, (4, 5)), text_cnn(8, 3, (4, 5))):
        weights = {n: torch.stack([p.detach(), 2 * p.detach()]) for n, p in net.named_parameters()}

        def loss(own: dict[str, torch.Tensor], net: torch.nn.Module = net) -> torch.Tensor:
            return torch.func.functional_call(net, own, (X,)).square().sum()

        together = torch.func.vmap(torch.func.grad(loss))(weights)
        for i in range(2):
            alone = torch.func.grad(loss)({n: w[i] for n, w in weights.items()})
            for name, slope in alone.items():
                torch.testing.assert_close(together[name][i], slope)


def test_build() -> None:
    net = build("bag:8-6-4", (4,), 2, seed=0, words=10)
    assert [tuple(p.shape) for p in net.parameters()] == [(10, 8), (6, 8), (6,), (4, 6), (4,), (2, 4), (2,)]
    assert build("text_cnn", (4,), 2, seed=0, words=10)(X).shape == (4, 2)
    assert not torch.equal(initialize(net, 1)[0].embedding.weight, net[0].embedding.weight)


def test_errors() -> None:
    with pytest.raises(InputError, match="'mlp' does not accept texts; use one of bag, text_cnn"):
        build("mlp", (4,), 2, seed=0, words=10)
    with pytest.raises(InputError, match="'bag' accepts only texts; use one of mlp"):
        build("bag", (4,), 2, seed=0)
    with pytest.raises(InputError, match="text_cnn: sizes must be two numbers, of the embeddings and of the channels"):
        text_cnn(10, 2, (8, 8, 8))
    with pytest.raises(InputError, match="bag: every size must be at least 1"):
        bag(10, 2, (0, 8))


def test_initial_embeddings_are_small() -> None:
    for name in ("bag", "text_cnn"):
        net = build(name, (4,), 2, seed=0, words=5000)
        for vectors in (net[0].embedding.weight, initialize(net, 1)[0].embedding.weight):
            assert abs(vectors.detach().std().item() - 0.1) < 0.001  # its standard error is 0.1 / √(2 · 320,000)
