"""Archives of sounds: npz files with the samples of all sounds end to end, and their lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from goodfit.data.checks import quoted
from goodfit.data.options import Sounds
from goodfit.data.reading.files import BROKEN
from goodfit.data.reading.sounds import COVERED, REMEDY, QualityReport, SoundFormat, resample, warn_cut
from goodfit.errors import InputError
from goodfit.types import Array

FULL_INT16 = 32768
RATES = ("rate", "sample_rate")


@dataclass(frozen=True, eq=False)
class SoundArchive:
    """The content of an npz archive of sounds: sounds (rows, 1, time), their rate (0: unknown), and other arrays."""

    x: Array
    rate: int
    others: dict[str, Array]


def is_archive(path: Path) -> bool:
    """Whether an npz file holds sounds: arrays `samples` (all sounds end to end) and `lengths`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {"samples", "lengths"} <= set(archive.files)
    except (*BROKEN, ValueError, AttributeError, TypeError):
        return False  # reading the arrays reports what is wrong


def read_archive(path: Path, options: Sounds, form: SoundFormat | None = None) -> SoundArchive:
    """Sounds from an npz archive with `samples`, `lengths`, and other arrays with one value per sound.

    The archive's rate is in an array `rate` or `sample_rate`, or is that of the options. int16 values become floats in
    [−1, 1], as those of files do. With a `form`, sounds get its length and its rate (0: they keep theirs).

    Raises:
        InputError: arrays do not match each other, or a length in seconds is given without a rate.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (*BROKEN, ValueError) as error:
        raise InputError(f"load: '{path.name}' cannot be read as npz ({error}); save plain arrays.") from error
    samples, lengths = arrays.pop("samples"), arrays.pop("lengths")
    rate = next((int(np.asarray(arrays.pop(key)).reshape(-1)[0]) for key in RATES if key in arrays), 0)
    _check_arrays(path, samples, lengths)
    sounds = np.split(samples, np.cumsum(lengths)[:-1])
    if form is None:
        return SoundArchive(*_stack(sounds, rate, options), arrays)
    options = Sounds(rate=form.rate or None, seconds=form.samples / form.rate if form.rate else None)
    return SoundArchive(*_stack(sounds, rate, options, form.samples), arrays)


def _check_arrays(path: Path, samples: Array, lengths: Array) -> None:
    if samples.ndim != 1 or not (samples.dtype == np.int16 or samples.dtype.kind == "f"):
        raise InputError(
            f"load: samples of '{path.name}' must be int16 or floats, one sound after the other, got {samples.dtype} "
            f"{samples.shape}."
        )
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or not len(lengths) or lengths.min() < 0:
        raise InputError(f"load: lengths of '{path.name}' must be whole numbers of at least 0, got {lengths.dtype}.")
    if int(lengths.sum()) != len(samples):
        raise InputError(
            f"load: lengths of '{path.name}' add up to {int(lengths.sum())}, but it has {len(samples)} samples."
        )


def _stack(sounds: list[Array], own: int, options: Sounds, samples: int = 0) -> tuple[Array, int]:
    """Sounds as one array (rows, 1, time), and their rate.

    Args:
        sounds: each (time,).
        own: their rate, 0 if unknown.
        options: the rate and the length that they get.
        samples: the length in samples; 0: as the options say.
    """
    quality = QualityReport()
    if sounds[0].dtype == np.int16:
        sounds = [sound / np.float32(FULL_INT16) for sound in sounds]
    for at, sound in enumerate(sounds):
        quality.check(at, sound)
    rate = options.rate or own
    if options.seconds and not rate:
        raise InputError(
            f"load: seconds={options.seconds:g} needs the rate of the sounds, which is unknown; give rate=."
        )
    resampled = sounds if own in (0, rate) else [resample(sound.astype(np.float32), own, rate) for sound in sounds]
    lengths = np.array([len(sound) for sound in resampled])
    remedy = "" if samples else REMEDY
    if not samples:
        covered = round(float(np.percentile(lengths, COVERED)))
        samples = round(options.seconds * rate) if options.seconds else covered
    x = np.zeros((len(sounds), 1, max(1, samples)), resampled[0].dtype)
    for at, sound in enumerate(resampled):
        x[at, 0, : len(sound)] = sound[:samples]
    quality.log(len(sounds), lambda rows: "row " + quoted([str(row) for row in rows]))
    warn_cut(lengths / (rate or 1), x.shape[-1] / (rate or 1), "s" if rate else "samples", remedy)
    return x, rate
