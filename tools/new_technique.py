"""Start a technique: its file and its test, to be filled in.

Usage: python tools/new_technique.py FooBar weights
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BASES: dict[str, tuple[str, str, str]] = {
    "sample": (
        "OnSample",
        "import torch\nfrom torch import Tensor",
        "    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:\n        return rows\n",
    ),
    "batch": (
        "OnBatch",
        "import torch\nfrom torch import Tensor",
        "    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:\n        return ()\n\n"
        "    def batch(self, x: Tensor, y: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:\n        return x, y\n",
    ),
    "model": (
        "Noise",
        "import torch\nfrom torch import Tensor",
        "    on: str = selector()\n\n"
        "    def at(self, first: bool) -> Noise | None:\n        return None if first else self\n\n"
        "    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:\n        return ()\n\n"
        "    def perturb(self, x: Tensor, draw: Draw) -> Tensor:\n        return x\n",
    ),
    "loss": (
        "OnLoss",
        "import torch\nfrom torch import Tensor",
        "    def term(self, forward: Forward, generator: torch.Generator) -> Tensor:\n"
        "        return self.strength * forward.output.new_zeros(())\n",
    ),
    "grads": (
        "OnGrads",
        "import torch",
        "    def wrap(self, gradient: Gradient, generator: torch.Generator) -> Gradient:\n        return gradient\n",
    ),
    "weights": (
        "Penalty",
        "from torch import Tensor",
        "    on: str = selector()\n\n"
        "    def value(self, w: Tensor) -> Tensor:\n        return self.strength * w.abs().sum()\n",
    ),
    "eval": (
        "OnEval",
        "from collections.abc import Sequence\n\nfrom torch import Tensor",
        "    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:\n"
        "        return [w.detach().clone() for w in weights]\n\n"
        "    def update(self, state: list[Tensor], weights: Sequence[Tensor], step: int, steps_per_epoch: int) "
        "-> list[Tensor]:\n        return self.start(weights)\n\n"
        "    def weights(self, state: list[Tensor]) -> list[Tensor]:\n        return state\n",
    ),
    "epoch": (
        "OnEpoch",
        "from collections.abc import Mapping",
        "    def watch(self) -> Watch:\n        return Watch()\n\n    def start(self) -> State:\n        return {}\n\n"
        "    def observe(self, state: State, epoch: int, metrics: Mapping[str, float]) -> tuple[State, Decision]:\n"
        "        return state, Decision(stop=False)\n",
    ),
}
NAMES = ("Decision", "Draw", "Forward", "Gradient", "State", "Watch", "selector")

TECHNIQUE = '''"""{title}."""

from __future__ import annotations

{imports}

from goodfit.stages import {stage_names}
from goodfit.technique import knob


class {cls}({base}):
    """One sentence on what it does.

    Formula: …

    Shape: …

    Helps when: …
    Hurts when: …

    >>> {cls}(strength=0.5).strength
    0.5

    Reference: authors, title, year, https://…
    """

    strength: float = knob(default=0.1, low=0, search=(0.01, 1.0), log=True, neutral=0.0, unit="…", doc="…")
{body}'''

TEST = '''"""{cls} against closed forms."""

from goodfit.techniques import {cls}


def test_closed_form() -> None:
    technique = {cls}(strength=0.5)
    raise AssertionError(f"replace this by numbers worked out by hand for {{technique}}")
'''


def snake(name: str) -> str:
    """FooBar → foo_bar."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def sources(name: str, stage: str) -> dict[Path, str]:
    """The two files and their texts."""
    base, imports, body = BASES[stage]
    names = sorted({base, *(n for n in NAMES if re.search(rf"\b{n}\b", body))})
    text = TECHNIQUE.format(
        title=snake(name).replace("_", " ").capitalize(),
        imports=imports,
        stage_names=", ".join(names),
        cls=name,
        base=base,
        body=body if body.startswith("    on:") else "\n" + body,
    )
    package = ROOT / "src" / "goodfit" / "techniques" / stage
    files = {package / f"{snake(name)}.py": text}
    files[ROOT / "tests" / "techniques" / stage / f"test_{snake(name)}.py"] = TEST.format(cls=name)
    if not (package / "__init__.py").exists():
        files[package / "__init__.py"] = f'"""Techniques of the stage {stage}."""\n'
    return files


def main() -> int:
    """Write the files; refuse what exists."""
    if len(sys.argv) != 3 or not re.fullmatch(r"[A-Z][A-Za-z0-9]*", sys.argv[1]) or sys.argv[2] not in BASES:
        print(f"usage: make technique NAME=FooBar STAGE=one of {', '.join(BASES)}")
        return 2
    files = sources(sys.argv[1], sys.argv[2])
    for path in files:
        if path.exists():
            print(f"{path.relative_to(ROOT)} exists; choose another name")
            return 2
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
