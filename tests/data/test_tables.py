import json

import numpy as np
import pandas as pd
import pytest

from goodfit.data import Preprocessing, load
from goodfit.errors import InputError


def reloaded(learned: Preprocessing) -> Preprocessing:
    return Preprocessing.from_dict(json.loads(json.dumps(learned.to_dict(), allow_nan=False)))


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(3, 7, (50, 4)),
        np.random.default_rng(0).integers(0, 256, (50, 3, 4), np.uint8),
        np.random.default_rng(0).normal(3, 7, (50, 2, 5)).astype(np.float32),
        np.random.default_rng(0).integers(0, 256, (50, 6), np.uint8),
    ],
)
def test_arrays_survive_json_bit_by_bit(x: np.ndarray) -> None:
    learned = Preprocessing.fit(x)
    assert reloaded(learned) == learned
    assert np.array_equal(reloaded(learned).transform(x), learned.transform(x))
    assert learned.input_shape == x.shape[1:]


def test_tables_survive_json_bit_by_bit(mixed: pd.DataFrame) -> None:
    learned = Preprocessing.fit(mixed.drop(columns="y"))
    out = learned.transform(mixed)
    assert np.array_equal(reloaded(learned).transform(mixed), out)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert learned.input_shape == (len(learned.feature_names),)


def test_targets_are_standardized_and_come_back() -> None:
    data = load("diabetes")
    split = data.split()
    y = split.train.y.numpy()
    assert abs(float(y.mean())) < 1e-5
    assert abs(float(y.std()) - 1) < 1e-5
    back = split.preprocessing.restore_target(split.test.y.numpy()[:, 0])
    assert np.allclose(back, data.y[split.test.rows], rtol=1e-6)
    assert np.allclose(split.preprocessing.scale_target(back), split.test.y.numpy()[:, 0], atol=1e-6)
    assert reloaded(split.preprocessing) == split.preprocessing


def test_broken_values_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Preprocessing.from_dict({"features": {"kind": "os.system"}, "target_mean": 0, "target_scale": 1})
    with pytest.raises(InputError, match="cannot be read"):
        Preprocessing.from_dict({})
