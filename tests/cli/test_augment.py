"""The command augment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Cli = Callable[..., Any]


def test_augment_writes_a_page_and_a_picture(goodfit: Cli, tmp_path: Path) -> None:
    shades = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "dots.npz", x=shades, y=np.arange(40) % 2)
    out = tmp_path / "out"
    command = ("augment", tmp_path / "dots.npz", "--recipe", "rotation=20, zoom", "--show", 5, "--out", out)
    result = goodfit(*command)
    assert result.code == 0
    assert f"results in {out}; open {out / 'augment.html'}" in result.out.replace("\n", "")
    assert {path.name for path in out.iterdir()} == {"augment.html", "augment.png"}
    assert (out / "augment.html").read_text(encoding="utf-8").count("<img") == 6
    assert "holds earlier results" in goodfit(*command).err
    assert goodfit(*command, "--force").code == 0


def test_augment_shows_rows_of_a_table(goodfit: Cli, csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = goodfit("augment", csv, "--target", "kind", "--recipe", "cutmix", "--show", 4, "--out", out)
    assert result.code == 0
    assert f"results in {out}; open {out / 'augment.html'}" in result.out.replace("\n", "")
    assert [path.name for path in out.iterdir()] == ["augment.html"]
    assert (out / "augment.html").read_text(encoding="utf-8").count('<th scope="col">') == 5


def test_augment_draws_series(goodfit: Cli, tmp_path: Path) -> None:
    moves = np.random.default_rng(0).normal(size=(40, 2, 16))
    np.savez(tmp_path / "moves.npz", x=moves, y=np.arange(40) % 2)
    out = tmp_path / "out"
    command = ("augment", tmp_path / "moves.npz", "--kind", "series", "--recipe", "jitter", "--show", 3, "--out", out)
    assert goodfit(*command).code == 0
    assert {path.name for path in out.iterdir()} == {"augment.html", "augment.svg"}
    assert (out / "augment.html").read_text(encoding="utf-8").count("<path") == 2 * 4


def test_augment_refuses_in_one_line(goodfit: Cli, csv: Path, tmp_path: Path) -> None:
    for recipe, message in (
        ("rotation=20", "Rotation: it acts on image and video data; these inputs are table data"),
        ("l2=0.1", "must have an augmentation such as swap_noise=0.1 or cutmix, got l2=0.1"),
    ):
        result = goodfit("augment", csv, "--target", "kind", "--recipe", recipe, "--out", tmp_path / "o")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert message in result.err
        assert not (tmp_path / "o").exists()
