"""A realistic page: fifteen recipes, three fits each, sixty epochs."""

import dataclasses
import itertools
import math
import random

import pytest

from goodfit.report.page import Curve, FindingEntry, NetworkWeights, Page, Row, TensorWeights, VerdictBox

LONG = "l2=1e-4, dropout=0.25, batch_norm, mixup=0.2, label_smoothing=0.1, max_norm=3, ema=0.999, early_stopping=5"
PLAIN, NOTE = "plain", "1 of 3 fits failed"
#        label, difference from plain, half-width of its interval, verdict, train accuracy, share of exact zeros
RECIPES = (
    ("dropout=0.25, mixup=0.2", 0.0121, 0.0031, "good fit", 0.985, 0.0),
    ("dropout=0.25", 0.0098, 0.0027, "good fit", 0.987, 0.0),
    (LONG, 0.0093, 0.0044, "good fit", 0.981, 0.0),
    ("mixup=0.2", 0.0071, 0.0032, "good fit", 0.984, 0.0),
    ("weight_decay=0.05", 0.0046, 0.0026, "overfit", 0.991, 0.0),
    ("l2=1e-4", 0.0040, 0.0029, "overfit", 0.991, 0.0),
    ("label_smoothing=0.1", 0.0027, 0.0034, "overfit", 0.994, 0.0),
    ("ema=0.999", 0.0019, 0.0021, "overfit", 0.995, 0.0),
    ("max_norm=3", 0.0008, 0.0029, "overfit", 0.994, 0.0),
    (PLAIN, None, None, "overfit", 0.996, 0.0),
    ("input_noise=0.1", -0.0004, 0.0037, "overfit", 0.995, 0.0),
    ("early_stopping=5", -0.0011, 0.0022, "overfit", 0.990, 0.0),
    ("l1=1e-4", -0.0032, 0.0030, "good fit", 0.983, 0.713),
    ("batch_norm", -0.0042, 0.0089, "cannot tell", 0.997, 0.0),
    ("l2=1e-2", -0.0214, 0.0052, "underfit", 0.951, 0.0),
)
BASE = 0.9699


def row(label: str, difference: float | None, half: float | None, verdict: str, train: float) -> Row:
    mean = BASE + (difference or 0.0)
    around = 0.0023
    ends = (None, None) if difference is None or half is None else (difference - half, difference + half)
    note = NOTE if label == "batch_norm" else ""
    gap = train - mean
    return Row(
        label,
        label,
        mean,
        mean - around,
        mean + around,
        difference,
        *ends,
        3,
        verdict,
        note,
        12.3 + 40 * gap,
        gap,
    )


def curve(label: str, difference: float, train: float, seed: int, epochs: int = 60) -> Curve:
    draw = random.Random(f"{label}{seed}")
    pace = 9 + 4 * draw.random()
    peak = 14 + draw.randrange(9) if train > 0.99 else epochs - 6 + draw.randrange(5)
    acc, held, loss, held_loss = [], [], [], []
    for epoch in range(1, epochs + 1):
        progress = 1 - math.exp(-epoch / pace)
        late = max(0, epoch - peak) / epochs
        acc.append(0.86 + (train - 0.86) * progress + draw.gauss(0, 0.0008))
        held.append(0.855 + (BASE + difference - 0.855) * progress - 0.012 * late + draw.gauss(0, 0.0018))
        loss.append(0.46 * math.exp(-epoch / pace) + 2.2 * (1 - train) + abs(draw.gauss(0, 0.001)))
        held_loss.append(
            0.44 * math.exp(-epoch / pace) + 2.4 * (1 - BASE - difference) + 0.13 * late + draw.gauss(0, 0.003)
        )
    best = min(range(epochs), key=held_loss.__getitem__) + 1
    table = tuple(tuple(series) for series in (acc, held, loss, held_loss))
    return Curve(label, seed, "accuracy", tuple(range(1, epochs + 1)), *table, best, best)


def weights(label: str, share: float) -> NetworkWeights:
    tensors = []
    for name, shape in (
        ("0.weight", (500, 784)),
        ("2.weight", (500, 500)),
        ("4.weight", (500, 500)),
        ("6.weight", (10, 500)),
    ):
        size = shape[0] * shape[1]
        zeros = round(share * size * (1.1 if name == "0.weight" else 0.9))
        width = {"l1=1e-4": 0.03, "l2=1e-4": 0.032, "l2=1e-2": 0.012}.get(label, 0.045) + 0.01 * (shape[0] == 10)
        edges = tuple(6 * width * (i / 40 - 1) for i in range(81))
        masses = [math.exp(-0.5 * ((a + b) / 2 / width) ** 2) for a, b in itertools.pairwise(edges)]
        counts = tuple(round((size - zeros) * mass / sum(masses)) for mass in masses)
        tensors.append(TensorWeights(name, shape, edges, counts, zeros, zeros + sum(counts)))
    return NetworkWeights(label, tuple(tensors))


def verdict() -> VerdictBox:
    return VerdictBox(
        "overfit",
        "The plain network has learned its training rows and little more: it fits 99.6 % of them and "
        "97.0 % of the rest.",
        "plain",
        (
            FindingEntry(
                "The gap is wide",
                "Train accuracy 0.996, stop accuracy 0.970: a gap of 0.026, ten times its standard error over 3 folds.",
                "Regularize: dropout, mixup or weight decay.",
                "supports",
            ),
            FindingEntry(
                "The stop loss rises while the train loss falls",
                "From epoch 19 to 60 the stop loss rises by 38 % while the train loss falls by 84 %.",
                "Keep the best epoch's weights.",
                "supports",
            ),
            FindingEntry("The network can fit the data", "Train accuracy exceeds 0.99 in every fit.", "", "neutral"),
            FindingEntry(
                "The learning curve over rows flattens",
                "Doubling the rows from 17,150 to 34,300 narrows the gap by only 0.004.",
                "More data alone will not close it.",
                "against",
            ),
        ),
        (
            "Use dropout=0.25, mixup=0.2: it gains 0.0121 [0.0090, 0.0152] over plain.",
            "Try rates between 0.2 and 0.4; the gain had not yet turned at the upper end.",
            "Drop l2=1e-2: it makes the network underfit.",
        ),
    )


def sample_page() -> Page:
    actions = tuple(
        (
            f"{2 * i}.{part}",
            kind,
            "0.25 on its input" if i else "–",
            "1e-4" if part == "weight" else "no: biases are left out",
        )
        for i, kind in enumerate(("Linear 784 → 500", "Linear 500 → 500", "Linear 500 → 500", "Linear 500 → 10"))
        for part in ("weight", "bias")
    )
    return Page(
        title="Which regularization helps the digits network?",
        subtitle="15 recipes on 34,300 digits, compared on the same three folds.",
        facts=(
            ("Data", "digits, 49,000 rows"),
            ("Train / stop / validation", "34,300 / 7,350 / 7,350"),
            ("Network", "784-500-500-500-10, ReLU"),
            ("NetworkWeights", "897,010"),
            ("Protocol", "3 folds × 1 repeat"),
            ("Epochs", "60"),
            ("Optimizer", "Adam, 1e-3, batch 128"),
            ("Took", "11 min 40 s"),
        ),
        verdict=verdict(),
        metric="accuracy",
        higher_is_better=True,
        interval="95 % interval over rows (jackknife)",
        ranking=tuple(row(*recipe[:5]) for recipe in reversed(RECIPES)),
        curves=tuple(curve(r[0], r[1] or 0.0, r[4], seed) for r in RECIPES for seed in range(3)),
        weights=tuple(weights(r[0], r[5]) for r in RECIPES),
        actions=actions,
        action_columns=("Tensor", "Layer", "dropout=0.25", "l2=1e-4"),
        test=(
            ("accuracy of dropout=0.25, mixup=0.2", "0.9811 [0.9783, 0.9836]"),
            ("accuracy of plain", "0.9694 [0.9659, 0.9726]"),
            ("rows", "10,000"),
        ),
        reproduce=(
            (
                "On the command line",
                "goodfit study digits.csv --target label --recipe l1=1e-4 --recipe dropout=0.25 --folds 3 --repeats 1",
            ),
            (
                "In Python",
                "import goodfit\n\nstudy = goodfit.run_study(data, model, recipes)\n"
                'goodfit.write_report(study, "report.html")\n',
            ),
        ),
        notes=(
            "The intervals are not corrected for fifteen comparisons. Expect about one of "
            "twenty to exclude zero by chance.",
            "batch_norm diverged on one fold; its interval is wide for that reason.",
        ),
        created="2025-06-01 12:00 UTC",
        version="0.1.0",
    )


@pytest.fixture(scope="session")
def page() -> Page:
    return sample_page()


@pytest.fixture(scope="session")
def single(page: Page) -> Page:
    """One run, without a ranking, without weights."""
    return dataclasses.replace(page, ranking=(), curves=page.curves[:1], weights=(), test=(), actions=(), notes=())
