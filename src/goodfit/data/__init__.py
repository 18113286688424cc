"""Data: loaded, checked, divided once and for all, and turned into tensors.

`load` → `Dataset` → `Dataset.split` or `Dataset.folds` → `Split` of four parts.
"""

from goodfit.data.dataset import Dataset
from goodfit.data.duplicates import Duplicates
from goodfit.data.inputs import Inputs
from goodfit.data.loading import load
from goodfit.data.metrics import METRICS, Metric, default_metric, metric
from goodfit.data.split import Part, Split, TrainPart
from goodfit.data.tables import Preprocessing
from goodfit.data.task import TaskSpec
from goodfit.data.tensors import from_tensors

__all__ = [
    "METRICS",
    "Dataset",
    "Duplicates",
    "Inputs",
    "Metric",
    "Part",
    "Preprocessing",
    "Split",
    "TaskSpec",
    "TrainPart",
    "default_metric",
    "from_tensors",
    "load",
    "metric",
]
