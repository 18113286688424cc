"""Begin a technique: its file, its test, and the index that knows it.

Usage: python tools/new_technique.py NAME STAGE [BASE]        (make technique NAME=FooBar STAGE=weights)

NAME is the class, in CamelCase. STAGE is a folder of goodfit/techniques. BASE is the class of goodfit/stages to
fill in, where a stage has several: see BASES below. Nothing is overwritten.
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
    "sample": ("OnSample",),
    "batch": ("BatchTransform", "Attack", "HiddenMix"),
    "model": ("Noise", "BranchNoise", "WeightPerturbation", "Recurrent", "Normalization"),
    "loss": ("OnLoss",),
    "grads": ("OnGrads",),
    "weights": ("ProximalPenalty", "QuadraticPenalty", "SmoothPenalty", "Decay", "Scaling", "Projection"),
    "eval": ("AveragedWeights", "ResettingAverage", "Ensemble"),
    "epoch": ("OnEpoch",),
}
"""Stage folder → the base classes a technique there may have; the first unless another is asked for."""
SELECTED = ("model", "weights")

TECHNIQUE = '''"""(to be written): what it is, in a few words."""

from __future__ import annotations

{imports}


class {title}({base}):
    """(to be written): what it does to training, in one sentence.

    Formula: (to be written): what changes, in symbols, with the names of the knobs.

    Shape: (to be written): what it takes and gives back.

    Helps when: (to be written).
    Hurts when: (to be written).

    >>> {title}(0.1).strength
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
        doc="(to be written): what it sets; at `neutral` training must be bit-identical to training without it",
    )"""
TEST = '''"""(to be written): what this technique is tested against."""

from __future__ import annotations

import pytest

from goodfit.techniques import {title}


def test_against_numbers_worked_by_hand() -> None:
    """The contract tests everything general; here belong closed forms on tiny tensors, or a peer's values."""
    pytest.fail(f"{{{title}.name()}}: this test has to be written, with numbers worked by hand")
'''


def main(arguments: list[str]) -> int:
    """Write the two files and make the index anew."""
    if len(arguments) not in (2, 3):
        return stop(__doc__ or "")
    title, stage, *asked = arguments
    if error := wrong(title, stage, asked):
        return stop(error)
    name = snake(title)
    source = ROOT / "src" / "goodfit" / "techniques" / stage / f"{name}.py"
    test = ROOT / "tests" / "techniques" / stage / f"test_{name}.py"
    taken = [*source.parent.parent.glob(f"*/{name}.py"), *test.parent.parent.glob(f"*/test_{name}.py")]
    if taken:
        return stop(f"{taken[0].relative_to(ROOT)} is there already; nothing was written")
    write(source, technique_text(title, stage, (asked or BASES[stage])[0]))
    write(test, TEST.format(title=title))
    print(f"next: fill in both files, then run: make generate && pytest -k {name}")
    return subprocess.run([sys.executable, ROOT / "tools" / "index.py"], check=False).returncode


def wrong(title: str, stage: str, asked: list[str]) -> str:
    """What is wrong with the arguments, or nothing."""
    if stage not in BASES:
        return f"STAGE must be one of {', '.join(BASES)}, got '{stage}'"
    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", title) or keyword.iskeyword(snake(title)):
        return f"NAME must be a class's name in CamelCase, such as GroupLasso, got '{title}'"
    if asked and asked[0] not in BASES[stage]:
        return f"BASE must be one of {', '.join(BASES[stage])} for {stage}, got '{asked[0]}'"
    return ""


def stop(message: str) -> int:
    """Say what is wrong."""
    print(message, file=sys.stderr)
    return 2


def write(path: Path, text: str) -> None:
    """Write a new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"wrote {path.relative_to(ROOT)}")


def snake(title: str) -> str:
    """The name in recipes: GroupLasso → group_lasso, EMA → ema, DropBlock2d → drop_block2d."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", title).lower()


def technique_text(title: str, stage: str, base: str) -> str:
    """The technique's file: the base class's methods, each to be filled in."""
    trees = [ast.parse(p.read_text(encoding="utf-8")) for p in sorted((ROOT / "src/goodfit/stages").glob("*.py"))]
    classes = {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}
    methods = [ast.unparse(method) for method in abstract_methods(classes, base)]
    knobs = STRENGTH + ("\n    on: str = selector()" if stage in SELECTED else "")
    code = "\n".join([*methods, base, knobs])
    text = TECHNIQUE.format(
        imports=imports(trees, code),
        title=title,
        base=base,
        knobs=knobs,
        methods="\n\n".join(re.sub("^", "    ", method, flags=re.MULTILINE) for method in methods),
    )
    return formatted(text)


def abstract_methods(classes: dict[str, ast.ClassDef], base: str) -> list[ast.FunctionDef]:
    """The methods to fill in, those of parent classes first."""
    found = {}
    for parent in classes[base].bases:
        if isinstance(parent, ast.Name) and parent.id in classes:
            found |= {method.name: method for method in abstract_methods(classes, parent.id)}
    for node in classes[base].body:
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "abstractmethod" for d in node.decorator_list):
            message = f"{node.name}: to be written"
            node.body = [ast.parse(f"raise NotImplementedError({message!r})").body[0]]
            node.decorator_list = []
            found[node.name] = node
    return list(found.values())


def imports(trees: list[ast.Module], code: str) -> str:
    """The import lines for the names that the code uses: those of the stages, and what the stages import themselves."""
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
    groups[2].insert(0, f"from goodfit.stages import {', '.join(sorted(used & own))}")
    return "\n\n".join("\n".join(group) for group in groups if group)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def formatted(text: str) -> str:
    """The text as ruff writes it, where ruff is there."""
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
