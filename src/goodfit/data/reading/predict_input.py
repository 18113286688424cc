"""The rows that a stored network predicts: those of a table or array, or files in the form of the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodfit.data.kinds import file_suffixes
from goodfit.data.reading.files import features
from goodfit.data.reading.listing import suffix
from goodfit.data.tables import Preprocessing
from goodfit.errors import InputError


@dataclass(frozen=True, eq=False)
class PredictInput:
    """Raw rows for `Preprocessing.transform`, and the names of their files; no names where they are not from files."""

    x: Any
    names: tuple[str, ...] = ()


def read_predict_input(source: str, preprocessing: Preprocessing, damaged: str = "refuse") -> PredictInput:
    """Rows without targets, from a table, an npz file, a bundled data set, or files of samples.

    Images, sounds, clips and texts are files or folders of files, with or without folders of classes. They get the
    size, channels, rate, length and frames of the training rows.

    Args:
        source: the path, or the name of a bundled data set.
        preprocessing: that of the network.
        damaged: "refuse" or "skip".

    Raises:
        InputError: there is no such file, it is of another kind of data, or files are damaged and damaged is "refuse".
        MissingExtra: the library for these files is not installed.
    """
    kind, path = preprocessing.inputs.data_kind, Path(source).expanduser()
    is_sample = path.is_dir() or suffix(path) in file_suffixes()
    files = kind.read_for_prediction(path, preprocessing.training_rows, damaged, is_sample)
    if files is not None:
        return PredictInput(*files)
    if is_sample:
        raise InputError(
            f"predict: the network was trained on {kind.name} data; give a file of this kind, got '{path.name}'."
        )
    return PredictInput(features(source))
