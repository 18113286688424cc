from __future__ import annotations

from torch import nn

from goodfit.linter.view import View
from goodfit.recipe import Recipe


def test_a_technique_by_name() -> None:
    view = View(tuple(Recipe.of("l2=0.1, l2(0.2, on=bias), dropout=0.0")), nn.Linear(2, 2))
    first = view.get("l2")
    assert first is not None
    assert first.text() == "l2=0.1"
    assert (len(view.named("l2")), view.has("dropout"), view.get("dropout")) == (2, False, None)


def test_tensors_and_layers_of_techniques() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    view = View(tuple(Recipe.of("l2(0.1, on=first), weight_decay=0.1, l1(0.1, on=nowhere), dropout=0.1")), net)
    l2, decay, l1, dropout = view.techniques
    assert [ref.name for ref in view.tensors(decay)] == ["0.weight", "2.weight"]
    assert view.shared_tensors(l2, decay) == ("0.weight",)
    assert view.tensors(l1) == []
    assert [layer.name for layer in view.layers(dropout)] == ["2"]  # type: ignore[arg-type]
    assert list(view.normalized) == ["0"]
