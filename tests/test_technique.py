from __future__ import annotations

from goodfit.stages import OnBatch, OnWeights, QuadraticPenalty
from goodfit.technique import Technique
from goodfit.techniques import L2, BatchNorm, Dropout, EarlyStopping, ElasticNet


def test_names_texts_and_stages() -> None:
    assert [t.name() for t in (L2, EarlyStopping, BatchNorm)] == ["l2", "early_stopping", "batch_norm"]
    assert [t.main_knob() for t in (L2, ElasticNet, EarlyStopping, BatchNorm)] == ["l2", "l1", "patience", None]
    assert (L2.stage(), Dropout.stage(), ElasticNet.stage()) == ("OnWeights", "OnModel", "OnWeights")
    assert (OnBatch.stage(), QuadraticPenalty.stage()) == ("OnBatch", "OnWeights")
    assert BatchNorm().text() == "batch_norm"
    assert BatchNorm(momentum=0.2).text() == "batch_norm(momentum=0.2)"
    assert L2(0.1, on="bias").text() == "l2(l2=0.1, on='bias')"
    assert L2(0.1).to_dict() == {"technique": "l2", "l2": 0.1, "on": "kernel", "schedule": "constant"}
    assert issubclass(L2, OnWeights)
    assert issubclass(L2, Technique)
