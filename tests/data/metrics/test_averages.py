import numpy as np
import pytest

from goodfit.data.metrics.averages import ALL_ROWS, WITHOUT_EACH_ROW


def test_means_without_each_row() -> None:
    values = np.random.default_rng(0).normal(size=(3, 50))
    expected = [np.delete(values, row, 1).mean(1) for row in range(50)]
    assert np.allclose(WITHOUT_EACH_ROW(values), np.stack(expected, 1), rtol=0, atol=1e-15)
    assert np.array_equal(ALL_ROWS(values), values.mean(1))


def test_a_large_value_does_not_cost_the_digits_of_the_others() -> None:
    assert WITHOUT_EACH_ROW(np.array([[0.1, 1e20, 0.3]]))[0, 1] == (0.1 + 0.3) / 2
    assert WITHOUT_EACH_ROW(np.array([[0.1, np.inf, 0.3]])).tolist() == [[np.inf, (0.1 + 0.3) / 2, np.inf]]


@pytest.mark.filterwarnings("ignore:invalid value")
def test_no_row_is_left() -> None:
    assert np.isnan(WITHOUT_EACH_ROW(np.array([[1.0]]))).tolist() == [[True]]


def test_the_number_of_rows() -> None:
    assert ALL_ROWS.rows(np.zeros((2, 5))) == 5
    assert WITHOUT_EACH_ROW.rows(np.zeros((2, 5))) == 4
