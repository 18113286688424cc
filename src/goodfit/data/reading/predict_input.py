"""What a stored network is to judge: rows of a file, or files brought to the form in which it has learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.data.arrays import ArrayFeatures
from goodfit.data.inputs import Inputs, Kind
from goodfit.data.reading import images, sounds, videos
from goodfit.data.reading.asked import ANY
from goodfit.data.reading.files import features, header
from goodfit.data.reading.folders import ENDINGS, NAMES, decoded, endings_of
from goodfit.data.reading.listing import Damaged, ending, unsorted
from goodfit.data.reading.masks import images_of
from goodfit.data.reading.text_files import TXT
from goodfit.data.reading.text_files import decoded as decoded_texts
from goodfit.data.tables import Preprocessing
from goodfit.data.text.texts import TextFeatures
from goodfit.errors import InputError

LOUDEST = 2.0
"""What no sound file's values reach: those lie between −1 and 1, or a little outside where they were resampled."""


@dataclass(frozen=True, eq=False)
class PredictInput:
    """Raw rows as `Preprocessing.transform` takes them, and the names of the files they come from (none: no files)."""

    x: Any
    names: tuple[str, ...] = ()


def read_predict_input(source: str, learned: Preprocessing, damaged: Damaged = "refuse") -> PredictInput:
    """Rows without targets, for a network that has `learned` so: from all that training takes, and from loose files.

    Images, sounds, clips and texts are files or folders of them, with folders of classes or without; they get the size,
    channels, samples per second, length and frames of the training rows.

    Raises:
        InputError: no such file, one of another kind of data, or damaged ones that are not to be skipped.
        MissingExtra: the library for these files is not there.
    """
    kind, path = learned.inputs.kind, Path(source).expanduser()
    if isinstance(learned.features, TextFeatures):
        return _texts(path, damaged) if _is_text(path, learned.features.column) else PredictInput(features(source))
    if kind == "sound" and path.suffix.lower() == ".npz" and path.is_file() and sounds.is_archive(path):
        form = sounds.Form(int(learned.inputs.rate), learned.input_shape[-1], learned.input_shape[0])
        return PredictInput(sounds.read_archive(path, ANY, form).x)
    known = frozenset[str]().union(*ENDINGS.values())
    if not isinstance(learned.features, ArrayFeatures) or not (path.is_dir() or ending(path) in known):
        return PredictInput(features(source))
    if kind not in ENDINGS:
        raise InputError(f"predict: the network has learned from {kind} data; give a file of such, got '{path.name}'.")
    if not path.exists():
        raise InputError(f"predict: there is no file '{path}'.")
    each = unsorted(images_of(path).resolve(), NAMES[kind], endings_of(kind, True))
    form = _form(kind, learned.features, learned.inputs)
    x, names, _ = decoded(kind, each, None, ANY, damaged, form)
    return PredictInput(x, tuple(names.tolist()))


def _form(kind: Kind, learned: ArrayFeatures, inputs: Inputs) -> Any:
    """The form of the training rows.

    Raises:
        InputError: files cannot be brought to it.
    """
    channels, *space = learned.input_shape
    if kind == "sound":
        if not inputs.rate:
            raise InputError(
                "predict: how many samples per second the network has learned from is not known; train it with rate=…."
            )
        if not learned.whitening and inputs.high * learned.scale[0] + learned.mean[0] > LOUDEST:
            raise InputError(
                "predict: the network has learned from sounds beyond −1 to 1, which no files have; divide the arrays "
                "(16 bits: by 32768) and train again, or give such arrays."
            )
        return sounds.Form(int(inputs.rate), space[0], channels)
    if not learned.pixels or channels not in (1, 3):
        raise InputError(
            f"predict: the network has learned from {channels} channels of "
            f"{'uint8' if learned.pixels else 'floats'}, files of {NAMES[kind]} have 1 or 3 of uint8; give an npz."
        )
    if kind == "image":
        return images.Form((space[0], space[1]), channels)
    return videos.Form((space[1], space[2]), channels, space[0], float(inputs.rate))


def _is_text(path: Path, column: str) -> bool:
    """Whether a path is texts: a folder of them, or a .txt file that is no table with the column of texts."""
    if path.is_dir():
        return True
    if path.suffix.lower() != TXT or not path.is_file():
        return False
    try:
        return column not in header(path)
    except InputError:
        return True


def _texts(path: Path, damaged: Damaged) -> PredictInput:
    each = unsorted(path.resolve(), "texts", {TXT})
    texts, rows = decoded_texts(each, damaged)
    return PredictInput(texts, tuple(each.labels[at] for at in rows))
