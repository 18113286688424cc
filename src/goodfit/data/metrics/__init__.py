"""Scores of a network's raw outputs, by name."""

from goodfit.data.metrics.logits import log_odds, predicted, probabilities
from goodfit.data.metrics.named import METRICS, UNIT, Metric, default_metric, metric

__all__ = ["METRICS", "UNIT", "Metric", "default_metric", "log_odds", "metric", "predicted", "probabilities"]
