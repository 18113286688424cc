from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds.video import VideoKind
from goodfit.data.reading.videos import ClipFormat


def test_the_form_of_training_rows() -> None:
    form = VideoKind().form_of(TrainingRows((1, 6, 8, 9), uint8=True, rate=12.5))
    assert form == ClipFormat((8, 9), 1, 6, 12.5)
    assert VideoKind().rate_of(form) == 12.5


def test_gif_files_are_clips_only_if_clips_are_chosen() -> None:
    assert ".gif" in VideoKind().chosen_suffixes
    assert ".gif" not in VideoKind().suffixes
