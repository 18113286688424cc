import pytest

from goodfit.data import METRICS, Split
from goodfit.data.metrics.classification import LABEL_METRICS
from goodfit.data.metrics.scoring import FUNCTIONS, pinball_quantile
from goodfit.train.config import Training
from goodfit.train.fit import fit


def test_every_metric_has_a_function() -> None:
    losses = [name for name in METRICS if name not in {*LABEL_METRICS, *FUNCTIONS}]
    assert [pinball_quantile(name) for name in losses] == [0.1, 0.5, 0.9]
    assert {*LABEL_METRICS, *FUNCTIONS} <= set(METRICS)


@pytest.mark.parametrize("name", ["mae", "my_pinball_0.5", "pinball_median"])
def test_other_names_have_no_quantile(name: str) -> None:
    with pytest.raises(ValueError, match=name.removeprefix("pinball_")):
        pinball_quantile(name)


def test_any_quantile_is_a_metric_of_training(regression_split: Split) -> None:
    recipe = "early_stopping(3, monitor='stop_pinball_0.25')"
    run = fit("mlp:4", regression_split, recipe, Training(epochs=4, metric="pinball_0.25"))
    column = run.history["stop_pinball_0.25"]
    assert run.kept_epoch == 1 + column.index(min(column))
