"""A recipe: techniques in order, as plain data."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from torch import nn

from goodfit.citations import bibtex
from goodfit.errors import InputError
from goodfit.keras_names import techniques_from_keras
from goodfit.linter import Context, LintMessage, lint
from goodfit.registry import find
from goodfit.technique import Technique

T = TypeVar("T")
FORMAT = 1
"""Version of the recipe files that goodfit writes. A file written by hand may leave it out."""
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
PIECE = rf"(?:[^,()'\"]|{QUOTED}|\((?:[^()'\"]|{QUOTED})*\))+"
"""An item of a recipe's text. Commas and brackets inside quotes are part of a value."""


class _Loader(yaml.SafeLoader):
    """Reads 1e-4 as a number; by YAML 1.1 it would be text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


@dataclass(frozen=True)
class Recipe:
    """Techniques in the order in which they act.

    The text of a recipe is for instance `l2=1e-4, dropout=0.25, early_stopping=5`. `name=value` sets the main knob of
    a technique, `name(knob=value, …)` sets any of its knobs, and `name` alone uses the defaults. The empty text is the
    baseline: training without any technique.

    >>> recipe = Recipe.of("l2=1e-4, dropout(0.25, input_rate=0.1), batch_norm")
    >>> recipe.text()
    'l2=0.0001, dropout(rate=0.25, input_rate=0.1), batch_norm'
    >>> Recipe.from_yaml(recipe.to_yaml()) == recipe
    True
    """

    techniques: tuple[Technique, ...] = ()

    def __post_init__(self) -> None:
        for technique in self.techniques:
            if not isinstance(technique, Technique):
                raise InputError(f"recipe: every item must be a technique such as L2(1e-4), got {technique!r}.")
        keys = [(type(t), t.on) for t in self.techniques]
        for (kind, on), count in Counter(keys).items():
            if count > 1:
                where = f" on the same tensors (on={on!r})" if on else ""
                raise InputError(
                    f"recipe: {kind.name()} must appear once{where}, got it {count} times; keep one of them."
                )

    @classmethod
    def of(cls, source: Recipe | Technique | str | Sequence[Technique]) -> Recipe:
        """Create a recipe from a recipe, its text, a technique, or a list of techniques.

        Raises:
            InputError: the text or the list does not hold a recipe, or a technique occurs twice on the same tensors.
        """
        if isinstance(source, Recipe):
            return source
        if isinstance(source, Technique):
            return cls((source,))
        if isinstance(source, str):
            return cls(tuple(parse(item) for item in items(source)))
        techniques: Any = source if isinstance(source, Sequence) else (source,)
        return cls(tuple(techniques))

    def text(self) -> str:
        """The text of the recipe. `Recipe.of` reads it back to an equal recipe."""
        return ", ".join(t.text() for t in self.techniques)

    def __str__(self) -> str:
        return self.text() or "plain"

    def __iter__(self) -> Iterator[Technique]:
        return iter(self.techniques)

    def __len__(self) -> int:
        return len(self.techniques)

    def at(self, stage: type[T]) -> list[T]:
        """The techniques of a stage, in order."""
        return [t for t in self.techniques if isinstance(t, stage)]

    def with_(self, *more: Technique) -> Recipe:
        """This recipe followed by more techniques."""
        return Recipe(self.techniques + more)

    def lint(self, model: nn.Module, context: Context | None = None) -> list[LintMessage]:
        """Check this recipe on a network; returns errors, then warnings, then notes, with reasons and remedies.

        >>> [str(message)[:44] for message in Recipe.of("l2=1e-4, weight_decay=0.01").lint(nn.Linear(2, 1))]
        ['warning: l2, weight_decay at weight: both sh']
        """
        return lint(self.techniques, model, context)

    def cite(self) -> str:
        """The publications of the techniques as BibTeX.

        >>> Recipe.of("dropout=0.5").cite().splitlines()[0]
        '@article{srivastava2014dropout,'
        """
        return bibtex(self.techniques)

    @classmethod
    def from_keras(cls, **arguments: Any) -> Recipe:
        """Create a recipe from Keras arguments, with Keras' meanings and defaults.

        For instance `kernel_regularizer="l2"`, `kernel_constraint="max_norm(2.)"`, `layers=["Dropout(0.25)"]` or
        `callbacks=["EarlyStopping(monitor='val_loss', patience=3)"]`. Values are text, config dicts or Keras objects.

        >>> Recipe.from_keras(kernel_regularizer="l2", kernel_constraint="max_norm(2.)").text()
        'l2=0.01, max_norm=2.0'

        Raises:
            InputError: an argument is unknown, or has no equivalent here; the message names an alternative.
        """
        return cls(tuple(techniques_from_keras(**arguments)))

    def to_list(self) -> list[dict[str, Any]]:
        """Plain data for JSON and YAML: one mapping per technique.

        Raises:
            InputError: a technique holds a function, which cannot be stored.
        """
        return [t.to_dict() for t in self.techniques]

    @classmethod
    def from_list(cls, data: Sequence[dict[str, Any]]) -> Recipe:
        """The inverse of `to_list`. Names are those of the catalogue and of registered techniques.

        Raises:
            InputError: the data has another form, or names an unknown technique, or a knob that is unknown or invalid.
        """
        if not isinstance(data, list | tuple):
            raise InputError(f"recipe: a recipe must be a list of techniques, got {data!r}.")
        techniques = []
        for entry in data:
            if not isinstance(entry, dict) or "technique" not in entry:
                raise InputError(f"recipe: each entry must be a mapping with the key 'technique', got {entry!r}.")
            knobs = {k: v for k, v in entry.items() if k != "technique"}
            techniques.append(find(str(entry["technique"])).of(knobs))
        return cls(tuple(techniques))

    def to_yaml(self) -> str:
        """Return the recipe as YAML: a mapping with the format version and the list of techniques.

        Raises:
            InputError: a technique holds a function, which cannot be stored.
        """
        return yaml.safe_dump({"format": FORMAT, "recipe": self.to_list()}, sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """Read a recipe from YAML: a list of techniques or the short text, alone or as `recipe` of a mapping.

        Raises:
            InputError: the text is not YAML, has another format version, or does not hold a recipe.
        """
        data = parse_yaml(text, "recipe") or []
        if isinstance(data, dict):
            if (version := data.get("format", FORMAT)) != FORMAT:
                raise InputError(f"recipe: this goodfit reads recipe files of format {FORMAT}, got format={version!r}.")
            data = data.get("recipe") or []
        return cls.of(data) if isinstance(data, str) else cls.from_list(data)

    @classmethod
    def load(cls, text_or_file: str) -> Recipe:
        """Create a recipe from its text, or from a YAML file if the text ends in .yaml or .yml.

        Raises:
            InputError: there is no such file, or the text or file does not hold a recipe.
        """
        if text_or_file.endswith((".yaml", ".yml")):
            return cls.from_yaml(read_text(text_or_file, "recipe", "a YAML file or the text of a recipe"))
        return cls.of(text_or_file)


def read_text(file: str | Path, who: str, expected: str) -> str:
    """The text of a file that a user names.

    Raises:
        InputError: there is no such file, or it is not UTF-8; `who` begins the message.
    """
    if not Path(file).is_file():
        raise InputError(f"{who}: there is no file '{file}'; give the path of {expected}.")
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{who}: '{file}' is not text in UTF-8; save it as UTF-8.") from error


def parse_yaml(text: str, who: str) -> Any:
    """The plain values of YAML; 1e-4 is a number.

    Raises:
        InputError: it is not YAML; `who` begins the message.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{who}: this is not YAML ({' '.join(str(error).split())}).") from error


def items(text: str) -> list[str]:
    """Split the text of a recipe at commas, except inside parentheses and quotes.

    Raises:
        InputError: a bracket or quote is not closed.
    """
    if re.sub(PIECE, "", text).replace(",", ""):
        raise InputError(f"recipe: brackets and quotes must be closed, got '{text}'.")
    pieces = re.findall(PIECE, text)
    return [piece.strip() for piece in pieces if piece.strip()]


def parse(item: str) -> Technique:
    """Parse one item of a recipe: `name`, `name=value` or `name(…)`. Values are literals; nothing is executed.

    Raises:
        InputError: the item has another form, or names an unknown technique, or a knob that is unknown or invalid.
    """
    try:
        body = ast.parse(item).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        body = []
    match body:
        case [ast.Assign(targets=[ast.Name(id=name)], value=value)]:
            return _with_main(find(name), _literal(value))
        case [ast.Expr(value=ast.Name(id=name))]:
            return find(name)()
        case [ast.Expr(value=ast.Call(func=ast.Name(id=name)) as call)]:
            return _from_call(find(name), call)
    raise InputError(f"recipe: an item must have the form name, name=value or name(knob=value), got '{item}'.")


def _from_call(technique: type[Technique], call: ast.Call) -> Technique:
    if len(call.args) > 1:
        rule, names = "takes one value without a name", ", ".join(technique.knobs())
        got = f"got {len(call.args)}"
        raise InputError(f"recipe: {technique.name()}(…) {rule}, {got}; write the others as name=value ({names}).")
    values = {k.arg or "**": _literal(k.value) for k in call.keywords}
    if len(values) < len(call.keywords):
        raise InputError(f"recipe: {technique.name()}(…) sets a knob twice, got {ast.unparse(call)}; keep one value.")
    if call.args:
        return _with_main(technique, _literal(call.args[0]), values)
    return technique.of(values)


def _with_main(technique: type[Technique], value: Any, others: dict[str, Any] | None = None) -> Technique:
    main = technique.main_knob()
    if main is None:
        raise InputError(f"recipe: {technique.name()} takes no value, got {value!r}; write its name alone.")
    if others and main in others:
        raise InputError(
            f"recipe: {technique.name()}(…) sets {main} twice, got {value!r} and {others[main]!r}; keep one value."
        )
    return technique.of({main: value, **(others or {})})


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):  # a word without quotes is text: schedule=cosine
        return {"true": True, "false": False, "inf": float("inf")}.get(node.id.lower(), node.id)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        text = ast.unparse(node)
        raise InputError(f"recipe: a value must be a number, true, false or text, got {text}.") from error
