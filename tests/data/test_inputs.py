"""What inputs are: their kind, the range of their values, and groups of columns."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.task import TaskSpec
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError


def test_groups_are_stored_with_the_task() -> None:
    spec = TaskSpec("classification", "y", ("a", "b"), (7,), 2, "table", Inputs(groups=((1, 2), (3, 6))))
    assert TaskSpec.from_dict(spec.to_dict()) == spec


@pytest.mark.parametrize("groups", [((2, 2),), ((3, 5), (4, 6)), ((3, 5), (1, 2)), ((-1, 2),)])
def test_unordered_groups_are_refused(groups: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InputError, match="of columns, in order without overlap, got groups="):
        Inputs(groups=groups)


def test_images_have_the_range_of_their_values() -> None:
    images = torch.linspace(-1, 2, 96).reshape(6, 1, 4, 4)
    assert Inputs.of(images) == Inputs("image", -1.0, 2.0)
    assert Inputs.of(torch.zeros(3, 1, 2, 2)) == Inputs("image", 0.0, 1.0)  # one value alone is no range
    sounds = torch.tensor([[[-1.0, 0.25]]])
    assert Inputs.of(sounds, "sound") == Inputs("sound", -1.0, 1.0)  # symmetric, so that polarity can be inverted
    assert Inputs.of(torch.tensor([[-5.0, 5.0]])) == Inputs("table", 0.0, 1.0)


def test_texts_have_as_many_words_as_their_largest_number() -> None:
    assert Inputs.of(torch.tensor([[3, 8, 0], [1, 0, 0]])) == Inputs("text", vocabulary=9)
    assert Inputs.of(torch.zeros(0, 3, dtype=torch.int64)) == Inputs("text", vocabulary=0)
    assert Inputs("text", words=Vocabulary.of_names(["good", "bad"])).vocabulary == 4  # with padding and unknown words


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (torch.zeros(6, 1, 4, 4), "video", r"inputs: video data has the shape .* got \(6, 1, 4, 4\)"),
        (torch.zeros(6, 4), "text", r"inputs: text data must be word ids from 0 on, .* got torch.float32 \(6, 4\)"),
        (torch.tensor([[1, -1]]), "text", r"inputs: text data must be word ids from 0 on, .* got torch.int64 \(1, 2\)"),
        (torch.zeros(6, 4), "pictures", "inputs: kind must be one of .* got 'pictures'"),
    ],
)
def test_tensors_that_the_kind_cannot_have_are_refused(x: Tensor, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Inputs.of(x, kind)


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(InputError, match=r"inputs: low must be below high, got low=1, high=0\."):
        Inputs("image", 1, 0)


def test_unit_and_back_by_hand() -> None:
    inputs, x = Inputs("image", -0.5, 1.5), torch.tensor([-0.5, 0.5, 1.5, 2.5])
    assert inputs.unit(x).tolist() == [0.0, 0.5, 1.0, 1.5]
    assert torch.equal(inputs.back(inputs.unit(x)), x)


def test_another_range_may_differ_between_members() -> None:
    low = torch.tensor([[-1.0], [0.0]])
    inputs = Inputs("sound", rate=8000).between(low, low + 2)
    assert (inputs.kind, inputs.rate) == ("sound", 8000)
    assert inputs.unit(torch.tensor([[0.0], [1.0]])).tolist() == [[0.5], [0.5]]


def test_words_are_not_part_of_the_stored_values() -> None:
    inputs = Inputs("text", words=Vocabulary.of_names(["good", "bad"]))
    values = json.loads(json.dumps(inputs.to_dict()))
    assert "words" not in values
    assert Inputs.from_dict(values) == inputs
    assert Inputs.from_dict(values).words is None
    rated = Inputs("video", rate=12.5)
    assert Inputs.from_dict(rated.to_dict()) == rated
