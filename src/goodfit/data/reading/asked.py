"""What is asked of sounds and clips when files are read."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from goodfit.checks import is_whole_number
from goodfit.errors import InputError


@dataclass(frozen=True)
class Asked:
    """To which rate (samples or frames per second), length (seconds) and number of frames sounds and clips are brought.

    None: the usual one (see `goodfit.data.reading.sounds` and `goodfit.data.reading.videos`). `mono`: a sound's
    channels are averaged; else they are kept.

    Raises:
        InputError: a rate or a number of frames that is no whole number of at least 1, a length that is not positive,
            or all three.
    """

    rate: int | None = None
    length: float | None = None
    frames: int | None = None
    mono: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        rate, length, frames = self.rate, self.length, self.frames
        if rate is not None and not is_whole_number(rate, 1):
            raise InputError(f"load: rate must be a whole number of samples or frames per second, got {rate!r}.")
        if length is not None and (isinstance(length, bool | str) or not 0 < length < math.inf):
            raise InputError(f"load: length must be a positive number of seconds, got {length!r}.")
        if frames is not None and not is_whole_number(frames, 1):
            raise InputError(f"load: frames must be a whole number of at least 1, got {frames!r}.")
        if None not in (rate, length, frames):
            raise InputError("load: frames follow from rate and length (frames = rate · length); leave one out.")
        if not isinstance(self.mono, bool):
            raise InputError(f"load: mono must be True or False, got {self.mono!r}.")


ANY = Asked()


def check_asked(asked: Asked, kind: str, files: bool) -> None:
    """Refuse what was asked of other data than it is for; `files`: whether the data was read from sounds or clips.

    Raises:
        InputError: names them.
    """
    fitting = {"sound": {"rate"}, "video": {"rate"}}.get(kind, set())
    if files:
        fitting = {"sound": {"rate", "length", "mono"}, "video": {"rate", "length", "frames"}}.get(kind, set())
    given = {field.name for field in fields(Asked) if getattr(asked, field.name) != field.default}
    if given - fitting:
        raise InputError(
            "load: rate is for sounds and clips, length for files of sounds or clips, mono for files of sounds, frames "
            f"for files of clips; this is {kind} data: leave {' and '.join(sorted(given - fitting))} out."
        )
