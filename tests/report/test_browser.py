"""The page in a browser: wide, narrow and small, light and dark."""

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from goodfit.report.html import write
from goodfit.report.page import Cell, Feature, Page, SampleGallery, SampleView

pytestmark = pytest.mark.browser
SETTINGS = {
    "light": (1280, 900, False, "light"),
    "dark": (1280, 900, False, "dark"),
    "phone": (390, 844, True, "dark"),
    "small": (320, 640, True, "light"),
    "tablet": (820, 1180, True, "light"),
}
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OVERLAPS = """
const problems = [];
for (const plot of document.querySelectorAll('.js-plotly-plot')) {
  const boxes = [...plot.querySelectorAll('svg text')].filter(t => t.textContent.trim()).map(t => {
    const box = t.getBoundingClientRect();
    return {text: t.textContent, l: box.left, r: box.right, t: box.top, b: box.bottom};
  }).filter(box => box.r > box.l);
  const frame = plot.getBoundingClientRect();
  boxes.forEach((a, i) => {
    const outside = a.l < frame.left - 1 || a.r > frame.right + 1;
    if (outside || a.t < frame.top - 1 || a.b > frame.bottom + 1) problems.push('clipped: ' + a.text);
    boxes.slice(i + 1).forEach(b => {
      const wide = Math.min(a.r, b.r) - Math.max(a.l, b.l);
      const high = Math.min(a.b, b.b) - Math.max(a.t, b.t);
      if (wide > 1 && high > 2) problems.push(a.text + ' / ' + b.text);
    });
  });
}
return problems;
"""
DRAWN = """
return [...document.querySelectorAll('.plot')].map(plot => {
  const svg = plot.querySelector('svg.main-svg');
  const box = svg ? svg.getBoundingClientRect() : {width: 0, height: 0};
  return {name: plot.dataset.figure, plotly: plot.classList.contains('js-plotly-plot'),
    width: box.width, height: box.height, room: plot.clientWidth,
    marks: plot.querySelectorAll('.scatterlayer path.js-line, .scatterlayer .points path').length};
});
"""
COLOURS = """
const ground = getComputedStyle(document.body).backgroundColor;
const texts = [...document.querySelectorAll('.js-plotly-plot svg text')];
const colours = new Set(texts.map(t => getComputedStyle(t).fill));
return {ground, texts: [...colours]};
"""

Open = Callable[[Page, str], Any]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("needs chromium and chromedriver on the path")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield browser
    browser.quit()


@pytest.fixture
def visit(driver: Any, tmp_path: Path) -> Open:
    def go(page: Page, setting: str) -> Any:
        width, height, mobile, scheme = SETTINGS[setting]
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        emulate(driver, scheme)
        driver.get_log("browser")
        driver.get(write(page, tmp_path / "report.html").as_uri())
        wait(driver, "return document.documentElement.dataset.figures === 'ready'")
        return driver

    return go


def emulate(driver: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "screen", "features": features})


def wait(driver: Any, script: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not driver.execute_script(script):
        assert time.monotonic() < end, f"timed out: {script}"
        time.sleep(0.05)


def numbers(colour: str) -> list[float]:
    return [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [part / 255 for part in numbers(colour)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def check(driver: Any) -> None:
    """Check what must hold in every setting."""
    assert driver.get_log("browser") == []
    drawn = driver.execute_script(DRAWN)
    for figure in drawn:
        assert figure["plotly"], figure
        assert figure["width"] == pytest.approx(figure["room"], abs=1), figure
        assert figure["height"] > 100, figure
        assert figure["marks"] > 0, figure
    assert driver.execute_script(OVERLAPS) == []
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    colours = driver.execute_script(COLOURS)
    for text in colours["texts"]:
        assert contrast(text, colours["ground"]) >= 4.5, (text, colours["ground"])


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_page_is_readable(visit: Open, page: Page, setting: str) -> None:
    driver = visit(page, setting)
    check(driver)
    assert len(driver.execute_script(DRAWN)) == 4
    sum_of_ground = sum(numbers(driver.execute_script(COLOURS)["ground"]))
    assert (sum_of_ground < 150) == (SETTINGS[setting][3] == "dark")


@pytest.mark.parametrize("setting", ["light", "phone"])
def test_unusual_pages_are_readable(visit: Open, page: Page, setting: str) -> None:
    nan, plain = math.nan, next(row for row in page.ranking if row.difference is None)
    rows = [dataclasses.replace(page.ranking[0], label=f"l2={i}, " * 30, recipe="x" * 400) for i in range(39)]
    short = dataclasses.replace(page.curves[0], epochs=(1,), best_epoch=1, kept_epoch=1)
    broken = dataclasses.replace(page.curves[3], train=(nan,) * 60, stop_loss=(1e30, *page.curves[3].stop_loss[1:]))
    edges = dataclasses.replace(
        page,
        title="<script>console.error('escaped')</script>" + "a_very_long_name" * 12,
        facts=(("column", "<script>"), ("path", "y" * 300)),
        ranking=(plain, *rows),
        curves=(short, broken),
        metric="<script>",
    )
    check(visit(edges, setting))


def test_a_page_of_one_run_is_readable(visit: Open, single: Page) -> None:
    driver = visit(single, "phone")
    check(driver)
    assert len(driver.execute_script(DRAWN)) == 1


def test_selecting_a_recipe_changes_curves_weights_and_table(visit: Open, page: Page) -> None:
    driver, index = visit(page, "light"), page.labels().index("l1=1e-4")
    driver.execute_script(
        "const s = document.querySelector('select[data-kind=curves]'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('change'));",
        str(index),
    )
    names = [figure["name"] for figure in driver.execute_script(DRAWN)]
    assert names == ["differences", "curves-0", f"curves-{index}", f"weights-{index}"]
    shown = driver.execute_script(
        "return [...document.querySelectorAll('[data-of]:not([hidden])')].map(e => e.dataset.of)"
    )
    assert shown == [f"weights-{index}"]
    caption = driver.execute_script("return document.querySelector('[data-picked=weights] figcaption').textContent")
    assert caption.startswith("l1=1e-4: ")
    ranges = driver.execute_script(
        "return [...document.querySelectorAll('#curves .plot')].map(p => p.layout.yaxis2.range.join())"
    )
    assert ranges[0] == ranges[1]
    check(driver)


def test_figures_follow_the_colour_scheme(visit: Open, page: Page) -> None:
    driver = visit(page, "light")
    before = driver.execute_script(COLOURS)
    emulate(driver, "dark")
    wait(driver, "return document.querySelector('.plot').layout.font.color === '#ecebe7'")
    after = driver.execute_script(COLOURS)
    assert set(before["texts"]).isdisjoint(after["texts"])
    check(driver)


def test_figures_follow_the_width(visit: Open, page: Page) -> None:
    driver = visit(page, "light")
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 420, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    wait(driver, "return [...document.querySelectorAll('.plot')].every(p => p.layout.width === p.clientWidth)")
    check(driver)


def test_prints_in_light_colours_on_paper_width(visit: Open, page: Page) -> None:
    driver = visit(page, "dark")
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    texts = driver.execute_script(
        "return [...document.querySelectorAll('.plot')].map(p => [p.layout.font.color, p.layout.width])"
    )
    assert all(colour == "#1d1c1a" and width <= 670 for colour, width in texts)
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    check(driver)


@pytest.mark.parametrize("setting", ["light", "small"])
def test_wide_tables_and_charts_scroll_within_their_box(visit: Open, page: Page, setting: str) -> None:
    names = [
        Feature("a_long_name_of_a_column_" * 3),
        *(Feature(f"column {i}", "−1,234.5", "1,234.5") for i in range(5)),
    ]
    row = SampleView(cells=tuple(Cell("a category in many words", "−1,234.5", changed=True) for _ in names))
    series = SampleView(paths=("M0 100L1000 100",) * 6, caption="a class 50 %, another class 50 %")
    galleries = (
        SampleGallery("a row", row, (row,) * 12, tuple(names)),
        SampleGallery("a series", series, (series,) * 12, tuple(names[1:])),
    )
    driver = visit(dataclasses.replace(page, galleries=galleries), setting)
    check(driver)
    wider = "return [...document.querySelectorAll('.gallery .scroll')].map(box => box.scrollWidth > box.clientWidth)"
    assert driver.execute_script(wider) == [True]
    heights = "return [...document.querySelectorAll('.channel svg')].map(chart => chart.getBoundingClientRect().height)"
    assert min(driver.execute_script(heights)) >= 20
