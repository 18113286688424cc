from __future__ import annotations

from torch import nn

from goodfit import surgery


def test_layers_are_recognized_by_type_not_by_name() -> None:
    """A user's module named out_proj is a layer; the one within torch's attention is a part of the attention."""
    block = nn.Module()
    block.mix, block.out_proj = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)
    layers = surgery.layers(block, "kernel")
    assert [(layer.name, layer.first, layer.last) for layer in layers] == [
        ("mix", True, False), ("out_proj", False, True),
    ]  # fmt: skip


def test_features() -> None:
    assert surgery.features(nn.Linear(2, 3)) == (3, 0)
    assert surgery.features(nn.Conv1d(2, 3, 1)) == (3, 1)
    assert surgery.features(nn.ConvTranspose3d(2, 5, 1)) == (5, 3)
    assert surgery.features(nn.LSTM(2, 3)) is None


def test_has_batch_norm() -> None:
    assert surgery.has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert not surgery.has_batch_norm(nn.Sequential(nn.LayerNorm(2)))
    assert not surgery.has_batch_norm(nn.BatchNorm1d(2, track_running_stats=False))


def test_frozen_normalizations_stay_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LayerNorm(2), nn.Dropout())
    model[1].requires_grad_(False)
    surgery.set_train_mode(model.eval())
    assert [m.training for m in model] == [True, False, True, True]
