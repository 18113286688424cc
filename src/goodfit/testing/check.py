"""The checks of a technique, run one after another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, overload
from unittest import SkipTest

from goodfit import registry
from goodfit.technique import Technique
from goodfit.testing import members, penalties, population, records, training

Check = Callable[[type[Technique]], None]

CHECKS: tuple[Check, ...] = (
    records.check_can_be_registered,
    records.check_every_knob_is_declared_in_full,
    records.check_text_dict_and_yaml_read_back,
    records.check_repr_evaluates_to_itself,
    records.check_frozen,
    records.check_each_invalid_value_is_refused_in_words,
    records.check_each_bound_holds_on_its_own_side,
    records.check_unknown_knob_lists_near_ones,
    records.check_documented,
    members.check_stacked_equals_single,
    members.check_draws_depend_on_no_values,
    penalties.check_gradient_is_that_of_the_value,
    training.check_detach_restores_model,
    training.check_same_seed_same_run,
    training.check_global_generators_do_not_matter,
    training.check_no_part_of_the_data_changes,
    training.check_evaluation_is_deterministic,
    training.check_dtype_is_kept,
    training.check_neutral_trains_as_if_absent,
    training.check_each_knob_changes_the_trained_network,
    training.check_resumed_equals_uninterrupted,
    training.check_accumulation_equals_large_batch,
    population.check_population_equals_solo,
)
"""All checks, the quick ones first. Each takes a technique class and raises an AssertionError if it fails."""


@overload
def check_technique(technique: type[Technique], generate_only: Literal[False] = False) -> None: ...


@overload
def check_technique(
    technique: type[Technique], generate_only: Literal[True]
) -> Iterator[tuple[str, Callable[[], None]]]: ...


def check_technique(
    technique: type[Technique], generate_only: bool = False
) -> Iterator[tuple[str, Callable[[], None]]] | None:
    """Check that a technique keeps the rules on which recipes, trainers, populations and saved runs rely.

    The checks train small networks on small generated data for some seconds. The technique does not have to be
    registered. Use it in the tests of your own technique:

    .. code-block:: python

        from goodfit.testing import check_technique

        @pytest.mark.parametrize(("name", "check"), check_technique(MyTechnique, generate_only=True))
        def test_my_technique(name, check):
            check()

    Args:
        technique: the class (not an instance).
        generate_only: return the checks as pairs (name, function without arguments) instead of running them. A
            function raises `unittest.SkipTest` if its check does not apply.

    Raises:
        AssertionError: the technique breaks a rule; the message names the class, the check, and the rule.

    Warns:
        UserWarning: the technique has no references.
    """
    checks = ((name_of(check), partial(run_check, check, technique)) for check in CHECKS)
    if generate_only:
        return checks
    for _, check in checks:
        try:
            check()
        except SkipTest:
            continue
    return None


def run_check(check: Check, technique: type[Technique]) -> None:
    """Run one check of a technique, which is registered meanwhile.

    Raises:
        AssertionError: the check fails.
        unittest.SkipTest: the check does not apply.
    """
    who = getattr(technique, "__name__", repr(technique))
    try:
        if check is records.check_can_be_registered:
            check(technique)
            return
        with registry.registered(technique):
            check(technique)
    except SkipTest:
        raise
    except Exception as error:
        text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        raise AssertionError(f"{who}: {name_of(check)}: {text}") from error


def name_of(check: Check) -> str:
    """The name of a check in words.

    >>> name_of(training.check_same_seed_same_run)
    'same seed same run'
    """
    return re.sub("_", " ", check.__name__.removeprefix("check_"))
