import pytest

from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds.sound import SoundKind
from goodfit.data.reading.sounds import SoundFormat
from goodfit.errors import InputError


def test_the_range_is_symmetric() -> None:
    assert SoundKind().value_range(-0.25, 0.5) == (-0.5, 0.5)
    assert SoundKind().value_range(-0.75, 0.5) == (-0.75, 0.75)


def test_the_form_of_training_rows() -> None:
    form = SoundKind().form_of(TrainingRows((2, 4000), rate=8000, high=1.0))
    assert form == SoundFormat(8000, 4000, 2)
    assert SoundKind().rate_of(form) == 8000


def test_training_rows_that_files_cannot_have() -> None:
    with pytest.raises(
        InputError, match=r"the rate \(samples per second\) of the training sounds must be known, got rate=0"
    ):
        SoundKind().form_of(TrainingRows((1, 4000)))
    with pytest.raises(InputError, match=r"trained on sounds in \[−1, 1\], got training sounds up to "):
        SoundKind().form_of(TrainingRows((1, 4000), rate=8000, high=3.0))
