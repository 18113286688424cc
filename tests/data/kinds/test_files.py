from pathlib import Path

import pytest

from goodfit.data.kinds import KINDS, TrainingRows, kind
from goodfit.data.kinds.files import FileKind
from goodfit.errors import InputError

FILE_KINDS = [each for each in KINDS.values() if isinstance(each, FileKind)]


@pytest.mark.parametrize("each", FILE_KINDS, ids=[each.name for each in FILE_KINDS])
def test_paths_that_hold_no_samples(each: FileKind, tmp_path: Path) -> None:
    rows = TrainingRows((3, 8, 8, 8)[: each.space + 1], uint8=True, rate=8000)
    assert each.read_for_prediction(tmp_path / "table.csv", rows, "refuse", False) is None
    with pytest.raises(InputError, match=r"predict: there is no file '.*absent\.xyz'"):
        each.read_for_prediction(tmp_path / "absent.xyz", rows, "refuse", True)
    with pytest.raises(InputError, match=f"predict: the network was trained on {each.samples}, but '.*' holds none"):
        each.read_for_prediction(tmp_path, rows, "refuse", True)


@pytest.mark.parametrize("name", ["image", "video"])
def test_pictures_have_one_or_three_channels_of_uint8(name: str) -> None:
    each, shape = kind(name), (4, 8, 8, 8)
    assert isinstance(each, FileKind)
    for rows, message in (
        (TrainingRows(shape[: each.space + 1], uint8=True), "trained on 4 channels of uint8"),
        (TrainingRows((3, *shape[1 : each.space + 1])), "trained on 3 channels of floats"),
    ):
        with pytest.raises(InputError, match=message):
            each.form_of(rows)
