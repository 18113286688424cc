"""The names a user needs, and no more; and nothing heavy before it is asked for."""

import subprocess
import sys

import pytest

import goodfit


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_names_are_few_and_in_order() -> None:
    assert len(goodfit.__all__) <= 40
    assert len(set(goodfit.__all__)) == len(goodfit.__all__)
    assert sorted(goodfit.__all__) == list(goodfit.__all__)


@pytest.mark.parametrize("name", goodfit.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(goodfit, name)
    assert found.__doc__
    if callable(found):
        assert found.__name__ == name
        assert found.__module__.startswith("goodfit.")


def test_every_home_is_exported() -> None:
    assert set(goodfit._HOMES) == set(goodfit.__all__)


def test_dir_lists_them() -> None:
    assert set(dir(goodfit)) == {*goodfit.__all__, "__version__"}


def test_other_names_are_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'goodfit' has no attribute 'nothing'"):
        _ = goodfit.nothing
    assert not hasattr(goodfit, "torch")


HEAVY = "[m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'plotly', 'scipy', 'rich.progress') if m in sys.modules]"


def test_import_waits_for_nothing_heavy() -> None:
    assert python(f"import sys, goodfit; goodfit.__version__; dir(goodfit); print({HEAVY})") == "[]"


def test_names_come_when_they_are_asked_for() -> None:
    code = (
        "from goodfit import *; import goodfit, sys; print(set(goodfit.__all__) <= set(dir()), 'torch' in sys.modules)"
    )
    assert python(code) == "True True"
