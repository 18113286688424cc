"""`check_technique` accepts techniques of users of several stages, and refuses broken ones with the right message."""

from __future__ import annotations

import contextlib
import unittest
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit import registry
from goodfit.stages import ForwardPass, OnLoss, Penalty, Scaling, selector
from goodfit.technique import Technique, knob
from goodfit.testing import CHECKS, check_technique
from goodfit.testing.check import name_of, run_check
from goodfit.testing.examples import REFERENCES, CubicPenalty, UniformNoise


class LogitPenalty(OnLoss):
    """Adds strength times the mean square of the outputs to the loss."""

    references = REFERENCES
    strength: float = knob(0.1, low=0, search=(0.01, 1.0), log=True, neutral=0.0, unit="loss", doc="weight of the term")

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> tuple[Tensor, ...]:
        return ()

    def term(self, forward: ForwardPass, draw: tuple[Tensor, ...]) -> Tensor:
        return self.strength * forward.output.square().mean()


GOOD = pytest.mark.parametrize("technique", [CubicPenalty, UniformNoise, LogitPenalty])


# ---- good ones --------------------------------------------------------------------------------------


@GOOD
def test_good_techniques_pass(technique: type[Technique]) -> None:
    check_technique(technique)
    assert technique.name() not in registry.all_techniques()  # they are registered during the checks only


@pytest.mark.parametrize(
    ("name", "check"), [pytest.param(*pair, id=pair[0]) for pair in check_technique(CubicPenalty, generate_only=True)]
)
def test_generated_checks_run_one_by_one(name: str, check: Any) -> None:
    assert name in {name_of(c) for c in CHECKS}
    with contextlib.suppress(unittest.SkipTest):
        check()


def test_registered_techniques_stay_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    registry.register(CubicPenalty)
    run_check(CHECKS[0], CubicPenalty)
    assert registry.is_registered(CubicPenalty)


def test_missing_references_are_a_warning() -> None:
    class Unreferenced(CubicPenalty):
        """Adds strength · Σ|w|³ to the cost."""

        references = ()

    check = next(c for c in CHECKS if name_of(c) == "documented")
    with pytest.warns(UserWarning, match=r"Unreferenced: it has no references; declare `references = \(Reference"):
        run_check(check, Unreferenced)


# ---- broken ones; the tests of the modules of the checks have more ----------------------------------


class Unregistrable(Penalty):
    """Adds nothing, because no trainer applies a bare Penalty."""

    def value(self, w: Tensor) -> Tensor:
        return w.sum()


class Dropout(CubicPenalty):
    """Has the name of another technique."""


class Crashing(Scaling):
    """Fails in training."""

    on: str = selector()

    def axes(self, ndim: int) -> tuple[int, ...]:
        return tuple(range(1, ndim))

    def scale(self, norm: Tensor) -> Tensor:
        raise ZeroDivisionError("by zero")


class Undocumented(CubicPenalty):
    """Has a knob without documentation."""

    extra: float = knob(0.5, low=0, high=1)


BROKEN: list[tuple[type[Technique], str, str]] = [
    (Unregistrable, "can be registered", "a technique must be a class derived from one of OnSample"),
    (Dropout, "can be registered", r"the name 'dropout' belongs to goodfit\.techniques\.model\.dropout\.Dropout"),
    (Crashing, "same seed same run", "ZeroDivisionError: by zero"),
]


@pytest.mark.parametrize(("technique", "check", "message"), BROKEN, ids=[t.__name__ for t, *_ in BROKEN])
def test_broken_techniques_are_refused(technique: type[Technique], check: str, message: str) -> None:
    checks = dict(check_technique(technique, generate_only=True))
    with pytest.raises(AssertionError, match=f"^{technique.__name__}: {check}: .*{message}"):
        checks[check]()


def test_first_failure_is_raised() -> None:
    with pytest.raises(AssertionError, match=r"^Undocumented: every knob is declared in full: knob extra needs doc=…"):
        check_technique(Undocumented)


def test_other_things_are_refused() -> None:
    with pytest.raises(AssertionError, match=r"can be registered: .*must be a class derived from"):
        check_technique(3)  # type: ignore[call-overload]
