"""Data kinds: each is registered once, inferred as documented, and the only place that knows its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import goodfit
from goodfit.data.kinds import (
    KINDS,
    DataKind,
    kind,
    kind_of_array,
    kind_of_folder,
    kind_of_inputs,
    kind_of_options,
    kind_of_table,
    mask_kind,
)
from goodfit.data.options import RECORDS, Images, Options
from goodfit.errors import InputError
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.techniques import ALL, L2, Brightness, CutMix, Dropout, Hue, Synonyms

SOURCE = Path(goodfit.__file__).parent


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """The constants that are compared, are keys of a dict, or are members of what `in` looks through."""
    for node in ast.walk(tree):
        parts: list[ast.expr | None] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            parts = list(node.keys)
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop"):
            parts = list(node.args[:1])
        for part in parts:
            inner = part.elts if isinstance(part, ast.Tuple | ast.List | ast.Set) else [part]
            yield from (each for each in inner if isinstance(each, ast.Constant))


def named_kinds(path: Path) -> list[str]:
    """Where a file compares a kind's name or uses it as a key."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{path.relative_to(SOURCE)}:{each.lineno} {each.value!r}" for each in literals(tree) if each.value in KINDS
    ]


NOT_KINDS = {
    "report/theme.py": "text",
    "report/histogram.py": "text",
    "report/curves.py": "text",
    "study/result.py": "text",
    "study/save.py": "text",
}
"""Keys of figures and tables that happen to have the name of a kind."""


def test_no_other_module_compares_the_name_of_a_kind() -> None:
    places = [
        place
        for path in sorted(SOURCE.rglob("*.py"))
        if SOURCE / "data" / "kinds" not in path.parents
        for place in named_kinds(path)
        if NOT_KINDS.get(path.relative_to(SOURCE).as_posix()) != place.split("'")[1]
    ]
    assert places == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    code = (
        "a = kind == 'image'\nb = kind in ('table', 'text')\nc = {'sound': 1}\nd = names['video']\n"
        "e = names.get('series')\nmatch kind:\n    case 'image':\n        pass\nf = Inputs('image')\n"
    )
    places = [each.value for each in literals(ast.parse(code)) if each.value in KINDS]
    assert sorted(places) == ["image", "image", "series", "sound", "table", "text", "video"]


@pytest.mark.parametrize("each", KINDS.values(), ids=KINDS)
def test_a_kind_says_everything_about_itself(each: DataKind) -> None:
    assert kind(each.name) is each
    assert type(each).__doc__
    assert each.shape_text.startswith("(rows, ")
    assert each.shape_text.count(",") == (each.space + 1 if each.space else 1)
    assert each.samples
    assert each.preview in ("rows", "lines", "picture", "clip", "spectrogram", "words")
    assert each.array_options <= set(each.options.knobs())
    for text in (*each.augmentations, each.combination, *each.example.split(" or ")):
        assert all(each.name in (technique.kinds or KINDS) for technique in Recipe.of(text))


def test_a_kind_has_one_record_and_a_default_network() -> None:
    assert {each.options for each in KINDS.values()} == set(RECORDS)
    for each in KINDS.values():
        assert kind_of_options(each.options()) is each
        words, shape = (
            (9, (8,)) if each.whole_numbers else (0, (1, 1000) if each.space == 1 else (3, *[16] * each.space))
        )
        assert build(each.default_network("classification"), shape, 2, 0, words)
    assert kind_of_options(Options()) is None
    assert mask_kind().default_network("segmentation") == "unet"


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"inputs: kind must be one of .* got 'imgae'\. Did you mean 'image'"):
        kind("imgae")


@pytest.mark.parametrize(
    ("shape", "dtype", "name"),
    [
        ((9, 4), np.float32, "table"),
        ((9, 4), np.uint8, "table"),
        ((9, 4, 5), np.float32, "series"),
        ((9, 4, 5), np.uint8, "image"),
        ((9, 3, 4, 5), np.float32, "image"),
        ((9, 3, 4, 5, 6), np.uint8, "video"),
        ((9, 1, 1, 1, 1, 1), np.uint8, "table"),
    ],
)
def test_arrays(shape: tuple[int, ...], dtype: type, name: str) -> None:
    assert kind_of_array(np.zeros(shape, dtype)).name == name


@pytest.mark.parametrize(
    ("shape", "floats", "name"),
    [((9, 4), True, "table"), ((9, 4), False, "text"), ((9, 2, 4), True, "series"), ((9, 1, 2, 4), True, "image"),
     ((9, 1, 2, 2, 2), True, "video"), ((9,), True, "table")],
)  # fmt: skip
def test_inputs_of_a_network(shape: tuple[int, ...], floats: bool, name: str) -> None:
    assert kind_of_inputs(shape, floats).name == name


def test_tables_of_columns() -> None:
    texts = pd.DataFrame({"words": [f"a good day number {i}" for i in range(20)]})
    assert kind_of_table(texts).name == "text"
    assert kind_of_table(texts.assign(n=1)).name == "table"
    with pytest.raises(InputError, match="load: the columns of a table cannot be images; give arrays"):
        kind("image").take_columns(texts, Images())


@pytest.mark.parametrize(
    ("names", "name"),
    [
        (["a/1.png", "b/2.jpg", "b/3.wav"], "image"),
        (["a/1.png", "a/2.wav", "b/3.wav"], "sound"),
        (["a/1.gif", "b/2.gif"], "image"),
        (["a/1.mp4", "b/2.mkv", "b/3.png"], "video"),
        (["a/1.txt", "b/2.txt", "b/3.png"], "text"),
        (["images/1.png", "masks/1.png"], "image"),
        ([], "image"),
    ],
)
def test_folders(tmp_path: Path, names: list[str], name: str) -> None:
    for each in names:
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).touch()
    assert kind_of_folder(tmp_path).name == name


def test_what_a_kind_accepts() -> None:
    image, text = kind("image"), kind("text")
    assert image.accepts(Brightness(), 1, False)
    assert image.accepts(L2(), 1, False)
    assert image.accepts(Hue(), 3, False)
    assert "it acts on images with 3 channels (RGB), got 1 channels" in image.accepts(Hue(), 1, False).reason
    assert (
        "it acts on text data; these inputs are image data (rows, channels"
        in image.accepts(Synonyms(), 1, False).reason
    )
    assert text.accepts(Synonyms(), 8, True)
    assert "it must know the words behind the word ids" in text.accepts(Synonyms(), 8, False).reason
    assert "it acts on floats; texts are whole numbers" in text.accepts(CutMix(), 8, True).reason
    assert text.accepts(Dropout(), 8, True)


def test_techniques_name_kinds_that_there_are() -> None:
    for technique in ALL.values():
        assert set(technique.kinds) <= set(KINDS), technique
