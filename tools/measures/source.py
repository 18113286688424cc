"""Measures of source code that is only read: functions, errors, tests, cycles of imports, data kinds."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

KINDS = frozenset({"table", "series", "image", "video", "sound", "text"})
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> list[ast.AST]:
    """All nodes of a file's syntax tree."""
    return list(ast.walk(tree(path)))


def sources(root: Path) -> list[Path]:
    """The files of the package."""
    return sorted((root / "src" / "goodfit").rglob("*.py"))


# ---- functions ---------------------------------------------------------------------------------


def functions(path: Path) -> Iterator[Function]:
    """All functions and methods of a file."""
    return (node for node in nodes(path) if isinstance(node, Function))


def code_lines(path: Path) -> dict[str, int]:
    """`line name` of a function → its lines of code, without docstring, comments and blank lines."""
    text = path.read_text(encoding="utf-8")
    ignored = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    used: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in ignored:
            used.update(range(token.start[0], token.end[0] + 1))
    lengths = {}
    for node in functions(path):
        first = node.body[0]
        docstring: set[int] = set()
        if ast.get_docstring(node, clean=False) is not None:
            docstring = set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
        lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        lengths[f"{node.lineno} {node.name}"] = len((lines & used) - docstring)
    return lengths


def arguments(node: Function) -> int:
    """The number of arguments that a caller can pass."""
    a = node.args
    names = [argument.arg for argument in [*a.posonlyargs, *a.args, *a.kwonlyargs]]
    return len(names) - (names[:1] in (["self"], ["cls"])) + (a.vararg is not None) + (a.kwarg is not None)


# ---- errors ------------------------------------------------------------------------------------


def raised(path: Path) -> Iterator[tuple[int, bool]]:
    """Line of each raised error with a message → whether the message carries a value."""
    for node in nodes(path):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call) or not node.exc.args:
            continue
        called = node.exc.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name.endswith(("Error", "MissingExtra")):
            parts = [part for argument in node.exc.args for part in ast.walk(argument)]
            yield node.lineno, any(isinstance(part, ast.FormattedValue | ast.Name | ast.Call) for part in parts)


def undocumented_errors(path: Path) -> list[str]:
    """Public functions that raise an error of the package and have a docstring without `Raises:`."""
    names = {"InputError", "TrainingError"}
    missing = []
    for node in functions(path):
        docstring = ast.get_docstring(node)
        if node.name.startswith("_") or docstring is None or "Raises:" in docstring:
            continue
        calls = [n.exc for n in ast.walk(node) if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call)]
        if any(isinstance(call.func, ast.Name) and call.func.id in names for call in calls):
            missing.append(node.name)
    return missing


# ---- tests -------------------------------------------------------------------------------------


def untested(root: Path) -> tuple[list[Path], int]:
    """The sources without a test at the mirrored path, and the number of all sources; packages' `__init__` apart."""
    package = root / "src" / "goodfit"
    files = [path for path in sources(root) if not path.name.startswith("__")]
    missing = []
    for path in files:
        relative = path.relative_to(package)
        test = root / "tests" / relative.with_name(f"test_{relative.stem.lstrip('_')}.py")
        missing += [] if test.exists() else [relative]
    return missing, len(files)


# ---- imports -----------------------------------------------------------------------------------


def imported(path: Path, name: str, known: frozenset[str]) -> set[str]:
    """The modules among `known` that a module imports, anywhere in its file."""
    names = set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parts, *filter(None, [node.module])])
            names |= {f"{base}.{a.name}" if f"{base}.{a.name}" in known else base for a in node.names}
    return (names & known) - {name}


def cycles(modules: Mapping[str, Path]) -> list[list[str]]:
    """Groups of modules that import each other."""
    names, known = list(modules), frozenset(modules)
    number = {name: i for i, name in enumerate(names)}
    edges = [(number[n], number[other]) for n, path in modules.items() for other in imported(path, n, known)]
    ends = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (ends[0], ends[1])), shape=(len(names),) * 2)
    _, group = connected_components(graph, connection="strong")
    groups = [[names[i] for i in np.flatnonzero(group == g)] for g in set(group.tolist())]
    return [members for members in groups if len(members) > 1]


def package_modules(root: Path) -> dict[str, Path]:
    """Name → file of the modules of the package."""
    return {
        ".".join(path.relative_to(root / "src").with_suffix("").parts).removesuffix(".__init__"): path
        for path in sources(root)
    }


def script_modules(folder: Path) -> dict[str, Path]:
    """Name → file of scripts that import each other from their own folder."""
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(folder.rglob("*.py"))
    }


# ---- data kinds --------------------------------------------------------------------------------


def literals(node: ast.AST) -> set[str]:
    """The data kinds that are written as texts in an expression."""
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and n.value in KINDS}


def _constants(path: Path) -> dict[str, set[str]]:
    """Name of a module's constant → the kinds that it lists."""
    constants: dict[str, set[str]] = {}
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.List | ast.Set):
            kinds = {e.value for e in node.value.elts if isinstance(e, ast.Constant)} & KINDS
            constants |= {target.id: kinds for target in node.targets if isinstance(target, ast.Name) and kinds}
    return constants


def _known_constants(path: Path, modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """The lists of kinds that a file defines or imports."""
    constants = _constants(path)
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            there = _constants(modules[node.module])
            constants |= {alias.asname or alias.name: there[alias.name] for alias in node.names if alias.name in there}
    return constants


def outside_kinds(root: Path) -> list[Path]:
    """The sources that should not ask which kind data are: all but `data/kinds`."""
    inside = root / "src" / "goodfit" / "data" / "kinds"
    return [path for path in sources(root) if inside not in path.parents and path != inside.with_suffix(".py")]


def kind_comparisons(root: Path) -> list[str]:
    """Comparisons with a kind that is named outside `data/kinds`."""
    modules, places = package_modules(root), []
    for path in outside_kinds(root):
        constants = _known_constants(path, modules)
        for node in nodes(path):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                names = {side.id for side in sides if isinstance(side, ast.Name)} & set(constants)
                kinds = set().union(*(literals(side) for side in sides), *(constants[name] for name in names))
            elif isinstance(node, ast.match_case):
                kinds = literals(node.pattern)
            else:
                continue
            places += [f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"] * bool(kinds)
    return places


def kind_places(root: Path) -> list[str]:
    """The files that a new data kind changes: its source file, its test, and each that lists or compares kinds.

    Techniques and stages declare what they accept, so a new kind does not change them.
    """
    compared = {place.rpartition(":")[0] for place in kind_comparisons(root)}
    kinds = root / "src" / "goodfit" / "data" / "kinds"
    places = ["the file of the kind", "its test"]
    for path in sources(root):
        relative = path.relative_to(root)
        if relative.parts[2] in ("techniques", "stages"):
            continue
        if str(relative) in compared or _lists_kinds(path, kinds in path.parents):
            places.append(str(relative))
    return places


def _lists_kinds(path: Path, by_class: bool) -> bool:
    """Whether a file holds a table of kinds: of their names, or in `data/kinds` of their classes."""
    for node in nodes(path):
        if isinstance(node, ast.Dict):
            listed = {k.value for k in node.keys if isinstance(k, ast.Constant)} & KINDS
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            listed = {e.value for e in node.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)} & KINDS
        else:
            continue
        entries = [*node.keys, *node.values] if isinstance(node, ast.Dict) else node.elts
        names = (
            {n.id.lower() for e in entries if e for n in ast.walk(e) if isinstance(n, ast.Name)} if by_class else set()
        )
        listed |= {kind for kind in KINDS if any(re.fullmatch(rf"{kind}s?(_?kind)?", name) for name in names)}
        if len(listed) >= 3:
            return True
    return False


# ---- techniques --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edited:
    """The hand-written files that mention the technique which the fewest files mention."""

    technique: str
    files: list[str]


def technique_files(root: Path) -> Edited:
    """The least number of hand-written files that name a technique: what a new one needs at least.

    A list in which every technique had to be entered by hand would raise the number.
    """
    generated = "Generated by"
    searched = [p for folder in ("src", "tests", "tools", "benchmarks") for p in (root / folder).rglob("*.py")]
    texts = {p: text for p in searched if generated not in (text := p.read_text(encoding="utf-8"))[:300]}
    words = {p: set(re.findall(r"\w+", text)) for p, text in texts.items()}
    best: Edited | None = None
    for path in sorted((root / "src" / "goodfit" / "techniques").glob("*/*.py")):
        if path.stem.startswith("_"):
            continue
        names = {n.name for n in tree(path).body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")}
        test = root / "tests" / "techniques" / path.parent.name / f"test_{path.stem}.py"
        files = {path, test} | {p for p, used in words.items() if names & used}
        if best is None or len(files) < len(best.files):
            best = Edited(path.stem, sorted(str(p.relative_to(root)) for p in files))
    if best is None:
        raise SystemExit(f"{root}: no technique was found")
    return best
