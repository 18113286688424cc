from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques import BatchNorm
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.stages.on_model import attach_layers


def test_equals_torch_layers_in_the_network(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    model = make_net()
    a, b, c = (copy.deepcopy(model[i]) for i in (0, 2, 4))
    layers = {"momentum": 0.3, "eps": 1e-3}
    theirs = nn.Sequential(a, nn.BatchNorm1d(8, **layers), nn.ReLU(), b, nn.BatchNorm1d(8, **layers), nn.ReLU(), c)
    settings = Training(epochs=4, batch_size=16, learning_rate=0.02)
    ours, reference = (
        fit(model, three_class_split, BatchNorm(**layers), settings),
        fit(theirs, three_class_split, "", settings),
    )
    names = {"0": "0", "0.batch_norm": "1", "2": "3", "2.batch_norm": "4", "4": "6"}
    for name, tensor in ours.last.items():
        layer, _, tail = name.rpartition(".")
        torch.testing.assert_close(tensor, reference.last[f"{names[layer]}.{tail}"], rtol=1e-4, atol=1e-6)
    assert int(ours.last["0.batch_norm.num_batches_tracked"]) == 24
    torch.testing.assert_close(
        ours.outputs(three_class_split.stop.x), reference.outputs(three_class_split.stop.x), rtol=1e-4, atol=1e-5
    )


def test_values_by_hand() -> None:
    layer = BatchNorm(momentum=0.25, eps=0.5).layer(features=1, spatial=0)
    y = layer.train()(torch.tensor([[1.0], [3.0]]))  # mean 2; variance 1 (biased), 2 (unbiased)
    assert y.flatten().tolist() == pytest.approx([-1 / 1.5**0.5, 1 / 1.5**0.5])
    assert float(layer.running_mean) == pytest.approx(0.25 * 2)
    assert float(layer.running_var) == pytest.approx(0.75 + 0.25 * 2)


@pytest.mark.parametrize("spatial", [0, 1, 2, 3])
def test_layer_class_for_each_number_of_dimensions(spatial: int) -> None:
    conv = [nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d][spatial]
    first = conv(2, 5, *([1] if spatial else []))
    model = nn.Sequential(first, nn.Flatten(), nn.Linear(5 * 3**spatial, 2))
    attach_layers(model, Recipe.of(BatchNorm(eps=1e-12)))
    assert isinstance(model[0].batch_norm, (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[spatial])
    hidden = model[0].train()(torch.randn(64, 2, *[3] * spatial))
    over = [d for d in range(hidden.ndim) if d != 1]
    torch.testing.assert_close(hidden.mean(over), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden.var(over, correction=0), torch.ones(5), atol=1e-3, rtol=0)


def test_inserted_after_every_layer_except_the_last(make_net: Callable[..., nn.Sequential]) -> None:
    model = make_net()
    keys = set(model.state_dict())
    attachment = attach_layers(model, Recipe.of(BatchNorm()))
    added = {key.rsplit(".", 1)[0] for key in set(model.state_dict()) - keys}
    assert added == {"0.batch_norm", "2.batch_norm"}
    attachment.detach()
    assert set(model.state_dict()) == keys
    with pytest.raises(InputError, match="the network must have a linear or convolution layer in front of"):
        attach_layers(nn.Linear(2, 2), Recipe.of(BatchNorm()))
    with pytest.raises(InputError, match="layer '0' has a batch_norm already"):
        attach_layers(make_net(), Recipe((BatchNorm(), BatchNorm(on="0"))))


@pytest.mark.parametrize(("batch_size", "accumulate"), [(19, 1), (5, 1), (33, 4), (31, 4), (93, 3), (32, 16)])
def test_last_batch_with_a_single_row_is_handled(
    batch_size: int, accumulate: int, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    """96 rows leave 1 or 3 rows for the last batch; parts of it would be single rows with zero variance."""
    run = fit(
        make_net(), three_class_split, BatchNorm(), Training(epochs=1, batch_size=batch_size, accumulate=accumulate)
    )
    assert all(bool(torch.isfinite(t).all()) for t in run.last.values())


@pytest.mark.parametrize(("batch_size", "accumulate"), [(1, 1), (8, 8)])
def test_batches_of_a_single_row_are_an_error(
    batch_size: int, accumulate: int, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    with pytest.raises(InputError, match="training: batch norm needs at least two rows at a time"):
        fit(
            make_net(), three_class_split, BatchNorm(), Training(epochs=1, batch_size=batch_size, accumulate=accumulate)
        )
