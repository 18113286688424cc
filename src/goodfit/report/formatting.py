"""Format numbers and texts for a report; missing numbers are a dash."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

DASH = "–"


def finite(value: float | None) -> float | None:
    """Return the value as a float, or None if it is missing, infinite or NaN."""
    return float(value) if value is not None and math.isfinite(value) else None


def clean(values: Iterable[float | None], digits: int = 5) -> list[float | None]:
    """Round values to significant digits; values that are not finite become None."""
    return [None if (v := finite(value)) is None else float(f"{v:.{digits}g}") for value in values]


def decimals(intervals: Sequence[tuple[float | None, float | None]]) -> int:
    """Return the decimal places with which the median half-width of the intervals has two significant digits.

    >>> decimals([(0.971, 0.976), (0.962, 0.968)])
    4
    """
    ends = [(finite(low), finite(high)) for low, high in intervals]
    halves = [(high - low) / 2 for low, high in ends if low is not None and high is not None and high > low]
    if not halves:
        return 4
    return min(max(1 - math.floor(math.log10(statistics.median(halves))), 0), 6)


def number(value: float | None, places: int, *, sign: bool = False) -> str:
    """Format a number, with a true minus sign.

    >>> number(-0.01234, 3), number(0.5, 2, sign=True), number(float("nan"), 2)
    ('−0.012', '+0.50', '–')
    """
    if (v := finite(value)) is None:
        return DASH
    if v and (abs(v) >= 1e6 or abs(v) < 0.5 * 10**-places):
        return f"{v:{'+' if sign else ''}.1e}".replace("-", "−")
    return f"{v:{'+' if sign and v else ''},.{places}f}".replace("-", "−")


def span(low: float | None, high: float | None, places: int, *, sign: bool = False) -> str:
    """Format an interval; empty if an end is missing.

    >>> span(0.1, 0.25, 2)
    '[0.10, 0.25]'
    """
    if finite(low) is None or finite(high) is None:
        return ""
    return f"[{number(low, places, sign=sign)}, {number(high, places, sign=sign)}]"


def percent(share: float) -> str:
    """Format a share as a percentage; small shares are never rounded to zero.

    >>> percent(0.8137), percent(0.0), percent(0.0002)
    ('81.4 %', '0 %', '< 0.1 %')
    """
    if share <= 0:
        return "0 %"
    if share < 0.001:
        return "< 0.1 %"
    if share >= 1:
        return "100 %"
    return "> 99.9 %" if share > 0.999 else f"{100 * share:.1f} %"


def duration(seconds: float) -> str:
    """Format a duration in its two largest units.

    >>> duration(3.21), duration(75), duration(7500)
    ('3.2 s', '1 min 15 s', '2 h 5 min')
    """
    if finite(seconds) is None:
        return DASH
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def shorten(text: str, length: int) -> str:
    """Shorten a text in the middle, so that its start and end stay readable.

    >>> shorten("l2=1e-4, dropout=0.25, batch_norm, mixup=0.2", 36)
    'l2=1e-4, dropout=0.25, … mixup=0.2'
    >>> shorten("a_word_that_never_ends", 12)
    'a_word…_ends'
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    parts = text.split(", ")
    for count in range(len(parts) - 2, 0, -1):
        shortened = f"{', '.join(parts[:count])}, … {parts[-1]}"
        if len(shortened) <= length:
            return shortened
    head = (length - 1) * 3 // 5
    return text[:head] + "…" + text[len(text) - (length - 1 - head) :]


METRIC_TITLES = {
    "iou": "IoU", "f1_macro": "Macro F1", "roc_auc": "ROC AUC", "r2": "R²", "rmse": "RMSE", "mae": "MAE",
}  # fmt: skip
"""Names of metrics that are not just capitalized."""


def metric_title(name: str) -> str:
    """Return the name of a metric as a heading.

    >>> metric_title("balanced_accuracy"), metric_title("iou"), metric_title("log_loss after temperature scaling")
    ('Balanced accuracy', 'IoU', 'Log loss after temperature scaling')
    """
    return METRIC_TITLES.get(name, name[:1].upper() + name[1:].replace("_", " "))
