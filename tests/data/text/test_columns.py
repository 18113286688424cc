"""The column of texts in a table."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
import pytest

from goodfit.data import Tables, Texts, load
from goodfit.data.text.columns import is_text_table, text_column, to_strings
from goodfit.errors import InputError


def rows(n: int = 100) -> pd.DataFrame:
    examples = [("win a prize number", "spam"), ("see you at home", "ham"), ("call me at noon", "ham")]
    frame = pd.DataFrame([examples[i % 3] for i in range(n)], columns=["words", "label"])
    return frame.assign(words=frame.words + [f" {i}" for i in range(n)])


def test_categories_are_not_texts() -> None:
    frame = rows().assign(words=["a b c d", "e f g h"] * 50)
    assert load(frame).kind == "table"
    assert load(rows(), options=Texts()).kind == "text"
    assert load(frame, options=Texts()).kind == "text"


def test_several_columns_of_texts(caplog: pytest.LogCaptureFixture) -> None:
    frame = rows().assign(number=range(100), more=rows().words.str.upper())
    with pytest.raises(
        InputError, match=r"columns 'words', 'more' hold texts; name the column of the inputs: Texts\(col"
    ):
        load(frame, options=Texts())
    with pytest.raises(InputError, match=r"there is no column 'word' of texts\. Did you mean 'words'"):
        load(frame, options=Texts(column="word"))
    with pytest.raises(TypeError, match="unexpected keyword argument 'column'"):
        Tables(column="words")  # type: ignore[call-arg]
    with caplog.at_level(logging.WARNING, "goodfit"):
        data = load(frame, options=Texts(column="words"))
    assert data.x.columns.tolist() == ["words"]
    assert "the inputs are the texts of column 'words'; 'number', 'more' ignored" in caplog.text
    assert load(frame.drop(columns="more"), options=Texts()).x.columns.tolist() == ["words"]
    with pytest.raises(InputError, match="no column holds texts"):
        load(frame[["number", "label"]].assign(two=1.0), options=Texts())


def test_empty_texts_give_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    frame = rows()
    frame.loc[[4, 7], "words"] = ["  ", None]
    with caplog.at_level(logging.WARNING, "goodfit"):
        data = load(frame, options=Texts(column="words"))
    assert "2 of 100 texts are empty (first: row 4)" in caplog.text
    assert len(data) == 100
    with pytest.raises(InputError, match="column 'words' has no word in any of 100 rows"):
        load(frame.assign(words=" "), options=Texts(column="words"))


@pytest.mark.parametrize(
    ("values", "is_text"),
    [
        (["one two three", "four five six"], True),
        (["one two", "three four", "five six"], False),  # two words per row
        (["one two three four"] * 3 + ["five six seven"], False),  # half of the rows are equal
        (["今天天气好", "明天不下雨"], True),  # each character counts as a word
        (["2024-01-05 10:00:00", "2024-01-06 10:00:00"], False),  # dates
        ([1.0, 2.0], False),
        ([None, None], False),
        (["one two three", 4], False),  # not only texts
        (["one two three", None, "four five six"], True),
    ],
)
def test_a_single_column_of_texts(values: list[Any], is_text: bool) -> None:
    frame = pd.DataFrame({"words": values})
    assert is_text_table(frame) is is_text
    assert not is_text_table(frame.assign(more=values))


def test_a_single_column_needs_no_name() -> None:
    assert text_column(pd.DataFrame({"words": ["a"]}), None) == "words"


def test_missing_texts_are_empty() -> None:
    assert to_strings(pd.Series(["a", None, float("nan"), 3])) == ["a", "", "", "3"]
