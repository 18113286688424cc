"""Metrics of the raw outputs of a network, by name."""

from goodfit.data.metrics.counts import leave_one_out_of_counts, mask_counts, score_of_counts
from goodfit.data.metrics.leave_one_out import leave_one_out
from goodfit.data.metrics.logits import log_odds, predicted_classes, probabilities
from goodfit.data.metrics.metric import BOUNDED, METRICS, Metric, default_metric, metric
from goodfit.data.metrics.temperature import temperature

__all__ = [
    "BOUNDED",
    "METRICS",
    "Metric",
    "default_metric",
    "leave_one_out",
    "leave_one_out_of_counts",
    "log_odds",
    "mask_counts",
    "metric",
    "predicted_classes",
    "probabilities",
    "score_of_counts",
    "temperature",
]
