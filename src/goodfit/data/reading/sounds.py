"""Sound files as arrays with one rate and one length. The only module that imports soundfile."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from goodfit.data.options import Sounds
from goodfit.data.reading.cache import Allocate, compact_rows
from goodfit.data.reading.listing import LOG, Listing, Names, map_files, split_damaged
from goodfit.errors import InputError, MissingExtra, first_line
from goodfit.types import Array

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})
COVERED = 95
"""Percentage of the sounds that are not cut when no length is given."""
SHORT = 16
"""A sound with fewer samples is too short to be heard."""
FULL = 0.999
"""Share of full scale from which on a value counts as clipped."""
CLIPPED = 0.01
"""Share of clipped values above which a sound is reported."""
REMEDY = "; seconds= sets another length"
WHOLE = 0.9
"""Share of the samples announced by a file that must be there: mp3 files only estimate the number."""


@dataclass(frozen=True)
class SoundFormat:
    """Rate, length and channels that all sounds of an array have."""

    rate: int
    samples: int
    channels: int = 1


@dataclass
class QualityReport:
    """Sounds that are questionable but usable, by position."""

    rows: dict[str, list[int]] = field(default_factory=dict)

    def check(self, at: int, sound: Array) -> None:
        """Note what is questionable about the sound (…, time) at a position; its values are in [−1, 1]."""
        loudness = np.abs(sound.astype(np.float32))
        if sound.shape[-1] < SHORT:
            self.rows.setdefault(f"shorter than {SHORT} samples", []).append(at)
        elif not loudness.any():
            self.rows.setdefault("silent", []).append(at)
        elif float((loudness >= FULL).mean()) > CLIPPED:
            self.rows.setdefault("clipped (more than 1 % of their values at full scale)", []).append(at)

    def log(self, total: int, names: Names) -> None:
        """Log a warning for each problem."""
        for problem, rows in sorted(self.rows.items()):
            LOG.warning("load: %d of %d sounds are %s: %s", len(rows), total, problem, names(sorted(rows)))


def inspect(file: Path) -> tuple[int, int, int]:
    """A sound's rate, number of samples, and number of channels; it is not decoded.

    Raises:
        RuntimeError: the file is not a sound, or its beginning is damaged.
    """
    info = _soundfile().info(str(file))
    return int(info.samplerate), int(info.frames), int(info.channels)


def decode(file: Path, form: SoundFormat) -> Array:
    """Decode a sound at the form's rate, up to the form's length; for one channel, channels are averaged.

    Shape: (channels, time) float32 in [−1, 1].

    Raises:
        RuntimeError, ValueError: the file is damaged.
    """
    rate, frames, _ = inspect(file)
    needed = -(-form.samples * rate // form.rate) + 64  # some more for the edge of the resampling filter
    samples, _ = _soundfile().read(str(file), frames=needed, dtype="float32", always_2d=True)
    if len(samples) < WHOLE * min(needed, frames):
        raise ValueError(f"the file is truncated after {len(samples)} of {frames} samples")
    if invalid := int((~np.isfinite(samples)).sum()):
        raise ValueError(f"it holds {invalid} NaN or infinite values")
    mixed = samples.mean(1)[None] if form.channels == 1 else np.ascontiguousarray(samples.T)
    return resample(mixed, rate, form.rate)[:, : form.samples]


def decode_listing(
    listing: Listing, options: Sounds, form: SoundFormat | None = None, allocate: Allocate = np.zeros
) -> tuple[Array, Array, SoundFormat]:
    """Decode the sounds of a folder.

    Args:
        listing: the files.
        options: rate, length and channels, and what to do with damaged files.
        form: the form of earlier sounds, which these get too; None: the form that suits these.
        allocate: creates the array to decode into.

    Returns:
        The sounds (rows, channels, time) float32, their classes (rows,), and their form.
    """
    properties, damaged = split_damaged(map_files(listing.files, inspect, "reading sound headers"))
    good = [i for i in range(len(listing.files)) if i not in damaged]
    if not good:
        listing.report_damaged(damaged, options.damaged)
    rates, lengths, channels = (np.array([properties[i][part] for i in good]) for part in (0, 1, 2))

    def names(rows: Sequence[int]) -> str:
        return listing.names(listing.files[good[i]] for i in rows)

    remedy = REMEDY if form is None else ""
    if form is None:
        form = _common_form(rates, lengths, channels, options)
        _warn_resampled(rates, form.rate, names)
    _check_channels(channels, form.channels, names)
    x, quality, broken = _decode_good([listing.files[i] for i in good], form, allocate)
    listing.report_damaged(damaged | {good[at]: why for at, why in broken.items()}, options.damaged)
    quality.log(len(good), names)
    rows = [at for at in range(len(good)) if at not in broken]
    warn_cut((lengths / rates)[rows], form.samples / form.rate, "s", remedy)
    labels = np.array([listing.labels[good[at]] for at in rows])
    return compact_rows(x, rows), labels, form


def _decode_good(
    files: Sequence[Path], form: SoundFormat, allocate: Allocate
) -> tuple[Array, QualityReport, dict[int, str]]:
    """All sounds, what is questionable about them, and the reasons for those that are damaged."""
    x = allocate((len(files), form.channels, form.samples), np.float32)
    quality = QualityReport()

    def decode_into(at: int) -> None:
        sound = decode(files[at], form)
        x[at, :, : sound.shape[-1]] = sound
        quality.check(at, sound)

    _, broken = split_damaged(map_files(range(len(files)), decode_into, "decoding sounds"))
    return x, quality, broken


def resample(x: Array, before: int, after: int) -> Array:
    """A sound (…, time) at another rate.

    >>> resample(np.zeros(441), 44100, 8000).shape
    (80,)
    """
    if before == after or not x.shape[-1]:
        return x
    from scipy.signal import resample_poly

    shared = math.gcd(before, after)
    resampled: Array = resample_poly(x, after // shared, before // shared, axis=-1).astype(np.float32)
    return resampled


def _common_form(rates: Array, lengths: Array, channels: Array, options: Sounds) -> SoundFormat:
    """The form for sounds of these rates, lengths (in samples) and numbers of channels."""
    rate = options.rate or _most_frequent(rates)
    seconds = options.seconds or float(np.percentile(lengths / rates, COVERED))
    return SoundFormat(rate, max(1, round(seconds * rate)), 1 if options.mono else _most_frequent(channels))


def _most_frequent(values: Array) -> int:
    return int(Counter(values.tolist()).most_common(1)[0][0])


def _check_channels(channels: Array, needed: int, names: Names) -> None:
    """Refuse sounds whose number of channels differs, if channels are kept."""
    others = [i for i, own in enumerate(channels) if own != needed]
    if needed != 1 and others:
        raise InputError(
            f"load: with mono=False all sounds must have the same number of channels; {len(others)} of "
            f"{len(channels)} do not have {needed} ({names(others)}); leave them out, or average channels (mono=True)."
        )


def _warn_resampled(rates: Array, rate: int, names: Names) -> None:
    others = [i for i, own in enumerate(rates) if own != rate]
    if others:
        LOG.warning("load: %d of %d sounds are resampled to the rate %d: %s", len(others), len(rates), rate,
                    names(others))  # fmt: skip


def warn_cut(lengths: Array, length: float, unit: str, remedy: str) -> None:
    """Log how many sounds are cut and padded, where their lengths differ."""
    longer, shorter = int((lengths > length * (1 + 1e-9)).sum()), int((lengths < length * (1 - 1e-9)).sum())
    if longer or shorter:
        LOG.warning(
            "load: sounds of %.4g to %.4g %s get the length %.4g: the end of %d is cut off, %d are padded with "
            "silence%s",
            min(lengths), max(lengths), unit, length, longer, shorter, remedy,
        )  # fmt: skip


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra(
            f"load: sound files need soundfile ({first_line(error)}); pip install goodfit[sound]."
        ) from error
    return soundfile
