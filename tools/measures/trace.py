"""Trace `fit` and `fit_many` up to the first weight update: which packages and modules does a call enter?

Run as a script, with the source tree to measure on PYTHONPATH; prints JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

RECIPE = "dropout=0.2, l2=1e-3, label_smoothing=0.1, early_stopping=5"
STRONGER = "dropout=0.4, l2=1e-2, label_smoothing=0.2, early_stopping=5"
OPTIMIZER = (("torch/optim/optimizer.py", "wrapper"), ("torch/optim/adam.py", "step"))
UPDATE = (("train/population/weight_update.py", "_optimizer"), ("train/population/update.py", "__call__"))
"""Functions that begin a weight update, as (end of the file's path, name of the function); the first one met counts."""


class Tracer:
    """Record each function of the package when it is first called, until a weight update begins.

    Comprehensions and lambdas are part of the function in which they are written.
    """

    def __init__(self, package: Path, ends: tuple[tuple[str, str], ...]) -> None:
        self.package, self.ends = f"{package}{os.sep}", ends
        self.functions: dict[CodeType, str] = {}
        self.ended = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Record a call; registered with `sys.setprofile`."""
        code = frame.f_code
        if event != "call" or code in self.functions:
            return
        path = code.co_filename
        if path.startswith(self.package) and not code.co_name.startswith("<"):
            self.functions[code] = path.removeprefix(self.package)
        if any(path.endswith(end) and code.co_name == name for end, name in self.ends):
            self.ended = True
            sys.setprofile(None)

    def visits(self) -> list[tuple[str, str]]:
        """The functions as (module, name), in the order in which they are first called."""
        return [(module, code.co_qualname) for code, module in self.functions.items()]


def measures(visits: Sequence[Sequence[str]]) -> dict[str, int]:
    """Packages and modules entered, and how often the trace returns to a module that it had already left.

    A function counts once, when it is first called: a reader reads it once.
    """
    modules = [module for module, _ in visits]
    visited = [module for module, _ in groupby(modules)]
    return {
        "packages": len({str(Path(module).parent) for module in modules}),
        "modules": len(set(modules)),
        "modules in train": sum(module.startswith("train" + os.sep) for module in set(modules)),
        "functions": len(modules),
        "returns": len(visited) - len(set(visited)),
    }


def traced(call: Callable[[], object], ends: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """The functions that a call enters before the first weight update."""
    import goodfit

    tracer = Tracer(Path(goodfit.__file__).parent, ends)
    sys.setprofile(tracer)
    try:
        call()
    finally:
        sys.setprofile(None)
    if not tracer.ended:
        raise SystemExit(f"trace: no weight update was met; expected one of {ends}")
    return tracer.visits()


def main() -> None:
    """Trace both calls on a small network."""
    import torch

    from goodfit import Training, fit, fit_many, load

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # a population then visited in this process
    split = load("breast_cancer").split()
    training = Training(epochs=1)
    single = traced(lambda: fit("mlp:8", split, RECIPE, training), OPTIMIZER)
    many = traced(lambda: fit_many("mlp:8", split, [RECIPE, STRONGER], training, population=True), UPDATE)
    print(json.dumps({"fit": single, "fit_many": many}))


def paths(root: Path) -> dict[str, list[list[str]]]:
    """`fit` and `fit_many` → the functions that they enter in the source tree `root`; runs a new process."""
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, __file__], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"trace of {root} failed:\n{done.stderr[-2000:]}")
    functions: dict[str, list[list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return functions


def measure(root: Path) -> dict[str, dict[str, int]]:
    """`fit` and `fit_many` → their measures."""
    return {call: measures(visits) for call, visits in paths(root).items()}


def visits(root: Path, call: str) -> list[str]:
    """The path of a call, a line for each stay in a module."""
    visited = groupby(paths(root)[call], key=lambda visit: visit[0])
    return [f"{module}: {', '.join(name for _, name in functions)}" for module, functions in visited]


if __name__ == "__main__":
    main()
