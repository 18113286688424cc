import pytest

import goodfit.errors
from goodfit._lazy import lazy


def test_names_are_imported_from_their_homes() -> None:
    get, names = lazy("goodfit", {"InputError": "errors", "errors": "errors"})
    assert get("InputError") is goodfit.errors.InputError
    assert get("errors") is goodfit.errors
    assert names() == ["InputError", "errors"]
    with pytest.raises(AttributeError, match="module 'goodfit' has no attribute 'nothing'"):
        get("nothing")
