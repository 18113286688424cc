"""The OnEpoch stage in a loop of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Decision, MonitorSpec, OnEpoch
from goodfit.train.run import Weights


class Stopping:
    """What the OnEpoch techniques of a recipe have seen, and the weights of the best epoch so far."""

    def __init__(self, recipe: Recipe) -> None:
        self.techniques = recipe.at(OnEpoch)
        self.watch = self.techniques[0].monitor_spec() if self.techniques else MonitorSpec()
        self.names = ", ".join(technique.name() for technique in self.techniques)
        self.states = [technique.start() for technique in self.techniques]
        self.epochs = 0
        self.best: Weights | None = None
        self.best_value: float | None = None
        self.decision = Decision(stop=False)

    def tell(self, metrics: Mapping[str, float], weights: Callable[[], Weights]) -> Decision:
        """An epoch's metrics (val_… is stop_…); `weights` gives those to keep, should it be the best."""
        row = {name.replace("val_", "stop_", 1): float(value) for name, value in metrics.items()}
        number = self.epochs + 1
        try:
            seen = [t.observe(s, number, row) for t, s in zip(self.techniques, self.states, strict=True)]
            value = row[self.watch.monitor] if self.techniques else 0.0
        except KeyError as missing:
            raise InputError(f"attach: epoch() must tell {missing}, which {self.names} looks at, got {row}.") from None
        self.epochs, self.states = number, [state for state, _ in seen]
        if self.techniques and number > self.watch.start_from_epoch and self.watch.is_better(value, self.best_value):
            self.best_value, self.best = value, weights()
        for _, decision in seen:
            if decision.stop and not self.decision.stop:
                self.decision = decision
        return self.decision
