"""Cells: the small results of a long benchmark. Each is a JSON file, and a benchmark that was stopped goes on.

`pack` collects the files of a folder in one file of the repository, in which the tables can be computed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from goodfit.serialization import to_json, write_bytes

RESULTS = Path(__file__).parent / "results"
"""The packed results."""
DIGITS = 4
Cell = dict[str, Any]


def run(function: Callable[..., Path], cells: Iterable[Sequence[Any]], workers: int) -> None:
    """Call a function for each cell, in several processes. It writes a file and returns its path."""
    work = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    for file in work(delayed(function)(*cell) for cell in cells):
        print(file.name, flush=True)


def write(file: Path, about: Cell) -> Path:
    """Write a cell."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, to_json(about).encode())
    return file


def read(folder: Path, packed: str) -> dict[str, Cell]:
    """The cells of a folder and those that were packed, by the names of their files."""
    own = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}
    file = RESULTS / f"{packed}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    known = {cell.pop("file"): cell for cell in map(json.loads, lines)}
    return dict(sorted((known | own).items()))


def pack(folder: Path, packed: str) -> Path:
    """Add the cells of a folder to the packed ones; numbers are rounded."""
    cells = read(folder, packed)
    lines = [json.dumps({"file": name, **_rounded(cell)}, ensure_ascii=False) for name, cell in cells.items()]
    file = RESULTS / f"{packed}.jsonl"
    file.parent.mkdir(exist_ok=True)
    write_bytes(file, "".join(f"{line}\n" for line in lines).encode())
    return file


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) and math.isfinite(value) else value


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first row is the head."""
    lines = [" | ".join(row) for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)
