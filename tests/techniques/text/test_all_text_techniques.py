"""All text techniques in training: populations with several vocabularies, a manual loop, and a saved run."""

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
    sentences = [(f"{own[kind]} the {other}", kind) for kind in own for other in ["home", "two", "to", "too", word] * 8]
    return load(([text for text, _ in sentences], [kind for _, kind in sentences]), options=Texts()).split(0)


def test_members_with_different_vocabularies() -> None:
    splits = {0: data("prize"), 1: data("omega")}
    assert len({split.spec.inputs.vocabulary for split in splits.values()}) == 2
    runs = fit_many("bag:4-4", splits, [RECIPE, "synonyms=0.5"], SETTINGS, population=True)
    for run in runs:
        alone = fit("bag:4-4", splits[run.seed], run.recipe, SETTINGS, seed=run.seed)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-5)


def test_vocabularies_of_the_same_size_are_distinguished() -> None:
    splits = {0: data("prize", "big"), 1: data("prize", "house")}
    assert len({split.spec.inputs.vocabulary for split in splits.values()}) == 1
    first, second = (split.spec.inputs.words for split in splits.values())
    assert not torch.equal(first.synonyms.ids, second.synonyms.ids)
    runs = fit_many("bag:4-4", splits, [RECIPE], SETTINGS, population=True)
    for run in runs:
        alone = fit("bag:4-4", splits[run.seed], run.recipe, SETTINGS, seed=run.seed)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-4, atol=1e-5)


def test_in_a_manual_loop(text_split: Split) -> None:
    x, y = text_split.train.x, text_split.train.y
    net = nn.Sequential(nn.Embedding(text_split.spec.inputs.vocabulary, 4), nn.Flatten(), nn.Linear(4 * x.shape[1], 3))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with attach(net, RECIPE, optimizer, data=(x, y), inputs=text_split.spec.inputs) as reg:
        changed, same = reg.batch(x, y)
    assert changed.dtype == x.dtype
    assert (changed != x).any(1).float().mean() > 0.5
    assert torch.equal(same, y)
    with pytest.raises(InputError, match="it must know the words behind the word ids"), attach(
        net, "synonyms=0.2", optimizer, data=(x, y), inputs=Inputs("text")
    ) as reg:  # fmt: skip
        reg.batch(x, y)


def test_a_saved_run_reads_new_texts(text_split: Split, tmp_path: Path) -> None:
    run = fit("text_cnn:4-4", text_split, "synonyms=0.2", SETTINGS)
    save_run(run, tmp_path / "run")
    loaded = load_run(tmp_path / "run")
    x = torch.from_numpy(loaded.preprocessing.transform(["a happy day", "", "你好"]))
    assert torch.equal(loaded.outputs(x), run.outputs(x))
    assert loaded.preprocessing == run.preprocessing
