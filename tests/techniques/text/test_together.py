"""All of them in training: in populations over several vocabularies, in a loop of the user's own, stored with a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from goodfit import Training, attach, fit, fit_many
from goodfit.data import Inputs, Split, Texts, load
from goodfit.errors import InputError
from goodfit.store import load_run, save_run

RECIPE = (
    "synonyms=0.3, random_insertion=0.2, random_deletion=0.2, random_swap=0.2, word_removal=0.2, character_noise=0.2"
)
SETTINGS = Training(epochs=2, batch_size=16, learning_rate=0.01)


def data(word: str, often: str = "quick") -> Split:
    own = {"good": f"happy {word} day", "bad": f"angry {word} night", "odd": f"quick big house {often} {often} {often}"}
    said = [(f"{own[kind]} the {other}", kind) for kind in own for other in ["home", "two", "to", "too", word] * 8]
    return load(([text for text, _ in said], [kind for _, kind in said]), options=Texts()).split(0)


def test_members_with_vocabularies_of_their_own() -> None:
    splits = {0: data("prize"), 1: data("omega")}
    assert len({split.spec.inputs.vocabulary for split in splits.values()}) == 2
    runs = fit_many("bag:4-4", splits, [RECIPE, "synonyms=0.5"], SETTINGS, population=True)
    for run in runs:
        alone = fit("bag:4-4", splits[run.seed], run.recipe, SETTINGS, seed=run.seed)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-5)


def test_equally_many_words_are_not_the_same_words() -> None:
    splits = {0: data("prize", "big"), 1: data("prize", "house")}
    assert len({split.spec.inputs.vocabulary for split in splits.values()}) == 1
    first, second = (split.spec.inputs.words for split in splits.values())
    assert not torch.equal(first.synonyms.ids, second.synonyms.ids)
    runs = fit_many("bag:4-4", splits, [RECIPE], SETTINGS, population=True)
    for run in runs:
        alone = fit("bag:4-4", splits[run.seed], run.recipe, SETTINGS, seed=run.seed)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-5)


def test_in_a_loop_of_ones_own(text_split: Split) -> None:
    x, y = text_split.train.x, text_split.train.y
    net = nn.Sequential(nn.Embedding(text_split.spec.inputs.vocabulary, 4), nn.Flatten(), nn.Linear(4 * x.shape[1], 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with attach(net, RECIPE, optimizer, data=(x, y), inputs=text_split.spec.inputs) as reg:
        changed, same = reg.batch(x, y)
    assert changed.dtype == x.dtype
    assert (changed != x).any(1).float().mean() > 0.5
    assert torch.equal(same, y)
    with pytest.raises(InputError, match="it must know the words behind the word numbers"), attach(
        net, "synonyms=0.2", optimizer, data=(x, y), inputs=Inputs("text")
    ) as reg:  # fmt: skip
        reg.batch(x, y)


def test_a_stored_run_reads_new_texts(text_split: Split, tmp_path: Path) -> None:
    run = fit("text_cnn:4-4", text_split, "synonyms=0.2", SETTINGS)
    save_run(run, tmp_path / "run")
    again = load_run(tmp_path / "run")
    x = torch.from_numpy(again.preprocessing.transform(["a happy day", "", "你好"]))
    assert torch.equal(again.outputs(x), run.outputs(x))
    assert again.preprocessing == run.preprocessing
