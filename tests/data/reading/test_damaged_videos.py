"""Damaged files of clips."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from goodfit.data import Clips, Dataset, Options, load
from goodfit.errors import InputError

Put = Callable[..., Path]


def warned(caplog: pytest.LogCaptureFixture, source: Path, options: Options | None = None) -> tuple[Dataset, str]:
    """The loaded data and the logged warnings."""
    with caplog.at_level(logging.WARNING, "goodfit"):
        return load(source, options=options), caplog.text


@pytest.mark.parametrize("content", [b"", b"no clip at all", b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"])
def test_damaged_files_are_named(acts: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (acts / "walk" / "bad.mp4").write_bytes(content)
    with pytest.raises(InputError) as raised:
        load(acts)
    assert "1 of 13 files cannot be read: 'walk/bad.mp4'" in str(raised.value)
    assert "leave them out with damaged='skip'" in str(raised.value)
    assert str(acts) not in str(raised.value)
    data, log = warned(caplog, acts, Options(damaged="skip"))
    assert len(data) == len(data.x) == 12
    assert "walk/bad.mp4" in log


@pytest.mark.parametrize(
    ("ending", "codec", "form"),
    [("mkv", "ffv1", "bgr0"), ("mp4", "mpeg4", "yuv420p"), ("avi", "mpeg4", "yuv420p"), ("webm", "libvpx", "yuv420p")],
)
@pytest.mark.parametrize("share", [0.4, 0.8])
def test_a_truncated_clip_is_damaged(
    acts: Path, put_clip: Put, ending: str, codec: str, form: str, share: float
) -> None:
    path = put_clip(f"walk/cut.{ending}", 30, codec=codec, form=form)
    assert load(acts).x.shape == (13, 3, 16, 12, 16)
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])
    with pytest.raises(InputError, match=f"1 of 13 files cannot be read: 'walk/cut.{ending}'"):
        load(acts)
    assert len(load(acts, options=Clips(damaged="skip"))) == 12


def test_a_truncated_gif_is_damaged(gifs: Path) -> None:
    path = gifs / "run" / "0.gif"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(
        InputError, match=r"1 of 12 files cannot be read: 'run/0.gif' \(the file is truncated after \d+ frames\)"
    ):
        load(gifs, options=Clips())


def test_a_file_with_holes_is_damaged(acts: Path, put_clip: Put) -> None:
    path = put_clip("walk/holes.mp4", 30, codec="mpeg4", form="yuv420p")
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3 : len(raw) // 2] = bytes(len(raw) // 2 - len(raw) // 3)
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"1 of 13 files cannot be read: 'walk/holes.mp4'"):
        load(acts)


def test_lists_of_other_files_and_addresses_are_not_followed(acts: Path) -> None:
    listed = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost:9/clip.ts\n#EXT-X-ENDLIST\n"
    (acts / "walk" / "list.mp4").write_text(listed)
    with pytest.raises(InputError, match=r"1 of 13 files cannot be read: 'walk/list.mp4'"):
        load(acts)


def test_all_files_are_damaged(tmp_path: Path) -> None:
    for kind in ("a", "b"):
        (tmp_path / "bad" / kind).mkdir(parents=True)
        (tmp_path / "bad" / kind / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(InputError, match="2 of 2 files cannot be read"):
        load(tmp_path / "bad", options=Clips(damaged="skip"))
