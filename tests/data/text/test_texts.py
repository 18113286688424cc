from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.data import Inputs, Preprocessing, TaskSpec, from_tensors, load
from goodfit.data.inputs import InputOptions
from goodfit.data.text.texts import TextFeatures
from goodfit.errors import InputError

TRAIN = pd.DataFrame({"note": ["Good day, good news", "a good DAY", "bad news", "odd"]})


def test_vocabulary_has_frequent_words_and_their_synonyms() -> None:
    features = TextFeatures.fit(TRAIN)
    assert features.vocabulary[:3] == ("good", "day", "news")
    assert {"just", "sound", "tidings"} <= set(features.vocabulary)  # synonyms
    assert not {"bad", "odd", ","} & set(features.vocabulary)  # once only
    assert features.counts[:3] == (3, 2, 2)
    assert features.texts[:3] == (2, 2, 2)
    assert features.inputs.vocabulary == len(features.vocabulary) + 2
    assert features.input_shape == (5,)


def test_transform() -> None:
    features = TextFeatures.fit(TRAIN)
    sound = features.words.index["sound"]
    expected = [[3, 1, 2, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 2, 2, 2, 2], [sound, 4, 0, 0, 0]]
    raw = ["Day: GOOD", "", None, "good " * 9, "Sound news"]
    for data in (raw, pd.Series(raw), pd.DataFrame({"other": 1.0, "note": raw}), np.array(raw, object)):
        ids = features.transform(data)
        assert ids.dtype == np.int64
        assert ids.tolist() == expected


def test_transform_of_other_data() -> None:
    features = TextFeatures.fit(TRAIN)
    with pytest.raises(InputError, match=r"the table has no column 'note'\. Did you mean 'notes'"):
        features.transform(pd.DataFrame({"notes": ["a"]}))
    for data in ("one text", [1.0, 2.0], np.zeros((2, 3))):
        with pytest.raises(InputError, match="texts must be a list or the column 'note' of a table"):
            features.transform(data)


def test_the_longest_texts_are_cut_with_a_note() -> None:
    rows = ["one two"] * 198 + ["one two " * 50] * 2
    features = TextFeatures.fit(pd.DataFrame({"text": rows}))
    assert features.length == 100
    features = TextFeatures.fit(pd.DataFrame({"text": rows[1:-1] + rows[:2]}))
    assert features.length == 2
    assert features.note == "1 of 200 texts are cut after 2 words"


def test_texts_without_repeated_words() -> None:
    with pytest.raises(InputError, match=r"no word occurs twice in the \d+ training texts"):
        TextFeatures.fit(pd.DataFrame({"text": ["one", "two", ""]}))


def test_to_dict_and_from_dict() -> None:
    learned = Preprocessing.fit(TRAIN, input_options=InputOptions("text"))
    reloaded = Preprocessing.from_dict(json.loads(json.dumps(learned.to_dict())))
    assert reloaded == learned
    assert torch.equal(reloaded.inputs.words.synonyms.ids, learned.inputs.words.synonyms.ids)
    values = learned.to_dict()
    values["features"]["counts"].pop()
    with pytest.raises(InputError, match="the stored values cannot be read"):
        Preprocessing.from_dict(values)


def rows(n: int = 100) -> pd.DataFrame:
    examples = [("win a prize number", "spam"), ("see you at home", "ham"), ("call me at noon", "ham")]
    frame = pd.DataFrame([examples[i % 3] for i in range(n)], columns=["words", "label"])
    return frame.assign(words=frame.words + [f" {i}" for i in range(n)])


def test_the_only_column_of_texts_is_used() -> None:
    data = load(rows())
    assert (data.kind, repr(data)) == ("text", "Dataset(table: 100 × 1, target 'label', 2 classes)")
    split = data.split(0)
    assert split.train.x.dtype == torch.int64
    assert split.spec.inputs == Inputs("text", vocabulary=len(split.preprocessing.inputs.words))
    assert TaskSpec.from_dict(json.loads(json.dumps(split.spec.to_dict()))) == split.spec
    assert split.duplicates.total == 0


def test_lists_and_series_of_texts() -> None:
    frame = rows()
    for x in (frame.words.tolist(), frame.words, frame.words.to_numpy()):
        assert load((x, frame.label)).kind == "text"


def test_tensors_of_words() -> None:
    x, y = torch.tensor([[2, 3, 0], [4, 0, 0]]), torch.tensor([0, 1])
    split = from_tensors((x, y), (x + 3, y), kind="text")
    assert split.spec.inputs == Inputs("text", vocabulary=8)
    with pytest.raises(InputError, match="train must be whole-number rows"):
        from_tensors((x.float(), y), (x.float(), y), kind="text")
    with pytest.raises(InputError, match="train must be float rows"):
        from_tensors((x, y), (x, y))
    with pytest.raises(InputError, match="word ids from 0 on"):
        from_tensors((x - 1, y), (x, y), kind="text")


def test_a_layout_fixes_length_and_ids_and_unknown_words_stay_unknown() -> None:
    more = pd.DataFrame({"note": [*TRAIN["note"], "weather weather report for today and tomorrow", "report odd odd"]})
    layout = TextFeatures.fit(more)
    features = TextFeatures.fit(TRAIN, layout)
    assert features.input_shape == layout.input_shape != TextFeatures.fit(TRAIN).input_shape
    assert features.inputs.vocabulary == layout.inputs.vocabulary
    good, weather = (features.transform([text])[0, 0] for text in ("good", "weather"))
    assert good == layout.transform(["good"])[0, 0] > 1
    assert weather == 1 < layout.transform(["weather"])[0, 0]
    position = layout.vocabulary.index("good")
    assert (features.counts[position], features.texts[position], features.total) == (3, 2, 4)
    reloaded = TextFeatures.from_dict(json.loads(json.dumps(features.to_dict())))
    assert reloaded == features
    assert np.array_equal(reloaded.transform(more), features.transform(more))
    assert "" not in reloaded.words.index
