"""Removing a study leaves everything else in its folder."""

from __future__ import annotations

from pathlib import Path

from goodfit.study.removal import remove_study

OWN = ("notes.txt", "runs/tensorboard/events", "predictions/mine.csv", "best/notes.txt", "study.json.bak")
OF_A_STUDY = ("study.json", "study.json.part", "study.db", "fits.csv", "report.html", "plain/run.json",
              "best/best.safetensors", "best/run.json.part", "predictions/0123456789abcdef.safetensors",
              "predictions/0123456789abcdef.safetensors.part", "runs/0123456789abcdef/run.json")  # fmt: skip


def write(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_files_of_the_user_stay(tmp_path: Path) -> None:
    write(tmp_path, (*OWN, *OF_A_STUDY, "locks/study.lock"))
    remove_study(tmp_path, "locks")
    assert files(tmp_path) == set(OWN)
    assert not (tmp_path / "plain").exists()
    assert not (tmp_path / "locks").exists()


def test_a_study_is_removed_completely(tmp_path: Path) -> None:
    write(tmp_path, OF_A_STUDY)
    remove_study(tmp_path, "locks")
    assert not list(tmp_path.iterdir())
