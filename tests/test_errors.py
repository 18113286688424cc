from __future__ import annotations

from goodfit.errors import InputError, MissingExtra, TrainingError, near


def test_near_names() -> None:
    names = ["dropout", "l2", "weight_decay", "max_norm"]
    assert near("droput", names) == " Did you mean 'dropout'?"
    assert near("Dropout", names) == " Did you mean 'dropout'?"
    assert near("zzz", names) == " Known: dropout, l2, max_norm, weight_decay."
    assert near("xyz", ["xya", "xyb"]) == " Did you mean 'xyb' or 'xya'?"
    assert near("a", []) == ""
    assert near("#", [f"name{i:02}" for i in range(30)]).endswith("name19, ….")


def test_kinds() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(TrainingError, RuntimeError)
    assert issubclass(MissingExtra, ImportError)
