"""Metrics of the raw outputs of a network, by name."""

from goodfit.data.metrics.logits import log_odds, predicted_classes, probabilities
from goodfit.data.metrics.metric import BOUNDED, METRICS, Metric, default_metric, metric

__all__ = ["BOUNDED", "METRICS", "Metric", "default_metric", "log_odds", "metric", "predicted_classes", "probabilities"]
