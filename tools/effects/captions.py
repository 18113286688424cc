"""Describe the numbers of a figure in a sentence, and detect figures that are out of date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from goodfit.technique import Technique

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "techniques" / "figures"
HIGHER_IS_BETTER = ("balanced accuracy",)

Numbers = dict[str, Any]


def stored(name: str) -> Numbers | None:
    """The stored numbers of a technique; None if it was not measured."""
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def store(name: str, numbers: Numbers) -> None:
    """Store the numbers of a technique."""
    (FIGURES / f"{name}.json").write_text(as_text(numbers), encoding="utf-8")


def as_text(numbers: Numbers) -> str:
    """The numbers as stored text, one entry per line."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in numbers.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def origin(numbers: Numbers) -> str:
    """State how the numbers were measured, in one line."""
    return f"Measured on {numbers['trained']}; one split of the data, {numbers['seeds']} seeds."


def caption(numbers: Numbers) -> str:
    """State what the figure shows, in one sentence."""
    return {"strength": _strength, "presence": _presence, "stopping": _stopping}[numbers["kind"]](numbers)


def label(technique: type[Technique], numbers: Numbers) -> str:
    """The label of the horizontal axis."""
    if numbers["kind"] != "strength":
        return "epoch"
    knob = technique.knobs()[numbers["knob"]]
    return f"{numbers['knob']}: {knob.doc}" + (f" ({knob.unit})" if knob.unit else "")


def digest(technique: type[Technique], numbers: Numbers) -> str:
    """A hash of the numbers and texts of a figure, which the drawing contains."""
    parts = as_text(numbers), caption(numbers), label(technique, numbers)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_drawn(technique: type[Technique]) -> bool:
    """Whether the drawing shows the stored numbers, and these cover the search range of the knob."""
    numbers, path = stored(technique.name()), FIGURES / f"{technique.name()}.svg"
    if numbers is None or not path.exists():
        return False
    if numbers["kind"] == "strength":
        knob = technique.knobs().get(numbers["knob"])
        if knob is None or [min(numbers["values"]), max(numbers["values"])] != list(knob.search):
            return False
    return digest(technique, numbers) in path.read_text(encoding="utf-8")


# ---- sentences -----------------------------------------------------------------------------------


def _strength(numbers: Numbers) -> str:
    plain, up = numbers["without"]["stop"], _up(numbers)
    every = list(zip(numbers["recipes"], numbers["stop"], strict=True))
    acting = [(recipe, row) for recipe, row in every if row != plain and None not in row]
    seeds, measure, count = f"({len(plain)} seeds)", _measure(numbers), f"{len(every)} values tried"
    if not acting:
        return f"None of the {count} changes the {measure} {seeds}."
    recipe, best = (max if up else min)(acting, key=lambda pair: fmean(pair[1]))
    against = f"against {fmean(plain):.3g} without"
    if fmean(_gains(best, plain, up)) <= 0:
        verb = "raises" if up else "lowers"
        return f"None of the {count} {verb} the {measure}: at best {fmean(best):.3g} ({recipe}), {against} {seeds}."
    most = "highest" if up else "lowest"
    sentence = f"Of the {count}, {recipe} has the {most} {measure}: {fmean(best):.3g} {against}"
    return sentence + _certainty(best, plain, up)


def _presence(numbers: Numbers) -> str:
    values, plain = ([curve[-1] for curve in numbers[key]["stop"]] for key in ("with", "without"))
    result = f"{fmean(values):.3g} against {fmean(plain):.3g} without"
    ending = _certainty(values, plain, _up(numbers))
    return f"With {numbers['recipe']} the {_measure(numbers)} at the end is {result}{ending}"


def _stopping(numbers: Numbers) -> str:
    stops, curves = numbers["stops"], numbers["without"]["stop"]
    ran = max(map(len, curves))
    ended = [str(stop["epochs"]) for stop in stops if stop["stopped"]]
    kept = fmean(curve[stop["kept"] - 1] for curve, stop in zip(curves, stops, strict=True))
    when = f"stops after {_listed(ended)} of {ran} epochs" if ended else f"does not stop within {ran} epochs"
    if 0 < len(ended) < len(stops):
        when = f"stops {len(ended)} of {len(stops)} runs, after {_listed(ended)} of {ran} epochs,"
    epochs = _listed([str(stop["kept"]) for stop in stops])
    end = fmean(curve[-1] for curve in curves)
    result = f"{_measure(numbers)} {kept:.3g} against {end:.3g} at the end without"
    return f"{numbers['recipe']} {when} and keeps the weights of epoch {epochs}: {result} ({len(stops)} seeds)."


def _gains(values: Sequence[float], plain: Sequence[float], up: bool) -> list[float]:
    """For each seed, how much better the value is with the technique than without it."""
    return [(a - b) * (1 if up else -1) for a, b in zip(values, plain, strict=True)]


def _certainty(values: Sequence[float], plain: Sequence[float], up: bool) -> str:
    """The end of a sentence: whether the difference is larger than its variation between seeds."""
    gains = _gains(values, plain, up)
    if abs(fmean(gains)) > max(gains) - min(gains):
        return f" ({len(gains)} seeds)."
    return f", a difference that is not clear from {len(gains)} seeds."


def _up(numbers: Numbers) -> bool:
    return numbers["measured"] in HIGHER_IS_BETTER


def _measure(numbers: Numbers) -> str:
    return "stop loss" if numbers["measured"] == "loss" else f"{numbers['measured']} on the stop rows"


def _listed(words: Sequence[str]) -> str:
    if len(set(words)) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"
