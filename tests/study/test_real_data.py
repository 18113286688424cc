"""Studies on real tables; they take minutes and run with `make slow`."""

from pathlib import Path

import pytest

from goodfit.data import load
from goodfit.study import run_study
from goodfit.train.config import Training

TABLES = Path(__file__).parents[3] / "shared" / "data" / "tabular"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["credit-g", "kc1", "segment", "vehicle"])
def test_plain_overfits_and_some_recipe_is_no_worse(name: str) -> None:
    path = TABLES / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip(f"../shared/data/tabular/{name}.csv.gz is absent")
    study = run_study(load(str(path), "class"), "mlp", (), Training(epochs=60), progress=False, budget="20trials")
    best, verdict, compared = study.best(), study.verdict(), study.evidence().best
    assert best is not None
    assert verdict is not None
    assert compared is not None
    assert verdict.label == "overfit"
    assert study.trials == 20
    assert len(study.fits) == len(study.labels) * 5 * 2
    assert not any(fit.failure for fit in study.fits)
    assert set(study.test_scores()) == {"plain", compared.candidate.label}
    if best.difference is not None:
        assert best.difference.mean >= 0
