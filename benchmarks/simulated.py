"""Simulated data of benchmarks/evidence.py: some where nothing helps, some where something is known to help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import rotate
from sklearn.datasets import load_digits

from goodfit.train.config import Training

NEW_ROWS, TRIALS = 50_000, 60
QUICK = Training(epochs=20, batch_size=64, learning_rate=3e-3)
Arrays = tuple[np.ndarray, np.ndarray]
Draw = Callable[[np.random.Generator, int, float], Arrays]
"""A generator, a number of rows and the dial → inputs and targets."""


@dataclass(frozen=True)
class Kind:
    """A shape of data with its network.

    Attributes:
        draw: draws rows.
        rows: the rows of a study, without the new ones.
        dials: how strong the planted effect is; one of them is drawn per study.
        reference: a recipe that is known to help; `{half}` is half of the dial.
        share: the share of the requested studies that are run: fewer where each takes long.
    """

    draw: Draw
    rows: int = 480
    network: str = "mlp:32"
    metric: str = "balanced_accuracy"
    training: Training = QUICK
    trials: int = TRIALS
    dials: Sequence[float] = (0.0,)
    reference: str = ""
    share: float = 1.0


# ---- nothing helps ---------------------------------------------------------------------------------


def noise(columns: int, classes: int = 2, share: float = 0.0) -> Draw:
    """Normal inputs, and labels that do not depend on them; `share`: of the second of two classes, if not half."""

    def draw(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
        y = np.arange(rows) % classes if not share else (np.arange(rows) < share * rows).astype(int)
        return rng.normal(size=(rows, columns)), rng.permutation(y)

    return draw


def shuffled_table(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Correlated columns, some with few values and heavy tails, as in real tables, with shuffled labels."""
    latent = rng.normal(size=(rows, 6)) @ rng.normal(size=(6, 20))
    x = latent + rng.normal(size=latent.shape)
    x[:, :6] = np.round(x[:, :6])
    x[:, 6:10] = np.exp(x[:, 6:10])
    x[:, 10:14] = x[:, 10:14] > 1
    return x, rng.permutation((np.arange(rows) < 0.3 * rows).astype(int))


NULL = {
    "noise, 20 columns": Kind(noise(20)),
    "table, shuffled labels": Kind(shuffled_table),
    "150 rows": Kind(noise(10), rows=150),
    "8 classes": Kind(noise(20, 8), rows=640),
    "ROC AUC, 20 % positive": Kind(noise(20, share=0.2), metric="roc_auc"),
    "240 trials": Kind(noise(20), trials=240, share=0.5),
    "overfitting network": Kind(
        noise(20), network="mlp:128-128", training=Training(epochs=40, batch_size=64, learning_rate=3e-3), share=0.5
    ),
}

# ---- something helps ---------------------------------------------------------------------------------


def linear(rng: np.random.Generator, x: np.ndarray, columns: int, noise_level: float = 0.5) -> np.ndarray:
    """Two classes that depend on the first columns."""
    weights = np.array([1.2, -1.0, 0.9, -0.8, 1.1, 0.7, -0.9, 1.0])[:columns]
    return (x[:, :columns] @ weights + noise_level * rng.normal(size=len(x)) > 0).astype(int)


def noise_columns(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Five useful columns, and `dial` useless ones."""
    x = rng.normal(size=(rows, 5 + int(dial)))
    return x, linear(rng, x, 5)


def wide(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """20 columns, of which five are useful; `dial` is the noise that a wide network learns by heart."""
    x = rng.normal(size=(rows, 20))
    return x, linear(rng, x, 5, dial)


def wrong_labels(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """20 columns, of which two are useful; a share `dial` of the labels is wrong, also of new rows."""
    x = rng.normal(size=(rows, 20))
    y = (x[:, 0] + x[:, 1] + 0.5 * x[:, 3] > 0).astype(int)
    return x, np.where(rng.random(rows) < dial, 1 - y, y)


def rotated_digits(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Digits, each turned by a random angle of up to `dial` degrees. New rows show other digits."""
    digits = load_digits()
    own = slice(0, 900) if rows < NEW_ROWS else slice(900, None)
    images, labels = digits.images[own], digits.target[own]
    picked = rng.integers(0, len(images), rows)
    angles = rng.uniform(-dial, dial, min(rows, 12_000))
    distinct = np.stack([rotate(images[i], a, reshape=False, order=1) for i, a in zip(picked, angles, strict=False)])
    repeated = np.arange(rows) % len(distinct)
    x = np.clip(distinct[repeated] * 16, 0, 255).astype(np.uint8)[:, None]
    return x, labels[picked[: len(distinct)]][repeated]


def rare_class(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """A share `dial` of the rows is of the second class; the classes overlap."""
    y = (rng.random(rows) < dial).astype(int)
    y[:12] = np.arange(12) % 2
    x = rng.normal(size=(rows, 10))
    x[:, :4] += 0.8 * y[:, None]
    return x, y


def correlated(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Many columns that are mixtures of eight, on which the class depends; `dial` is the number of columns."""
    fixed = np.random.default_rng(0).normal(size=(8, int(dial)))
    latent = rng.normal(size=(rows, 8))
    return latent @ fixed + 2.0 * rng.normal(size=(rows, int(dial))), linear(rng, latent, 8, 1.5)


WIDE = Training(epochs=25, batch_size=64, learning_rate=2e-3)
PLANTED = {
    "noise columns": Kind(noise_columns, dials=(5, 15, 30, 60, 120, 300), reference="l1=0.003"),
    "wide network": Kind(wide, network="mlp:256-256", training=WIDE, dials=(0.5, 1.0, 2.0, 3.0, 4.0),
                         reference="dropout=0.8"),
    "wrong labels": Kind(wrong_labels, network="mlp:128-128", training=Training(epochs=40, learning_rate=3e-3),
                         dials=(0.02, 0.05, 0.1, 0.2, 0.3), reference="weight_decay=10, dropout=0.8"),
    "rotated digits": Kind(rotated_digits, rows=400, network="mlp:64", metric="accuracy",
                           dials=(30, 60, 90, 120, 180), training=Training(epochs=30, learning_rate=4e-3),
                           reference="rotation={half}"),
    "rare class": Kind(rare_class, dials=(0.05, 0.1, 0.15, 0.25, 0.35), reference="class_weights=1.0"),
    "correlated inputs": Kind(correlated, dials=(10, 20, 40, 80, 160), reference="l2=0.05"),
}  # fmt: skip
