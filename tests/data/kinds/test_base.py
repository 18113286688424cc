from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from goodfit.data.kinds import DataKind, TrainingRows
from goodfit.data.kinds.base import Match
from goodfit.data.options import Options
from goodfit.errors import InputError


class Volume(DataKind):
    """A kind as small as it can be."""

    name: ClassVar[str] = "volume"
    samples: ClassVar[str] = "volumes"
    options: ClassVar[type[Options]] = Options
    shape_text: ClassVar[str] = "(rows, channels, depth, height, width)"
    space: ClassVar[int] = 3
    preview: ClassVar[str] = "clip"


def test_a_small_kind_has_working_defaults(tmp_path: Path) -> None:
    volume = Volume()
    assert volume.default_network("classification") == "mlp"
    assert volume.value_range(-1.0, 2.0) == (-1.0, 2.0)
    assert not volume.matches_array(np.zeros((2, 1, 3, 3, 3)))
    assert volume.read_for_prediction(tmp_path, TrainingRows((1, 3, 3, 3)), "refuse", True) is None
    with pytest.raises(InputError, match="load: volume data cannot be read from a folder, got the folder"):
        volume.read_folder(tmp_path, Options())


def test_channels_come_first() -> None:
    volume = Volume()
    assert volume.arrange(np.zeros((2, 4, 5, 6))).shape == (2, 1, 4, 5, 6)
    assert volume.arrange(np.zeros((2, 4, 5, 6, 3))).shape == (2, 4, 5, 6, 3)  # channels_last is False
    with pytest.raises(InputError, match=r"transform: volume data has the shape \(rows, .*got \(2, 4\)"):
        volume.arrange(np.zeros((2, 4)), "transform")


def test_a_match_is_true_without_a_reason() -> None:
    assert Match()
    assert not Match("it acts on sounds")
