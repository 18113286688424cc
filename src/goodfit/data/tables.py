"""Preprocessing: raw rows to inputs, predictions back; learned on the training part, kept without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.arrays import ArrayFeatures, Features
from goodfit.data.columns import Floats
from goodfit.data.encoding import TableFeatures
from goodfit.data.inputs import PLAIN, InputOptions, Inputs
from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds import kind as kind_named
from goodfit.data.storage import RowSubset
from goodfit.data.text.texts import TextFeatures
from goodfit.errors import InputError
from goodfit.types import Array

FrameFeatures: TypeAlias = TableFeatures | TextFeatures
AnyFeatures: TypeAlias = FrameFeatures | ArrayFeatures
FRAME_FEATURES: dict[str, type[TableFeatures] | type[TextFeatures]] = {
    each.stored_as: each for each in (TableFeatures, TextFeatures)
}
"""Name → how a DataFrame becomes inputs; a data kind names one of them."""
FEATURES: dict[str, type[AnyFeatures]] = {**FRAME_FEATURES, ArrayFeatures.stored_as: ArrayFeatures}
"""Name in stored files → how raw rows become inputs."""


def frame_features(x: pd.DataFrame, input_options: InputOptions, layout: FrameFeatures | None = None) -> FrameFeatures:
    """The encoding of a table or of texts, learned from rows x; its inputs are those of the layout if there is one."""
    features: Any = FRAME_FEATURES[kind_named(input_options.kind).frame_features]
    learned: FrameFeatures = features.fit(x, layout)
    return learned


@dataclass(frozen=True)
class Preprocessing:
    """What turns raw rows into inputs and back: all values in it were learned on the training part alone.

    Which inputs a table or texts have follows from all rows but the test rows, so that it is the same in every split.

    Regression targets are trained on as (y − target_mean) / target_scale; `restore_target` turns predictions back.

    >>> p = Preprocessing.fit(pd.DataFrame({"a": [1, 3, 1, 3], "b": list("uuvv")}), np.array([2, 6, 2, 6]))
    >>> p.feature_names
    ('a', 'b=u', 'b=v')
    >>> p.transform(pd.DataFrame({"a": [5.0], "b": ["unseen"]})).tolist()
    [[3.0, 0.0, 0.0]]
    >>> Preprocessing.from_dict(p.to_dict()) == p, p.restore_target(np.array([1.0])).tolist()
    (True, [6.0])
    """

    features: AnyFeatures
    target_mean: float = 0.0
    target_scale: float = 1.0

    @classmethod
    def fit(
        cls,
        x: Features | RowSubset,
        y: Array | None = None,
        input_options: InputOptions = PLAIN,
        layout: FrameFeatures | None = None,
    ) -> Preprocessing:
        """Learn from the training rows; `y` only where the targets are numbers (regression).

        `layout`: decides which inputs a table has (see `frame_features`).
        """
        features: AnyFeatures
        if isinstance(x, pd.DataFrame):
            features = frame_features(x, input_options, layout)
        else:
            features = ArrayFeatures.fit(x, input_options)
        if y is None:
            return cls(features)
        scale = float(np.std(y, dtype=np.float64))
        return cls(features, float(np.mean(y, dtype=np.float64)), scale if scale > 0 else 1.0)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each input; empty for images and sound."""
        return self.features.feature_names

    @property
    def inputs(self) -> Inputs:
        """What augmentation must know of transformed rows."""
        return self.features.inputs

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return self.features.input_shape

    @property
    def training_rows(self) -> TrainingRows:
        """What files must have to be transformed as the training rows were."""
        return self.features.training_rows

    def transform(self, data: object) -> Array:
        """Raw rows as inputs of the network.

        Shape: a table or an array of rows → (rows, \\*input_shape) float32; texts → (rows, words) int64.

        Raises:
            InputError: columns missing, another shape, values that cannot be read.
        """
        return self.features.transform(data)

    def scale_target(self, y: Array) -> npt.NDArray[np.float32]:
        """Targets in the data's own unit as the network is trained on them.

        Shape: any → the same, float32.
        """
        return ((np.asarray(y, np.float64) - self.target_mean) / self.target_scale).astype(np.float32)

    def restore_target(self, y: Array) -> Floats:
        """Predictions of the network in the data's own unit: the inverse of `scale_target`.

        Shape: any → the same, float64.
        """
        return np.asarray(y, np.float64) * self.target_scale + self.target_mean

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; read back they give bit-equal transforms."""
        return {
            "features": self.features.to_dict(),
            "target_mean": self.target_mean,
            "target_scale": self.target_scale,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`.

        Raises:
            InputError: the values are not those of a Preprocessing.
        """
        try:
            features = FEATURES[values["features"]["kind"]].from_dict(values["features"])
            return cls(features, float(values["target_mean"]), float(values["target_scale"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"Preprocessing: the stored values cannot be read ({error!r}).") from error
