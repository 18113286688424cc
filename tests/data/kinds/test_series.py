import numpy as np

from goodfit.data.kinds.series import SeriesKind


def test_series_are_three_dimensions_of_floats() -> None:
    series = SeriesKind()
    assert series.matches_array(np.zeros((2, 3, 4)))
    assert not series.matches_array(np.zeros((2, 3, 4), np.uint8))
    assert series.arrange(np.zeros((2, 9))).shape == (2, 1, 9)
    assert not series.bounded
