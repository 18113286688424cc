from pathlib import Path

import pytest

from goodfit.data.reading.listing import (
    Listing,
    count_suffixes,
    list_classes,
    list_unlabelled,
    map_files,
    roots,
    split_damaged,
)
from goodfit.errors import InputError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_files_of_classes_are_sorted_and_hidden_ones_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.PNG", "b/1.png", "a/deep/3.png", "a/.hidden.png", "a/.cache/5.png", "_c/4.png", "a/notes.md")
    listing = list_classes(tmp_path, "images", {".png"})
    assert [file.name for file in listing.files] == ["3.png", "1.png", "2.PNG"]
    assert listing.labels == ("a", "b", "b")
    assert count_suffixes(tmp_path)[".md"] == 1


def test_train_and_test_folders(tmp_path: Path) -> None:
    assert roots(tmp_path) == [tmp_path]
    touch(tmp_path, "Train/a/1.png", "test/a/1.png")
    assert [root.name for root in roots(tmp_path)] == ["Train", "test"]


@pytest.mark.parametrize("parts", [["train", "val"], ["Train", "valid", "test"], ["validation"]])
def test_other_parts_are_refused(tmp_path: Path, parts: list[str]) -> None:
    touch(tmp_path, *(f"{part}/{label}/1.png" for part in parts for label in "ab"))
    with pytest.raises(InputError, match=r"a folder of parts must hold exactly train and test, got '.*; move the"):
        roots(tmp_path)
    touch(tmp_path, f"{parts[0]}/1.png")  # a class that has the name of a part
    assert roots(tmp_path) == [tmp_path]


def test_unlabelled_files_have_their_names_as_labels(tmp_path: Path) -> None:
    touch(tmp_path, "x/1.wav", "2.wav")
    assert list_unlabelled(tmp_path, "sounds", {".wav"}).labels == ("2.wav", "x/1.wav")
    assert list_unlabelled(tmp_path / "2.wav", "sounds", {".wav"}).labels == ("2.wav",)
    with pytest.raises(InputError, match=r"trained on images, but '2.wav' holds none \(\.png\)"):
        list_unlabelled(tmp_path / "2.wav", "images", {".png"})


def test_damaged_files_are_named(tmp_path: Path) -> None:
    listing = Listing(tmp_path, (tmp_path / "a", tmp_path / "b"), ("x", "y"))
    results, reasons = split_damaged(map_files([1, 0], lambda n: 1 / n, "dividing"))
    assert results[0] == 1
    assert reasons == {1: "division by zero"}
    with pytest.raises(InputError, match=r"load: 1 of 2 files cannot be read: 'b'"):
        listing.report_damaged(reasons, "refuse")
    listing.report_damaged(reasons, "skip")
    with pytest.raises(InputError, match=r"2 of 2 files .* \(x\); repair or replace them\.$"):
        listing.report_damaged({0: "x", 1: "x"}, "skip")
