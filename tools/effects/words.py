"""A figure's numbers in words: what is seen, how it was made, and a digest by which a stale drawing is told."""

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
    """The numbers of a technique's figure, if it was measured."""
    path = FIGURES / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def store(name: str, numbers: Numbers) -> None:
    """Keep the numbers of a technique's figure."""
    (FIGURES / f"{name}.json").write_text(as_text(numbers), encoding="utf-8")


def as_text(numbers: Numbers) -> str:
    """The numbers as they are stored, one fact a line."""
    lines = (f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in numbers.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def made(numbers: Numbers) -> str:
    """How the figure was made, in one line."""
    return f"Measured on {numbers['trained']}; one division of the data, {numbers['seeds']} seeds."


def seen(numbers: Numbers) -> str:
    """What the figure shows, in one sentence."""
    return {"strength": _strength, "presence": _presence, "stopping": _stopping}[numbers["kind"]](numbers)


def label(technique: type[Technique], numbers: Numbers) -> str:
    """What the figure's horizontal axis is."""
    if numbers["kind"] != "strength":
        return "epoch"
    knob = technique.knobs()[numbers["knob"]]
    return f"{numbers['knob']}: {knob.doc}" + (f" ({knob.unit})" if knob.unit else "")


def digest(technique: type[Technique], numbers: Numbers) -> str:
    """What a drawing carries of what it was made from."""
    parts = as_text(numbers), seen(numbers), label(technique, numbers)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def is_drawn(technique: type[Technique]) -> bool:
    """Whether there is a drawing of the stored numbers, and these are of the knob's search range."""
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
    seeds, what, count = f"({len(plain)} seeds)", _what(numbers), f"{len(every)} values tried"
    if not acting:
        return f"None of the {count} changes the {what} {seeds}."
    recipe, best = (max if up else min)(acting, key=lambda pair: fmean(pair[1]))
    against = f"against {fmean(plain):.3g} without"
    if fmean(_gains(best, plain, up)) <= 0:
        verb = "raises" if up else "lowers"
        return f"None of the {count} {verb} the {what}: at best {fmean(best):.3g} ({recipe}), {against} {seeds}."
    most = "highest" if up else "lowest"
    said = f"Of the {count}, {recipe} has the {most} {what}: {fmean(best):.3g} {against}"
    return said + _sure(best, plain, up)


def _presence(numbers: Numbers) -> str:
    there, plain = ([curve[-1] for curve in numbers[key]["stop"]] for key in ("with", "without"))
    result = f"{fmean(there):.3g} against {fmean(plain):.3g} without"
    return f"With {numbers['recipe']} the {_what(numbers)} at the end is {result}" + _sure(there, plain, _up(numbers))


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
    result = f"{_what(numbers)} {kept:.3g} against {end:.3g} at the end without"
    return f"{numbers['recipe']} {when} and keeps the weights of epoch {epochs}: {result} ({len(stops)} seeds)."


def _gains(values: Sequence[float], plain: Sequence[float], up: bool) -> list[float]:
    """By how much each seed's number is better than the same seed's without."""
    return [(a - b) * (1 if up else -1) for a, b in zip(values, plain, strict=True)]


def _sure(values: Sequence[float], plain: Sequence[float], up: bool) -> str:
    """The sentence's end: whether the difference is larger than what it varies by from seed to seed."""
    gains = _gains(values, plain, up)
    if abs(fmean(gains)) > max(gains) - min(gains):
        return f" ({len(gains)} seeds)."
    return f", a difference that {len(gains)} seeds do not settle."


def _up(numbers: Numbers) -> bool:
    return numbers["measured"] in HIGHER_IS_BETTER


def _what(numbers: Numbers) -> str:
    return "stop loss" if numbers["measured"] == "loss" else f"{numbers['measured']} on the stop rows"


def _listed(words: Sequence[str]) -> str:
    if len(set(words)) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"
