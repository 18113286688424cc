from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from goodfit.data import Split
from goodfit.techniques import GhostBatchNorm
from goodfit.train.config import Training
from goodfit.train.fit import fit

TORCH_S = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_by_hand() -> None:
    """Parts (1, 3) and (10, 20): means 2 and 15, variances 1 and 25 (unbiased, in the running statistics: 2 and 50)."""
    layer = GhostBatchNorm(size=2, momentum=0.25, eps=0.5).layer(features=1, spatial=0).double()
    y = layer.train()(torch.tensor([[1.0], [3.0], [10.0], [20.0]], dtype=torch.float64))
    a, b = 1 / 1.5**0.5, 5 / 25.5**0.5
    assert y.flatten().tolist() == pytest.approx([-a, a, -b, b])
    assert float(layer.running_mean) == pytest.approx(0.75 * 0.25 * 2 + 0.25 * 15)
    assert float(layer.running_var) == pytest.approx(0.75 * (0.75 + 0.25 * 2) + 0.25 * 50)
    assert int(layer.num_batches_tracked) == 2


@pytest.mark.parametrize("spatial", [0, 1, 2, 3])
@pytest.mark.parametrize("parts", [(4, 4, 4), (4, 4, 2), (4, 5), (4,), (5,), (3,)], ids=str)
def test_equals_torch_batch_norm_on_each_part(spatial: int, parts: tuple[int, ...]) -> None:
    """Outputs, gradients, running statistics and evaluation, with as many rows as the parts have."""
    rows = sum(parts)
    ours = GhostBatchNorm(size=4, momentum=0.3, eps=1e-3).layer(5, spatial).double()
    theirs = TORCH_S[spatial](5, momentum=0.3, eps=1e-3).double()
    with torch.no_grad():
        ours.weight.copy_(normal(5, seed=1))
        ours.bias.copy_(normal(5, seed=2))
    theirs.load_state_dict(ours.state_dict())
    x, c = 2 * normal(rows, 5, *[3] * spatial) + 1, normal(rows, 5, *[3] * spatial, seed=3)
    ghost, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = ours.train()(ghost), torch.cat([theirs.train()(part) for part in other.split(parts)])
    torch.testing.assert_close(y, expected, rtol=0, atol=0)
    (c * y).sum().backward()
    (c * expected).sum().backward()
    torch.testing.assert_close(ghost.grad, other.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor), name
    assert torch.equal(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("spatial", [0, 1, 2, 3])
def test_layer_class_and_state_dict_keys_match_torch(spatial: int) -> None:
    layer = GhostBatchNorm(momentum=0.2, eps=1e-4).layer(5, spatial)
    assert isinstance(layer, TORCH_S[spatial])
    assert list(layer.state_dict()) == list(TORCH_S[spatial](5).state_dict())
    assert (layer.momentum, layer.eps) == (0.2, 1e-4)
    with pytest.raises(ValueError, match="expected"):  # torch's check of the number of dimensions still applies
        layer(torch.zeros(4, 5, *[2] * (spatial + 2)))


def test_part_of_batch_size_is_batch_norm() -> None:
    ours, theirs, x = GhostBatchNorm(size=32).layer(5, 0).double(), nn.BatchNorm1d(5).double(), normal(32, 5)
    assert torch.equal(ours(x), theirs(x))
    small = GhostBatchNorm(size=8).layer(5, 0).double()
    assert not torch.allclose(small(x), theirs(x))


def test_copied_and_pickled() -> None:
    layer, x = GhostBatchNorm(size=2).layer(3, 0).double(), normal(6, 3)
    layer.train()(x)
    file = io.BytesIO()
    torch.save(layer, file)
    file.seek(0)
    twins = (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), torch.load(file, weights_only=False))
    evaluated, trained = layer.eval()(x), layer.train()(x)
    for twin in twins:
        assert torch.equal(twin.eval()(x), evaluated)
        assert torch.equal(twin.train()(x), trained)
        assert torch.equal(twin.running_var, layer.running_var)
        assert not torch.allclose(twin(x), nn.BatchNorm1d(3).double()(x))


def test_statistics_are_recomputed_by_torch_update_bn() -> None:
    """They are the mean over the statistics of all parts, with equal weights."""
    layer, x = GhostBatchNorm(size=4).layer(3, 0).double(), 2 * normal(16, 3) + 5
    update_bn([x[:8], x[8:]], layer)
    parts = x.split(4)
    torch.testing.assert_close(layer.running_mean, x.mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([part.var(0) for part in parts]).mean(0))
    assert layer.momentum == 0.1


def test_vmap_over_population_members() -> None:
    """Members of a population in one call, each with its own weights and running statistics."""
    layer, x = GhostBatchNorm(size=4).layer(3, 0).double().train(), normal(2, 9, 3)
    single = [copy.deepcopy(layer) for _ in range(2)]
    expected = torch.stack([net(rows) for net, rows in zip(single, x, strict=True)])
    parameters, buffers = torch.func.stack_module_state([copy.deepcopy(layer) for _ in range(2)])

    def member(parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, (parameters, buffers), (x,))

    y = torch.func.vmap(member)(parameters, buffers, x)
    torch.testing.assert_close(y, expected)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(buffers[name], torch.stack([net.state_dict()[name] for net in single]))


@pytest.mark.parametrize("batch_size", [16, 19])
def test_equals_one_batch_norm_per_part_in_training(
    batch_size: int, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    """Parts of batch size give the same run as batch norm, smaller parts do not. 96 rows leave one row after 5 × 19."""
    settings = Training(epochs=2, batch_size=batch_size)
    runs = [
        fit(make_net(), three_class_split, f"{name}", settings) for name in ("batch_norm", "ghost_batch_norm(size=96)")
    ]
    smaller = fit(make_net(), three_class_split, GhostBatchNorm(size=5), settings)
    assert len(runs[0].last) == len(runs[1].last) == len(smaller.last)
    for (name, tensor), other, moved in zip(
        runs[0].last.items(), runs[1].last.values(), smaller.last.values(), strict=True
    ):
        assert torch.equal(tensor, other), name
        assert bool(torch.isfinite(moved).all())
    assert not torch.equal(runs[0].outputs(three_class_split.stop.x), smaller.outputs(three_class_split.stop.x))
