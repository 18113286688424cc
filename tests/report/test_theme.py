"""The colours of figures and pages."""

import pytest

from goodfit.report import theme


def test_colours_map_one_to_one() -> None:
    lights = [light for light, _ in theme.PALETTE.values()]
    assert len(set(lights)) == len(lights)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("name", ["ink", "soft", "better", "worse", "inconclusive", "train", "stop"])
def test_the_contrast_is_high_enough(name: str, ground: str, dark: bool) -> None:
    a, b = sorted(luminance(theme.PALETTE[key][dark]) for key in (name, ground))
    assert (b + 0.05) / (a + 0.05) >= 4.5
