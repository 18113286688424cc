"""Measurements are made once and stored; they are made again where the stored ones do not hold."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from goodfit.kernels import measurements
from goodfit.kernels.measurements import measured, processor, time_ratio


@pytest.fixture
def measure() -> Callable[[], float]:
    """A measurement whose results are 1, 2, 3, …, so that each result says how many were made."""
    numbers = iter(range(1, 100))
    return lambda: float(next(numbers))


def forget() -> None:
    """As in a new process."""
    measurements._known.clear()


def test_a_measurement_is_made_once_and_stored(cache_file: Path, measure: Callable[[], float]) -> None:
    assert [measured("speed", measure), measured("speed", measure)] == [1, 1]
    forget()
    assert measured("speed", measure) == 1
    (key,) = json.loads(cache_file.read_text())
    assert key.startswith("speed, ")
    assert processor() in key
    assert torch.__version__ in key
    assert measured("size", measure) == 2
    forget()
    assert [measured("speed", measure), measured("size", measure)] == [1, 2]


@pytest.mark.parametrize("change", ["torch", "processor", "threads"])
def test_it_is_made_again_after_a_change(
    change: str, cache_file: Path, measure: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured("speed", measure)
    if change == "torch":
        monkeypatch.setattr(torch, "__version__", "9.9")
    elif change == "processor":
        monkeypatch.setattr(measurements, "processor", lambda: "another")
    else:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert measured("speed", measure) == 2


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1, 2]",
        "3",
        '{"KEY": "fast"}',
        '{"KEY": -1}',
        '{"KEY": "nan"}',
        '{"KEY": null}',
        b"\xff\x00",
        "[" * 100_000,
    ],
)
def test_a_damaged_cache_is_replaced(content: str | bytes, cache_file: Path, measure: Callable[[], float]) -> None:
    measured("speed", measure)
    (key,) = json.loads(cache_file.read_text())
    cache_file.write_bytes(content.replace("KEY", key).encode() if isinstance(content, str) else content)
    forget()
    assert measured("speed", measure) == 2
    assert json.loads(cache_file.read_text()) == {key: 2}


def test_infinity_is_stored(cache_file: Path) -> None:
    assert measured("speed", lambda: float("inf")) == float("inf")
    forget()
    assert measured("speed", lambda: 1.0) == float("inf")


def test_nothing_is_decided_by_a_measurement_that_cannot_be_stored(
    tmp_path: Path, cache_file: Path, measure: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # no folder can be made below a file
    assert measured("speed", measure) is None


def test_a_home_that_is_read_only(cache_file: Path, measure: Callable[[], float]) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    cache_file.parent.mkdir()
    cache_file.parent.chmod(0o500)
    try:
        assert measured("speed", measure) is None
    finally:
        cache_file.parent.chmod(0o700)


def _measured_in_process(number: int) -> float | None:
    forget()
    return measured("speed", lambda: float(number))


def test_processes_that_measure_at_the_same_time_agree(cache_file: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        results = pool.map(_measured_in_process, range(1, 9), chunksize=1)
    assert len(set(results)) == 1
    assert results[0] is not None


def test_the_ratio_of_times() -> None:
    numbers = torch.rand(400_000)
    ratio = time_ratio(lambda: [numbers.sort() for _ in range(4)], numbers.sort, rounds=5, seconds=60)
    assert 0 < ratio < 1


def test_a_stored_result_is_read_while_another_process_measures(
    cache_file: Path, measure: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured("speed", measure)
    forget()
    monkeypatch.setattr(measurements, "SECONDS_TO_WAIT", 0.01)
    with FileLock(cache_file.with_suffix(".lock")):
        assert measured("speed", measure) == 1
        assert measured("size", measure) is None
    assert measured("size", measure) == 2
