"""Create the files of a new technique: its source, its test, and its entry in the catalogue.

Usage: python tools/new_technique.py NAME STAGE [BASE]        (make technique NAME=FooBar STAGE=weights)

NAME is the class in CamelCase. STAGE is a folder of goodfit/techniques. BASE is the base class in goodfit/stages; it
is needed only if the first one of the stage in BASES is not the right one. Existing files are not overwritten.
"""

from __future__ import annotations

import ast
import keyword
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASES = {
    "sample": ("OnSample", "Synthesis"),
    "batch": ("BatchTransform", "Attack", "HiddenMix", "ValueTransform"),
    "image": ("ValueTransform", "MatrixWarp", "DisplacementWarp", "Flip", "AugmentationPolicy"),
    "video": ("ValueTransform",),
    "sound": ("SoundTransform",),
    "series": ("ValueTransform",),
    "text": ("TextTransform",),
    "table": ("ValueTransform",),
    "model": ("Noise", "BranchNoise", "WeightPerturbation", "Recurrent", "Normalization"),
    "loss": ("OnLoss",),
    "grads": ("OnGrads",),
    "weights": ("ProximalPenalty", "QuadraticPenalty", "SmoothPenalty", "Decay", "Scaling", "Projection"),
    "eval": ("AveragedWeights", "ResettingAverage", "Ensemble"),
    "epoch": ("OnEpoch",),
}
"""Stage folder → the base classes of its techniques; the first is the default."""
SELECTED = ("model", "weights")
KINDS = ("video", "series", "table")
"""Folders whose techniques declare their kind of data; those of the other folders inherit it."""
MODULES = {
    "SoundTransform": "goodfit.stages.sound_base",
    "TextTransform": "goodfit.stages.text_base",
}
"""Base class → its module, if `goodfit.stages` does not export it."""

TECHNIQUE = '''"""(to be written): what it is, in a few words."""

from __future__ import annotations

{imports}


class {title}({base}):
    """(to be written): what it does, in one sentence.

    Formula: (to be written): what changes, in symbols, with the names of the knobs.

    Shape: (to be written): the shapes that it accepts and returns.

    Helps when: (to be written).
    Hurts when: (to be written).

    >>> {title}(0.1).{knob}
    0.1
    """

    references = (
        Reference(
            authors=("(to be written)", "et al."),
            title="(to be written)",
            venue="(to be written)",
            year=2020,
            url="https://doi.org/(to be written)",
        ),
    )

{knobs}

{methods}
'''
STRENGTH = """    strength: float = knob(
        default=0.1,
        low=0,
        search=(0.01, 1.0),
        log=True,
        neutral=0.0,
        unit="(to be written)",
        doc="(to be written); at `neutral`, training must be bit-identical to training without the technique",
    )"""
TEST = '''"""(to be written): the reference values of this test."""

from __future__ import annotations

import pytest

from goodfit.techniques import {title}


def test_values_computed_by_hand() -> None:
    """Compare with values computed by hand on tiny tensors, or with another library. The contract tests all else."""
    pytest.fail(f"{{{title}.name()}}: write this test, with values computed by hand")
'''


def main(arguments: list[str]) -> int:
    """Write the two files and generate the catalogue again."""
    if len(arguments) not in (2, 3):
        return stop(__doc__ or "")
    title, stage, *base = arguments
    if error := problem_with(title, stage, base):
        return stop(error)
    name = snake(title)
    source = ROOT / "src" / "goodfit" / "techniques" / stage / f"{name}.py"
    test = ROOT / "tests" / "techniques" / stage / f"test_{name}.py"
    existing = [*source.parent.parent.glob(f"*/{name}.py"), *test.parent.parent.glob(f"*/test_{name}.py")]
    if existing:
        return stop(f"{existing[0].relative_to(ROOT)} exists already; nothing was written")
    write(source, technique_text(title, stage, (base or BASES[stage])[0]))
    write(test, TEST.format(title=title))
    print(f"next: fill in both files, then run: make generate && pytest -k {name}")
    return subprocess.run([sys.executable, ROOT / "tools" / "index.py"], check=False).returncode


def problem_with(title: str, stage: str, base: list[str]) -> str:
    """What is wrong with the arguments; empty if they are valid."""
    if stage not in BASES:
        return f"STAGE must be one of {', '.join(BASES)}, got '{stage}'"
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", title) or keyword.iskeyword(snake(title)):
        return f"NAME must be a class name in CamelCase, such as GroupLasso, got '{title}'"
    if base and base[0] not in BASES[stage]:
        return f"BASE must be one of {', '.join(BASES[stage])} for {stage}, got '{base[0]}'"
    return ""


def stop(message: str) -> int:
    """Print what is wrong and return the exit code."""
    print(message, file=sys.stderr)
    return 2


def write(path: Path, text: str) -> None:
    """Write a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {path.relative_to(ROOT)}")


def snake(title: str) -> str:
    """The name in recipes, for instance GroupLasso → group_lasso, EMA → ema, DropBlock2d → drop_block2d."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", title).lower()


def technique_text(title: str, stage: str, base: str) -> str:
    """The source of the technique: the abstract methods of the base class, to be implemented."""
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "src/goodfit/stages").glob("*.py"))]
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    methods = [ast.unparse(method) for method in abstract_methods(classes, base)]
    kinds = f'    kinds: ClassVar[tuple[str, ...]] = ("{stage}",)\n' if stage in KINDS else ""
    knob = "p" if base == "Flip" else "strength"  # a flip has no other strength than its probability
    knobs = (
        kinds + (STRENGTH if knob == "strength" else "") + ("\n    on: str = selector()" if stage in SELECTED else "")
    )
    code = "\n".join([*methods, base, knobs])
    text = TECHNIQUE.format(
        imports=imports(trees, code),
        title=title,
        base=base,
        knob=knob,
        knobs=knobs,
        methods="\n\n".join(re.sub("^", "    ", method, flags=re.MULTILINE) for method in methods),
    )
    return formatted(text)


def abstract_methods(classes: dict[str, ast.ClassDef], base: str) -> list[ast.FunctionDef]:
    """The methods to implement, those of parent classes first."""
    methods = {}
    for parent in classes[base].bases:
        if isinstance(parent, ast.Name) and parent.id in classes:
            methods |= {method.name: method for method in abstract_methods(classes, parent.id)}
    for node in classes[base].body:
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "abstractmethod" for d in node.decorator_list):
            message = f"{node.name}: to be written"
            node.body = [ast.parse(f"raise NotImplementedError({message!r})").body[0]]
            node.decorator_list = []
            methods[node.name] = node
    return list(methods.values())


def imports(trees: list[ast.Module], code: str) -> str:
    """The import lines for the names that the code uses."""
    used = set(re.findall(r"[A-Za-z_]\w*", code))
    groups: list[list[str]] = [
        [],
        [],
        ["from goodfit.reference import Reference", "from goodfit.technique import knob"],
    ]
    for node in (node for tree in trees for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)):
        module = (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        names = sorted(alias.name for alias in node.names if alias.name in used)
        if names and (not module.startswith("goodfit") or names == ["Inputs"]):
            line = (
                f"from {module} import {', '.join(names)}" if isinstance(node, ast.ImportFrom) else f"import {module}"
            )
            group = groups[2 if module.startswith("goodfit") else module.startswith("torch")]
            group += [line] if line not in group else []
    exported = next(node for tree in trees for node in tree.body if _is_all(node))
    own = {element.value for element in exported.value.elts}  # type: ignore[attr-defined]
    if used & own:
        groups[2].insert(0, f"from goodfit.stages import {', '.join(sorted(used & own))}")
    groups[2] += [f"from {module} import {name}" for name, module in MODULES.items() if name in used]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def formatted(text: str) -> str:
    """The text formatted by ruff, if ruff is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        return text
    fixed = text
    for command in (["check", "--fix", "--select", "I", "-q"], ["format", "-q"]):
        done = subprocess.run(
            [ruff, *command, "-"], input=fixed, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=True
        )
        fixed = done.stdout
    return fixed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
