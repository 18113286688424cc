"""Video files as arrays: channels in front, 8 bits each, one number of frames. The only place that imports av."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.reading.asked import Asked
from goodfit.data.reading.cache import Make, compact_rows
from goodfit.data.reading.images import Size, common
from goodfit.data.reading.listing import LOG, Damaged, Listing, ending, over, parted, tell_sizes
from goodfit.errors import MissingExtra
from goodfit.types import Array

SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mkv", ".avi", ".mov", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".mts", ".3gp",
})  # fmt: skip
ANIMATED = frozenset({".gif"})
"""What counts as clips only where they are asked for: else it is images."""
FRAMES = 16
"""How many frames a clip gets where nothing is asked for."""
COVERED = 95
"""Percent of the clips that are not cut where a rate without a length is given."""
WHOLE = 0.9
"""The share of the frames that a file says it has which it must have: some count them roughly."""
GREY = ("gray", "mono")
"""How av's names begin of what has one channel."""
TIMED = ("matroska,webm", "flv")
"""Containers that say at their beginning how long they are, and not how many frames they have."""
MANY = 20
"""Clips from which on a progress bar is shown."""
REMEDY = "; frames=, or rate= and length=, sets others"


@dataclass(frozen=True)
class Form:
    """In which form clips become an array: so many frames at a `rate` per second, 0: evenly spread over the clip."""

    size: tuple[int, int]  # height, width
    channels: int
    frames: int
    rate: float = 0.0


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of a clip before it is decoded: how large and how grey, and when its frames are shown (s)."""

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


def look(file: Path) -> Look:
    """A clip's size, colours and times; its first frame alone is decoded.

    Raises:
        ValueError: it is no clip, or ends before its end.
    """
    with _opened(file) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise ValueError("it holds no frame")
        turned = round(first.rotation / 90) % 2 == 1  # a camera that was held upright
        size = (first.width, first.height) if turned else (first.height, first.width)
    return Look(size, first.format.name.startswith(GREY), _times(file))


def _times(file: Path) -> Array:
    """When a clip's frames are shown, in seconds from the first (frames,).

    mpg, ts and wmv do not tell that they were cut.
    """
    with _opened(file) as (container, stream):
        promised, usual = stream.frames, float(stream.average_rate or stream.guessed_rate or 1)
        length = container.duration / 1e6 if container.duration and container.format.name in TIMED else 0.0
        shown, end = [], 0.0
        for packet in container.demux():
            if packet.size:
                shown += [packet.pts] if packet.stream.index == stream.index else []
                end = max(end, float((packet.pts or 0) * packet.time_base) + 1 / usual)
        unit = float(stream.time_base)
    if len(shown) < WHOLE * promised or end < WHOLE * length or _lacks_trailer(file):
        raise ValueError("it ends before its end")
    told = None not in shown and len(set(shown)) == len(shown)
    times = np.sort(np.array(shown, np.float64)) * unit if told else np.arange(len(shown)) / usual
    since: Array = times - times[0]
    return since


def _lacks_trailer(file: Path) -> bool:
    """Whether a gif, which says neither its length nor its number of frames, ends before its end."""
    if ending(file) not in ANIMATED:
        return False
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - 16))
        return b";" not in opened.read()


def chosen(times: Array, form: Form) -> Array:
    """Which frames of a clip (frames of the form,) are taken, by number.

    With a rate, at k / rate the one that is nearest, behind its end the last; else evenly from the first to the last.

    >>> chosen(np.arange(10) / 10, Form((1, 1), 1, 4)).tolist()
    [0, 3, 6, 9]
    >>> chosen(np.arange(4) / 10, Form((1, 1), 1, 4, rate=5.0)).tolist()
    [0, 2, 3, 3]
    """
    last = len(times) - 1
    if not form.rate:
        even = np.linspace(0, last, form.frames) if form.frames > 1 else np.array([last / 2])
        return (even + 0.5).astype(np.int64)
    wanted = np.arange(form.frames) / form.rate
    behind = np.searchsorted(times, wanted)
    after, before = behind.clip(0, last), (behind - 1).clip(0, last)
    nearest: Array = np.where(times[after] - wanted < wanted - times[before] + 1e-9, after, before)
    return nearest


def decode(file: Path, form: Form, times: Array) -> Array:
    """A clip's pixels (channel, frame, height, width) as uint8; behind its end its last frame is repeated.

    `times`: those of its `look`. Transparency becomes white.

    Raises:
        ValueError: the file is damaged.
    """
    wanted = chosen(times, form).tolist()
    needed, last = {*wanted, 0}, max(wanted)
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
        raise ValueError(f"it ends after {count} of {len(times)} frames")
    made = [kept[0]]
    for number in wanted:
        made.append(kept.get(number, made[-1]))
    return np.stack(made[1:], 1)


def decoded(
    each: Listing, size: Size, asked: Asked, damaged: Damaged, form: Form | None = None, make: Make = np.zeros
) -> tuple[Array, Array, Form]:
    """The clips (rows, channels, frames, height, width) of a folder and their classes, and the form they are in."""
    looks, unreadable = parted(over(each.files, look, "looking at clips", MANY))
    good = [i for i in range(len(each.files)) if i not in unreadable]
    if not good:
        each.tell(unreadable, damaged)
    seen: list[Look] = [looks[i] for i in good]

    def names(rows: Sequence[int]) -> str:
        return each.names(each.files[good[i]] for i in rows)

    remedy = REMEDY if form is None else ""
    if form is None:
        still = common([(one.size, one.grey) for one in seen], size, names, "clips")
        form = Form(still.size, still.channels, *_timing(seen, asked))
    elif size is None:
        tell_sizes([one.size for one in seen], form.size, names, "clips")
    x = make((len(good), form.channels, form.frames, *form.size), np.uint8)

    def into(at: int) -> None:
        x[at] = decode(each.files[good[at]], form, seen[at].times)

    _, broken = parted(over(range(len(good)), into, "decoding clips", MANY))
    each.tell(unreadable | {good[at]: why for at, why in broken.items()}, damaged)
    kept = [at for at in range(len(good)) if at not in broken]
    _tell([seen[at] for at in kept], form, lambda rows: names([kept[row] for row in rows]), remedy)
    labels = np.array([each.labels[good[at]] for at in kept])
    return compact_rows(x, kept), labels, form


def _timing(looks: Sequence[Look], asked: Asked) -> tuple[int, float]:
    """How many frames clips get, and at which rate, 0: evenly spread."""
    if asked.rate is None and asked.length is None:
        return asked.frames or min(FRAMES, max(len(one.times) for one in looks)), 0.0
    if asked.frames is not None:
        return asked.frames, float(asked.rate or asked.frames / (asked.length or 1.0))
    rate = float(asked.rate or Counter(round(one.rate, 2) for one in looks).most_common(1)[0][0])
    seconds = asked.length or float(np.percentile([one.length for one in looks], COVERED))
    return max(1, round(seconds * rate)), rate


def _tell(looks: Sequence[Look], form: Form, names: Callable[[Sequence[int]], str], remedy: str) -> None:
    """Say which frames are taken, and which clips are short."""
    counts = [len(one.times) for one in looks]
    single = [i for i, count in enumerate(counts) if count == 1]
    if single:
        LOG.warning("load: %d of %d clips have one frame only: %s", len(single), len(counts), names(single))
    if not form.rate:
        few = sum(count < form.frames for count in counts)
        if {*counts} != {form.frames}:
            own = str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
            repeated = f"; {few} have fewer, some of theirs are repeated" if few else ""
            said = f"clips of {own} frames are brought to {form.frames}, evenly spread over each{repeated}{remedy}"
            LOG.warning("load: %s", said)
        return
    lengths, length, half = [one.length for one in looks], form.frames / form.rate, 0.5 / form.rate
    longer, shorter = (sum(way * (own - length) > half for own in lengths) for way in (1, -1))
    if longer or shorter:
        LOG.warning(
            "load: clips of %.4g to %.4g s are brought to %.4g s (%d frames, %.4g per second): the end of %d is cut "
            "off, the last frame of %d is repeated%s",
            min(lengths), max(lengths), length, form.frames, form.rate, longer, shorter, remedy,
        )  # fmt: skip


def _pixels(frame: Any, form: Form) -> Array:
    """A frame's pixels (channel, height, width), scaled to cover the form's size and cut off evenly."""
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
    """A file and its stream of frames, which no other file or address can stand in for."""
    av = _av()
    try:
        with av.open(str(file.absolute()), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise ValueError("it holds no frame")
            stream.codec_context.thread_count = 1  # files are decoded side by side
            yield container, stream
    except av.error.FFmpegError as error:
        raise ValueError(error.strerror) from error


def _av() -> Any:
    try:
        import av
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra("load: video files need av; pip install goodfit[video]") from error
    return av
