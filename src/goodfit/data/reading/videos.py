"""Video files as arrays: channels first, 8 bits per value, one number of frames. The only module that imports av."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.options import Clips
from goodfit.data.reading.cache import Allocate, compact_rows
from goodfit.data.reading.images import common_form
from goodfit.data.reading.listing import LOG, Listing, Names, map_files, split_damaged, suffix, warn_resized
from goodfit.errors import MissingExtra, first_line
from goodfit.types import Array

SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mkv", ".avi", ".mov", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".mts", ".3gp",
})  # fmt: skip
ANIMATED = frozenset({".gif"})
"""Suffixes that count as clips only where the user chose clips: otherwise they are images."""
FRAMES = 16
"""How many frames a clip gets where no option says it."""
COVERED = 95
"""Percentage of the clips that are not cut where a rate without a length is given."""
WHOLE = 0.9
"""Share of the frames announced by a file that must be there: some files only estimate the number."""
GREY = ("gray", "mono")
"""First letters of av's names of formats with one channel."""
TIMED = ("matroska,webm", "flv")
"""Containers whose header holds their length, but not their number of frames."""
MANY = 20
"""Number of clips from which on a progress bar is shown."""
REMEDY = "; frames=, or rate= and seconds=, choose other frames"


@dataclass(frozen=True)
class ClipFormat:
    """Size, channels and frames that all clips of an array have.

    `rate` is in frames per second; 0: the frames are spread evenly over each clip.
    """

    size: tuple[int, int]  # height, width
    channels: int
    frames: int
    rate: float = 0.0


@dataclass(frozen=True, eq=False)
class Properties:
    """What is known of a clip before it is decoded: its size, whether it is grey, and the times of its frames (s)."""

    size: tuple[int, int]
    grey: bool
    times: Array

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        return (len(self.times) - 1) / float(self.times[-1]) if len(self.times) > 1 else 1.0

    @property
    def length(self) -> float:
        """Seconds from its beginning to the end of its last frame."""
        return len(self.times) / self.rate


def inspect(file: Path) -> Properties:
    """A clip's size, colours and times; only its first frame is decoded.

    Raises:
        ValueError: the file is not a clip, or it is truncated.
    """
    with _opened(file) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise ValueError("it holds no frame")
        turned = round(first.rotation / 90) % 2 == 1  # the camera was held upright
        size = (first.width, first.height) if turned else (first.height, first.width)
    return Properties(size, first.format.name.startswith(GREY), _times(file))


def _times(file: Path) -> Array:
    """The times at which a clip's frames are shown, in seconds from the first (frames,).

    A truncated mpg, ts or wmv file cannot be recognized.
    """
    with _opened(file) as (container, stream):
        announced, rate = stream.frames, float(stream.average_rate or stream.guessed_rate or 1)
        length = container.duration / 1e6 if container.duration and container.format.name in TIMED else 0.0
        shown, end = [], 0.0
        for packet in container.demux():
            if packet.size:
                shown += [packet.pts] if packet.stream.index == stream.index else []
                end = max(end, float((packet.pts or 0) * packet.time_base) + 1 / rate)
        unit = float(stream.time_base)
    if len(shown) < WHOLE * announced or end < WHOLE * length or _lacks_trailer(file):
        raise ValueError(f"the file is truncated after {len(shown)} frames")
    timed = None not in shown and len(set(shown)) == len(shown)
    times = np.sort(np.array(shown, np.float64)) * unit if timed else np.arange(len(shown)) / rate
    since: Array = times - times[0]
    return since


def _lacks_trailer(file: Path) -> bool:
    """Whether a gif, whose header holds neither its length nor its number of frames, is truncated."""
    if suffix(file) not in ANIMATED:
        return False
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 16))
        return b";" not in opened.read()


def choose_frames(times: Array, form: ClipFormat) -> Array:
    """The positions of the frames of a clip that are used (frames of the form,).

    With a rate, the frame nearest to each time k / rate, after the clip's end its last frame; without a rate, frames
    from the first to the last in even steps.

    >>> choose_frames(np.arange(10) / 10, ClipFormat((1, 1), 1, 4)).tolist()
    [0, 3, 6, 9]
    >>> choose_frames(np.arange(4) / 10, ClipFormat((1, 1), 1, 4, rate=5.0)).tolist()
    [0, 2, 3, 3]
    """
    last = len(times) - 1
    if not form.rate:
        even = np.linspace(0, last, form.frames) if form.frames > 1 else np.array([last / 2])
        return (even + 0.5).astype(np.int64)
    frame_times = np.arange(form.frames) / form.rate
    behind = np.searchsorted(times, frame_times)
    after, before = behind.clip(0, last), (behind - 1).clip(0, last)
    nearest: Array = np.where(times[after] - frame_times < frame_times - times[before] + 1e-9, after, before)
    return nearest


def decode(file: Path, form: ClipFormat, times: Array) -> Array:
    """Decode a clip; after its end its last frame is repeated, transparent pixels become white.

    Args:
        file: the clip.
        form: size, channels and frames.
        times: the times of its frames, from `inspect`.

    Shape: (channels, frames, height, width) uint8.

    Raises:
        ValueError: the file is damaged.
    """
    positions = choose_frames(times, form).tolist()
    needed, last = {*positions, 0}, max(positions)
    kept: dict[int, Array] = {}
    count = 0
    with _opened(file) as (container, stream):
        for frame in container.decode(stream):
            if count in needed:
                kept[count] = _pixels(frame, form)
            count += 1
            if count > last:
                break
    if not kept or count < WHOLE * (last + 1):
        raise ValueError(f"the file is truncated after {count} of {len(times)} frames")
    frames = [kept[0]]
    for position in positions:
        frames.append(kept.get(position, frames[-1]))
    return np.stack(frames[1:], 1)


def decode_listing(
    listing: Listing, options: Clips, form: ClipFormat | None = None, allocate: Allocate = np.zeros
) -> tuple[Array, Array, ClipFormat]:
    """Decode the clips of a folder.

    Args:
        listing: the files.
        options: size and frames, and what to do with damaged files.
        form: the form of earlier clips, which these get too; None: the form that suits these.
        allocate: creates the array to decode into.

    Returns:
        The clips (rows, channels, frames, height, width) uint8, their classes (rows,), and their form.
    """
    results, damaged = split_damaged(map_files(listing.files, inspect, "reading clips", MANY))
    good = [i for i in range(len(listing.files)) if i not in damaged]
    if not good:
        listing.report_damaged(damaged, options.damaged)
    clips: list[Properties] = [results[i] for i in good]

    def names(rows: Sequence[int]) -> str:
        return listing.names(listing.files[good[i]] for i in rows)

    remedy = REMEDY if form is None else ""
    if form is None:
        still = common_form([(clip.size, clip.grey) for clip in clips], options.size, names, "clips")
        form = ClipFormat(still.size, still.channels, *_frames_and_rate(clips, options))
    elif options.size is None:
        warn_resized([clip.size for clip in clips], form.size, names, "clips")
    x = allocate((len(good), form.channels, form.frames, *form.size), np.uint8)

    def decode_into(at: int) -> None:
        x[at] = decode(listing.files[good[at]], form, clips[at].times)

    _, broken = split_damaged(map_files(range(len(good)), decode_into, "decoding clips", MANY))
    listing.report_damaged(damaged | {good[at]: why for at, why in broken.items()}, options.damaged)
    rows = [at for at in range(len(good)) if at not in broken]
    _warn_frames([clips[at] for at in rows], form, lambda some: names([rows[at] for at in some]), remedy)
    labels = np.array([listing.labels[good[at]] for at in rows])
    return compact_rows(x, rows), labels, form


def _frames_and_rate(clips: Sequence[Properties], options: Clips) -> tuple[int, float]:
    """How many frames clips get, and at which rate (0: evenly spread)."""
    if options.rate is None and options.seconds is None:
        return options.frames or min(FRAMES, max(len(clip.times) for clip in clips)), 0.0
    if options.frames is not None:
        return options.frames, float(options.rate or options.frames / (options.seconds or 1.0))
    rate = float(options.rate or Counter(round(clip.rate, 2) for clip in clips).most_common(1)[0][0])
    seconds = options.seconds or float(np.percentile([clip.length for clip in clips], COVERED))
    return max(1, round(seconds * rate)), rate


def _warn_frames(clips: Sequence[Properties], form: ClipFormat, names: Names, remedy: str) -> None:
    """Log which frames are used, and which clips are short."""
    counts = [len(clip.times) for clip in clips]
    single = [i for i, count in enumerate(counts) if count == 1]
    if single:
        LOG.warning("load: %d of %d clips have only one frame: %s", len(single), len(counts), names(single))
    if not form.rate:
        few = sum(count < form.frames for count in counts)
        if {*counts} != {form.frames}:
            own = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
            repeated = f"; {few} have fewer, so that some of their frames are repeated" if few else ""
            summary = f"clips of {own} frames get {form.frames} frames, evenly spread over each{repeated}{remedy}"
            LOG.warning("load: %s", summary)
        return
    lengths, length, half = [clip.length for clip in clips], form.frames / form.rate, 0.5 / form.rate
    longer, shorter = (sum(sign * (own - length) > half for own in lengths) for sign in (1, -1))
    if longer or shorter:
        LOG.warning(
            "load: clips of %.4g to %.4g s get the length %.4g s (%d frames, %.4g per second): the end of %d is cut "
            "off, the last frame of %d is repeated%s",
            min(lengths), max(lengths), length, form.frames, form.rate, longer, shorter, remedy,
        )  # fmt: skip


def _pixels(frame: Any, form: ClipFormat) -> Array:
    """A frame's pixels (channels, height, width), scaled to cover the form's size and cropped evenly."""
    turns = round(frame.rotation / 90) % 4
    height, width = form.size[::-1] if turns % 2 else form.size
    scale = max(height / frame.height, width / frame.width)
    tall, wide = max(height, round(frame.height * scale)), max(width, round(frame.width * scale))
    if any(part.is_alpha for part in frame.format.components):
        frame = _on_white(frame)
    values = frame.to_ndarray(format="gray" if form.channels == 1 else "rgb24", width=wide, height=tall)
    top, left = (tall - height) // 2, (wide - width) // 2
    upright: Array = np.rot90(values[top : top + height, left : left + width], turns)
    return upright[None] if form.channels == 1 else upright.transpose(2, 0, 1)


def _on_white(frame: Any) -> Any:
    values = frame.to_ndarray(format="rgba").astype(np.uint16)
    colours, opaque = values[..., :3], values[..., 3:]
    blended = (colours * opaque + 255 * (255 - opaque) + 127) // 255
    return _av().VideoFrame.from_ndarray(blended.astype(np.uint8), format="rgb24")


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, Any]]:
    """Open a file and its stream of frames; references to other files or to addresses are not followed."""
    av = _av()
    try:
        with av.open(str(file.absolute()), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise ValueError("it holds no frame")
            stream.codec_context.thread_count = 1  # files are decoded in parallel
            yield container, stream
    except av.error.FFmpegError as error:
        raise ValueError(error.strerror) from error


def _av() -> Any:
    try:
        import av
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra(f"load: video files need av ({first_line(error)}); pip install goodfit[video].") from error
    return av
