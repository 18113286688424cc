"""Search for words that the project does not use, listed in tools/old_words.txt."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
PROSE = {".md", ".toml", ".cff", ".j2", ".js", ".css", ".yaml", ".yml", ".json", ""}
"""Endings of files that are searched as prose from the first line to the last."""
SKIPPED = ("LICENSE*", "*/LICENSE.txt", "docs/techniques/figures/*")


@dataclass(frozen=True)
class Rule:
    """A word that is not used: where it is searched, its pattern, and what to write instead."""

    where: str
    pattern: re.Pattern[str]
    instead: str


@dataclass(frozen=True)
class Hit:
    """A place in which an old word stands."""

    path: str
    line: int
    text: str
    rule: Rule

    def __str__(self) -> str:
        """As one line: place, the word, and what to write instead."""
        return f"{self.path}:{self.line}: {self.rule.where} '{self.text}' -> {self.rule.instead}"


def entries(name: str) -> list[list[str]]:
    """The lines of a list in tools/, divided at `|`."""
    lines = (TOOLS / name).read_text(encoding="utf-8").splitlines()
    return [[part.strip() for part in re.split(r"\s\|\s", line)] for line in lines if line and line[0] != "#"]


def rules() -> list[Rule]:
    """The list of old words."""
    compiled = []
    for where, pattern, instead in entries("old_words.txt"):
        flags = re.IGNORECASE if where == "prose" else re.NOFLAG
        edges = r"\b(?:{})\b" if where == "prose" else r"(?:{})\Z"
        compiled.append(Rule(where, re.compile(edges.format(pattern), flags), instead))
    return compiled


def tracked(root: Path) -> list[Path]:
    """The files under version control."""
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True)
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return [p for p in paths if (root / p).is_file() and not any(fnmatch(str(p), skipped) for skipped in SKIPPED)]


def pieces(path: Path) -> Iterator[tuple[str, int, str]]:
    """What a file holds, as (`prose` or `name`, line, text)."""
    if path.suffix in PROSE:
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from (("prose", number, line) for number, line in enumerate(lines, 1))
    elif path.suffix == ".py":
        texts = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
        for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
            if token.type in texts:
                yield from (("prose", token.start[0] + i, line) for i, line in enumerate(token.string.splitlines()))
            elif token.type == tokenize.NAME:
                yield "name", token.start[0], token.string


def search(root: Path) -> list[Hit]:
    """All hits that no exception allows."""
    known = rules()
    allowed = [(glob, text) for glob, text, _ in entries("allowed_words.txt")]
    by_where = {where: [rule for rule in known if rule.where == where] for where in ("prose", "name", "module")}

    @cache  # most names occur many times
    def matches_in(where: str, text: str) -> list[tuple[str, Rule]]:
        return [(match.group(), rule) for rule in by_where[where] for match in _matches(rule, text)]

    hits = []
    for path in tracked(root):
        places = list(pieces(root / path))
        if path.suffix == ".py" and path.parts[0] == "src":
            places.append(("module", 1, path.stem))
        for where, line, text in places:
            hits += [Hit(str(path), line, word, rule) for word, rule in matches_in(where, text)]
    return [hit for hit in hits if not any(_allows(hit, glob, text) for glob, text in allowed)]


def _matches(rule: Rule, text: str) -> Iterable[re.Match[str]]:
    return rule.pattern.finditer(text) if rule.where == "prose" else filter(None, [rule.pattern.match(text)])


def _allows(hit: Hit, glob: str, text: str) -> bool:
    return fnmatch(hit.path, glob) and text in ("*", hit.text)


def summary(hits: list[Hit]) -> list[str]:
    """How often each word is left, the most frequent first."""
    counts = Counter((hit.rule.where, hit.text.lower()) for hit in hits)
    return [f"{count:5}  {where} '{text}'" for (where, text), count in counts.most_common()]
