"""Sounds: samples in [−1, 1] at one rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from goodfit.data.kinds.base import TrainingRows
from goodfit.data.kinds.files import FileKind
from goodfit.data.options import Options, Sounds
from goodfit.data.reading import sound_archives, sounds
from goodfit.data.reading.cache import Allocate
from goodfit.data.reading.listing import Listing
from goodfit.errors import InputError
from goodfit.types import Array

LOUDEST = 2.0
"""No sound file has larger values: they lie in [−1, 1], or slightly outside where they were resampled."""


class SoundKind(FileKind):
    """Sounds as arrays, files, or an npz archive with `samples` and `lengths`."""

    name: ClassVar[str] = "sound"
    samples: ClassVar[str] = "sounds"
    options: ClassVar[type[Options]] = Sounds
    array_options: ClassVar[frozenset[str]] = frozenset({"whiten", "rate"})
    shape_text: ClassVar[str] = "(rows, channels, time)"
    space: ClassVar[int] = 1
    example_shapes: ClassVar[tuple[tuple[int, ...], ...]] = ((1, 64), (2, 30))
    bounded: ClassVar[bool] = True
    suffixes: ClassVar[frozenset[str]] = sounds.SUFFIXES
    form: ClassVar[type[Any]] = sounds.SoundFormat
    network: ClassVar[str] = "mel_cnn"
    rows_seen: ClassVar[int] = 40_000  # a row costs a hundred times as much as that of a table
    preview: ClassVar[str] = "spectrogram"
    example: ClassVar[str] = "pitch=2"
    augmentations: ClassVar[tuple[str, ...]] = ("sound_shift=0.1", "spec_augment", "speed=0.1")
    """Speed changes the pitch, as it differs between voices. It hurts where notes are classified: so it is in no
    combination."""
    ranges: ClassVar[Mapping[str, Any]] = {
        "sound_shift": (0.03, 0.3),
        "spec_augment.time": (0.05, 0.4),
        "spec_augment.frequency": (0.05, 0.4),
        "speed": (0.03, 0.3),
        "sound_noise": (0.2, 1.0),
    }
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {
        "sound_shift": (0.1, 0.2),
        "spec_augment.time": (0.15, 0.3),
        "spec_augment.frequency": (0.15, 0.3),
        "speed": (0.1, 0.2),
    }

    def matches_file(self, path: Path) -> bool:
        """Whether an npz file has the arrays `samples` and `lengths`."""
        return path.suffix.lower() == ".npz" and path.is_file() and sound_archives.is_archive(path)

    def value_range(self, low: float, high: float) -> tuple[float, float]:
        """A range that is symmetric around silence."""
        return -max(-low, high), max(-low, high)

    def read_file(self, path: Path, options: Sounds) -> sound_archives.SoundArchive:
        """The sounds of an archive."""
        return sound_archives.read_archive(path, options)

    def decode(
        self, listing: Listing, options: Any, form: Any = None, allocate: Allocate = np.zeros
    ) -> tuple[Array, Array, Any]:
        """Sounds (rows, channels, time) float32."""
        return sounds.decode_listing(listing, options, form, allocate)

    def read_for_prediction(
        self, path: Path, rows: TrainingRows, damaged: str, is_sample: bool
    ) -> tuple[Any, tuple[str, ...]] | None:
        """Files or an archive in the form of the training rows."""
        if self.matches_file(path):
            form = sounds.SoundFormat(int(rows.rate), rows.shape[-1], rows.shape[0])
            return sound_archives.read_archive(path, Sounds(), form).x, ()
        return super().read_for_prediction(path, rows, damaged, is_sample)

    def form_of(self, rows: TrainingRows) -> sounds.SoundFormat:
        """Rate, length and channels of the training rows.

        Raises:
            InputError: the rate is unknown, or the training sounds exceed [−1, 1].
        """
        if not rows.rate:
            raise InputError(
                f"predict: the rate (samples per second) of the training sounds must be known, got rate={rows.rate:g}; "
                "train with rate=…."
            )
        if rows.high is not None and rows.high > LOUDEST:
            raise InputError(
                "predict: to predict files, the network must be trained on sounds in [−1, 1], got training sounds up "
                f"to {rows.high:g}; divide the arrays (16 bits: by 32768) and train again, or predict arrays."
            )
        return sounds.SoundFormat(int(rows.rate), rows.shape[1], rows.shape[0])

    def rate_of(self, form: sounds.SoundFormat) -> float:
        """Samples per second."""
        return form.rate
