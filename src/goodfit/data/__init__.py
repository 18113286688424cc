"""Data: loaded and checked, divided into parts, and turned into tensors.

`load` → `Dataset` → `Dataset.split` or `Dataset.folds` → `Split` with four parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from goodfit._lazy import lazy

if TYPE_CHECKING:
    from goodfit.data.dataset import Dataset
    from goodfit.data.duplicates import Duplicates
    from goodfit.data.inputs import Inputs
    from goodfit.data.loading import load
    from goodfit.data.metrics import METRICS, Metric, default_metric, metric
    from goodfit.data.options import Clips, Images, Options, Series, Sounds, Tables, Texts
    from goodfit.data.split import Part, Split, TrainPart
    from goodfit.data.tables import Preprocessing
    from goodfit.data.task import TaskSpec
    from goodfit.data.tensors import from_tensors

_HOMES = {
    "METRICS": "metrics",
    "Clips": "options",
    "Dataset": "dataset",
    "Duplicates": "duplicates",
    "Images": "options",
    "Inputs": "inputs",
    "Metric": "metrics",
    "Options": "options",
    "Part": "split",
    "Preprocessing": "tables",
    "Series": "options",
    "Sounds": "options",
    "Split": "split",
    "Tables": "options",
    "TaskSpec": "task",
    "Texts": "options",
    "TrainPart": "split",
    "default_metric": "metrics",
    "from_tensors": "tensors",
    "load": "loading",
    "metric": "metrics",
}

__all__ = [
    "METRICS",
    "Clips",
    "Dataset",
    "Duplicates",
    "Images",
    "Inputs",
    "Metric",
    "Options",
    "Part",
    "Preprocessing",
    "Series",
    "Sounds",
    "Split",
    "Tables",
    "TaskSpec",
    "Texts",
    "TrainPart",
    "default_metric",
    "from_tensors",
    "load",
    "metric",
]

__getattr__, __dir__ = lazy(__name__, _HOMES)
