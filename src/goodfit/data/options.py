"""Options of `load`: one record per data kind, `Tables`, `Series`, `Images`, `Clips`, `Sounds` and `Texts`.

A record says of which kind the data is and how its files are read. The command line makes its options from these
records; so this module imports nothing heavy.
"""

from __future__ import annotations

from goodfit.errors import InputError
from goodfit.knobs import Record, knob


class Options(Record):
    """Options that all data kinds share; the kind is inferred from the data.

    >>> Options(damaged="skip").changed()
    {'damaged': 'skip'}
    """

    damaged: str = knob(
        default="refuse", choices=("refuse", "skip"), kw_only=True,
        doc="what to do with files, or lines of JSONL, that cannot be read: stop with an error, or leave them out",
    )  # fmt: skip


class Tables(Options):
    """Rows of columns that hold numbers, categories or dates: csv, tsv, jsonl, parquet, DataFrames, 2-D arrays."""


class Texts(Options):
    """Texts: a list, a column of a table, or a folder with a folder of .txt files for each class."""

    column: str | None = knob(
        default=None, value_type=str, doc="column of a table that holds the texts, needed if there are several"
    )


class ArrayOptions(Options):
    """Options of the kinds whose samples are arrays: series, images, clips and sounds."""

    whiten: float | None = knob(
        default=None, value_type=float, low=0, open_left=True, kw_only=True,
        doc="whiten samples (ZCA) with this regularization, such as 0.01; learned on the training rows",
    )  # fmt: skip


class Series(ArrayOptions):
    """Series: floating-point arrays (rows, channels, time) or (rows, time)."""


class SizedOptions(ArrayOptions):
    """Options of the kinds whose files are pictures: images and clips."""

    size: int | tuple[int, int] | None = knob(
        default=None, value_type=int, low=1, pair=True, unit="pixels",
        doc="height and width of all images or clips; one number sets both",
    )  # fmt: skip


class Images(SizedOptions):
    """Images: arrays, a folder with a folder of image files for each class, or folders of images and of masks.

    Images of a folder must have one size, or are scaled to cover `size` and cropped evenly.

    >>> Images(size=(48, 64)).size
    (48, 64)
    """


class TimedOptions(ArrayOptions):
    """Options of the kinds whose files last for a time: clips and sounds."""

    rate: int | None = knob(
        default=None,
        value_type=int,
        low=1,
        kw_only=True,
        doc="samples per second of sounds, frames per second of clips",
    )
    seconds: float | None = knob(
        default=None, value_type=float, low=0, open_left=True, kw_only=True, unit="seconds",
        doc="length of all sounds or clips; longer ones are cut, shorter ones padded",
    )  # fmt: skip


class Sounds(TimedOptions):
    """Sounds: arrays, a folder with a folder of wav, flac, ogg or mp3 files for each class, or an npz archive.

    Without `rate`, sounds get the most frequent rate of the files; without `seconds`, a length that leaves 95 % of them
    whole. For arrays, `rate` says which rate they have.

    >>> Sounds(rate=8000, seconds=0.5)
    Sounds(rate=8000, seconds=0.5)
    """

    mono: bool = knob(
        default=True, kw_only=True, doc="average the channels of each sound; otherwise all channels are kept"
    )


class Clips(SizedOptions, TimedOptions):
    """Clips: arrays, or a folder with a folder of mp4, mkv, avi, mov, webm or gif files for each class.

    Clips get `frames` frames (without any option 16), evenly spread over each; with `rate` or `seconds`, frames at this
    rate for this long. Frames must have one size, or are scaled to cover `size` and cropped evenly.

    Raises:
        InputError: frames, rate and seconds are all set; each follows from the other two.
    """

    frames: int | None = knob(
        default=None, value_type=int, low=1, kw_only=True, unit="frames",
        doc="frames of each clip; without rate and seconds they are evenly spread over it (default 16)",
    )  # fmt: skip

    def __post_init__(self) -> None:
        """Check that one of frames, rate and seconds is left out."""
        super().__post_init__()
        if None not in (self.rate, self.seconds, self.frames):
            raise InputError(
                "Clips: at most two of frames, rate and seconds may be set (frames = rate · seconds), got "
                f"frames={self.frames}, rate={self.rate:g}, seconds={self.seconds:g}; leave one out."
            )


RECORDS: tuple[type[Options], ...] = (Tables, Series, Images, Clips, Sounds, Texts)
"""One record per data kind; the options of the command line are their knobs."""
