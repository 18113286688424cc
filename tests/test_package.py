"""The public names, and that importing goodfit does not import heavy packages."""

import subprocess
import sys

import pytest

import goodfit


def python(code: str) -> str:
    """Run code in a new interpreter and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stderr == ""
    return result.stdout.strip()


def test_names_are_few_sorted_and_unique() -> None:
    assert len(goodfit.__all__) <= 40
    assert len(set(goodfit.__all__)) == len(goodfit.__all__)
    assert sorted(goodfit.__all__) == list(goodfit.__all__)


@pytest.mark.parametrize("name", goodfit.__all__)
def test_every_name_exists_and_is_documented(name: str) -> None:
    value = getattr(goodfit, name)
    assert value.__doc__
    if callable(value):
        assert value.__name__ == name
        assert value.__module__.startswith("goodfit.")


def test_every_home_is_exported() -> None:
    assert set(goodfit._HOMES) == set(goodfit.__all__)


def test_dir_lists_the_public_names() -> None:
    assert set(dir(goodfit)) == {*goodfit.__all__, "__version__"}


def test_unknown_names_raise_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'goodfit' has no attribute 'nothing'"):
        _ = goodfit.nothing
    assert not hasattr(goodfit, "torch")


HEAVY = "[m for m in ('torch', 'numpy', 'pandas', 'sklearn', 'plotly', 'scipy', 'rich.progress') if m in sys.modules]"


def test_import_is_light() -> None:
    assert python(f"import sys, goodfit; goodfit.__version__; dir(goodfit); print({HEAVY})") == "[]"


def test_star_import_provides_every_name() -> None:
    code = (
        "from goodfit import *; import goodfit, sys; print(set(goodfit.__all__) <= set(dir()), 'torch' in sys.modules)"
    )
    assert python(code) == "True True"
