"""Sound files as arrays of one rate and one length. The only place that imports soundfile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.checks import quoted
from goodfit.data.reading.asked import Asked
from goodfit.data.reading.cache import Make, compact_rows
from goodfit.data.reading.files import BROKEN
from goodfit.data.reading.listing import LOG, Damaged, Listing, over, parted
from goodfit.errors import InputError, MissingExtra
from goodfit.types import Array

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
COVERED = 95
"""Percent of the clips that are not cut where no length is given."""
SHORT = 16
"""Samples below which a clip is too short to be heard."""
FULL = 0.999
"""The share of full scale from which on a value counts as clipped, and the share of such values that is told."""
CLIPPED = 0.01
FULL_INT16 = 32768
REMEDY = "; length= (in seconds) sets another"
WHOLE = 0.9
"""The share of the samples that a file says it has which it must have: of mp3 files the number is an estimate."""
RATES = ("rate", "sample_rate")


@dataclass(frozen=True)
class Form:
    """In which form sounds become an array."""

    rate: int
    samples: int
    channels: int = 1


@dataclass
class Remarks:
    """What is wrong with clips without being an error, by number."""

    found: dict[str, list[int]] = field(default_factory=dict)

    def hear(self, at: int, clip: Array, full: float) -> None:
        """Look at a clip (…, time) whose values have `full` as their largest possible size."""
        loudness = np.abs(clip.astype(np.float32))
        if clip.shape[-1] < SHORT:
            self.found.setdefault(f"shorter than {SHORT} samples", []).append(at)
        elif not loudness.any():
            self.found.setdefault("silent", []).append(at)
        elif float((loudness >= FULL * full).mean()) > CLIPPED:
            self.found.setdefault("clipped (more than 1 % of their values at full scale)", []).append(at)

    def tell(self, total: int, names: Callable[[list[int]], str]) -> None:
        """Log them all."""
        for what, rows in sorted(self.found.items()):
            LOG.warning("load: %d of %d clips are %s: %s", len(rows), total, what, names(sorted(rows)))


def look(file: Path) -> tuple[int, int, int]:
    """A sound's rate, its number of samples, and of channels; it is not decoded.

    Raises:
        RuntimeError: it is no sound, or damaged at its beginning.
    """
    info = _soundfile().info(str(file))
    return int(info.samplerate), int(info.frames), int(info.channels)


def decode(file: Path, form: Form) -> Array:
    """A sound's samples (channels, time) as float32 between −1 and 1, at the form's rate, at most as many as it has.

    Where the form has one channel, a sound's channels are averaged.

    Raises:
        RuntimeError: the file is damaged.
    """
    own, frames, _ = look(file)
    wanted = -(-form.samples * own // form.rate) + 64  # some more for the filter's edge
    read, _ = _soundfile().read(str(file), frames=wanted, dtype="float32", always_2d=True)
    if len(read) < WHOLE * min(wanted, frames):
        raise ValueError(f"it ends after {len(read)} of {frames} samples")
    if not np.isfinite(read).all():
        raise ValueError("it holds values that are no numbers")
    mixed = read.mean(1)[None] if form.channels == 1 else np.ascontiguousarray(read.T)
    return resampled(mixed, own, form.rate)[:, : form.samples]


def decoded(
    each: Listing, asked: Asked, damaged: Damaged, form: Form | None = None, make: Make = np.zeros
) -> tuple[Array, Array, Form]:
    """The sounds (rows, channels, time) of a folder and their classes, and the form in which they are."""
    looks, unreadable = parted(over(each.files, look, "looking at sounds"))
    good = [i for i in range(len(each.files)) if i not in unreadable]
    if not good:
        each.tell(unreadable, damaged)
    rates, lengths, channels = (np.array([looks[i][part] for i in good]) for part in (0, 1, 2))

    def names(rows: Sequence[int]) -> str:
        return each.names(each.files[good[i]] for i in rows)

    remedy = REMEDY if form is None else ""
    if form is None:
        form = _common(rates, lengths, channels, asked)
        _tell_rates(rates, form.rate, names)
    _check_channels(channels, form.channels, names)
    x = make((len(good), form.channels, form.samples), np.float32)
    remarks = Remarks()

    def into(at: int) -> None:
        clip = decode(each.files[good[at]], form)
        x[at, :, : clip.shape[-1]] = clip
        remarks.hear(at, clip, 1.0)

    _, broken = parted(over(range(len(good)), into, "decoding sounds"))
    each.tell(unreadable | {good[at]: why for at, why in broken.items()}, damaged)
    remarks.tell(len(good), names)
    kept = [at for at in range(len(good)) if at not in broken]
    _tell_lengths((lengths / rates)[kept], form.samples / form.rate, "s", remedy)
    labels = np.array([each.labels[good[at]] for at in kept])
    return compact_rows(x, kept), labels, form


def resampled(x: Array, before: int, after: int) -> Array:
    """A sound (…, time) at another rate.

    >>> resampled(np.zeros(441), 44100, 8000).shape
    (80,)
    """
    if before == after or not x.shape[-1]:
        return x
    from scipy.signal import resample_poly

    shared = math.gcd(before, after)
    changed: Array = resample_poly(x, after // shared, before // shared, axis=-1).astype(np.float32)
    return changed


def _common(rates: Array, lengths: Array, channels: Array, asked: Asked) -> Form:
    """The form for clips of these rates, lengths (in samples) and numbers of channels."""
    rate = asked.rate or _usual(rates)
    seconds = asked.length or float(np.percentile(lengths / rates, COVERED))
    return Form(rate, max(1, round(seconds * rate)), 1 if asked.mono else _usual(channels))


def _usual(values: Array) -> int:
    return int(Counter(values.tolist()).most_common(1)[0][0])


def _check_channels(channels: Array, wanted: int, names: Callable[[Sequence[int]], str]) -> None:
    """Refuse sounds that have not the channels which are kept."""
    others = [i for i, own in enumerate(channels) if own != wanted]
    if wanted != 1 and others:
        raise InputError(
            f"load: sounds whose channels are kept must have as many each; {len(others)} of {len(channels)} have not "
            f"{wanted} ({names(others)}); leave them out, or average channels (mono=True)."
        )


def _tell_rates(rates: Array, rate: int, names: Callable[[Sequence[int]], str]) -> None:
    others = [i for i, own in enumerate(rates) if own != rate]
    if others:
        LOG.warning("load: %d of %d clips are brought to the rate %d: %s", len(others), len(rates), rate, names(others))


def _tell_lengths(lengths: Array, length: float, unit: str, remedy: str) -> None:
    """Say what is cut off and filled up, where clips differ in length."""
    longer, shorter = int((lengths > length * (1 + 1e-9)).sum()), int((lengths < length * (1 - 1e-9)).sum())
    if longer or shorter:
        LOG.warning(
            "load: clips of %.4g to %.4g %s are brought to %.4g: the end of %d is cut off, %d are filled up with "
            "silence%s", min(lengths), max(lengths), unit, length, longer, shorter, remedy,
        )  # fmt: skip


# ---- archives ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Clips:
    """What an npz archive of sounds holds: clips (rows, 1, time), their rate (0: not known), and all other arrays."""

    x: Array
    rate: int
    others: dict[str, Array]


def is_archive(path: Path) -> bool:
    """Whether an npz file holds sounds: arrays `samples` (all clips end to end) and `lengths`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {"samples", "lengths"} <= set(archive.files)
    except (*BROKEN, ValueError, AttributeError, TypeError):
        return False  # it is told where arrays are read


def read_archive(path: Path, asked: Asked, form: Form | None = None) -> Clips:
    """Clips from an npz archive with `samples`, `lengths` and one value per clip in other arrays.

    Its rate is in an array `rate` or `sample_rate`, or is the one asked for. int16 becomes floats between −1 and 1, as
    in files. With a `form`, clips come out in it (rate 0: at any rate).

    Raises:
        InputError: arrays that do not fit each other, or a length in seconds without a rate.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {key: archive[key] for key in archive.files}
    except (*BROKEN, ValueError) as error:
        raise InputError(f"load: '{path.name}' cannot be read as npz ({error}); save plain arrays.") from error
    samples, lengths = found.pop("samples"), found.pop("lengths")
    own = next((int(np.asarray(found.pop(key)).reshape(-1)[0]) for key in RATES if key in found), 0)
    if samples.ndim != 1 or not (samples.dtype == np.int16 or samples.dtype.kind == "f"):
        raise InputError(
            f"load: samples of '{path.name}' must be int16 or floats, one clip behind the other, got {samples.dtype} "
            f"{samples.shape}."
        )
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or not len(lengths) or lengths.min() < 0:
        raise InputError(f"load: lengths of '{path.name}' must be whole numbers of at least 0, got {lengths.dtype}.")
    if int(lengths.sum()) != len(samples):
        raise InputError(
            f"load: lengths of '{path.name}' add up to {int(lengths.sum())}, but it has {len(samples)} samples."
        )
    clips = np.split(samples, np.cumsum(lengths)[:-1])
    if form is None:
        return Clips(*_together(clips, own, asked), found)
    asked = Asked(form.rate or None, form.samples / form.rate if form.rate else None)
    return Clips(*_together(clips, own, asked, form.samples), found)


def _together(clips: Sequence[Array], own: int, asked: Asked, samples: int = 0) -> tuple[Array, int]:
    """Clips as one array (rows, 1, time) of that many samples, 0: as asked, and their rate."""
    remarks = Remarks()
    if clips[0].dtype == np.int16:
        clips = [clip / np.float32(FULL_INT16) for clip in clips]
    for at, clip in enumerate(clips):
        remarks.hear(at, clip, 1.0)
    rate = asked.rate or own
    if asked.length and not rate:
        raise InputError("load: length is in seconds, and the rate of these sounds is not known; give rate=.")
    changed = clips if own in (0, rate) else [resampled(clip.astype(np.float32), own, rate) for clip in clips]
    lengths = np.array([len(clip) for clip in changed])
    remedy = "" if samples else REMEDY
    if not samples:
        samples = round(asked.length * rate) if asked.length else round(float(np.percentile(lengths, COVERED)))
    x = np.zeros((len(clips), 1, max(1, samples)), changed[0].dtype)
    for at, clip in enumerate(changed):
        x[at, 0, : len(clip)] = clip[:samples]
    remarks.tell(len(clips), lambda rows: "row " + quoted([str(row) for row in rows]))
    _tell_lengths(lengths / (rate or 1), x.shape[-1] / (rate or 1), "s" if rate else "samples", remedy)
    return x, rate


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra("load: sound files need soundfile; pip install goodfit[sound]") from error
    return soundfile
