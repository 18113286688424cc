import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from goodfit.study.trial_parameters import parameters_of


def values(text: str) -> dict[str, float]:
    return {name: value for name, (value, _) in parameters_of(text).items()}


def test_each_number_is_a_parameter() -> None:
    assert values("") == {"techniques": 0}
    assert values("l2=0.01, early_stopping=7") == {"techniques": 2, "l2": 0.01, "early_stopping": 7}
    assert values("elastic_net(l1=1e-5, l2=1e-4)")["techniques"] == 1
    assert values("mixup(0.2, schedule='linear')") == {"techniques": 1, "mixup": 0.2}


def test_the_same_technique_on_other_layers_has_its_own_parameter() -> None:
    assert values("l2=0.01, l2(0.1, on='bias')") == {"techniques": 2, "l2": 0.01, "l2(bias)": 0.1}


def test_type_and_scale_do_not_depend_on_the_value() -> None:
    small, large = parameters_of("l2=1e-9")["l2"][1], parameters_of("l2=20")["l2"][1]
    assert small == FloatDistribution(1e-9, 0.1, log=True)
    assert large == FloatDistribution(1e-6, 20.0, log=True)
    assert parameters_of("early_stopping=50")["early_stopping"][1] == IntDistribution(2, 50)


@pytest.mark.parametrize("text", ["l2=0", "max_norm(schedule='linear')"])
def test_what_a_scale_cannot_show_is_left_out(text: str) -> None:
    assert "l2" not in values(text)
    assert values(text)["techniques"] == 1


def test_a_recipe_that_cannot_be_read_has_no_parameters() -> None:
    assert values("not_registered=3") == {}
