"""Options of the commands. Those of `load` and of training are generated from their knobs."""

from __future__ import annotations

import functools
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from goodfit.data.options import RECORDS, Options
from goodfit.errors import InputError
from goodfit.knobs import Knob, Record
from goodfit.study.protocol import Protocol
from goodfit.train.config import Training

Values: TypeAlias = Mapping[str, Any]
"""Values of generated options by the names of their knobs; None where an option is not given."""

DataPath = Annotated[str, typer.Argument(metavar="DATA", help="CSV, TSV, JSONL, Parquet or NPZ file; a folder with a "
    "folder of images, sounds, clips or texts for each class; the name of a data set that is bundled with scikit-learn "
    "(digits, breast_cancer, wine, iris, diabetes); or openml:NAME.")]  # fmt: skip
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that fit or study wrote.")]
Target = Annotated[str | None, typer.Option(help="Column to predict.")]
Groups = Annotated[
    str | None, typer.Option(help="Column of groups; all rows of a group go into the same part of the split.")
]
Time = Annotated[
    str | None, typer.Option(help="Column of times; the oldest rows are for training, the newest for the test.")
]
Task = Annotated[str | None, typer.Option(help="classification, regression or segmentation; inferred from the target "
    "if not given.")]  # fmt: skip
Kind = Annotated[str | None, typer.Option(help="Kind of data, such as image, sound or text; inferred from the data if "
    "not given.")]  # fmt: skip
Cache = Annotated[Path | None, typer.Option(help="Folder that keeps decoded files for later runs. Data that does not "
    "fit into memory is always kept in files; without --cache, in the user's cache folder.")]  # fmt: skip
Model = Annotated[str | None, typer.Option(help="Reference network: mlp, cnn or resnet; unet for masks; mel_cnn for "
    "sounds; bag or text_cnn for texts; layer sizes may follow, as in mlp:256-256. Default: unet for masks, mel_cnn "
    "for sounds, text_cnn for texts, cnn for images and clips, else mlp.")]  # fmt: skip
RecipeText = Annotated[str, typer.Option(help="Techniques, as text or as a YAML file.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite earlier results in the folder.")]
Storage = Annotated[str | None, typer.Option(help="Database in which optuna-dashboard shows the study: a URL, such as "
    "postgresql://…, or the path of a journal file. Default: study.db in the folder.")]  # fmt: skip
Threads = Annotated[
    int, typer.Option(min=0, max=1024, help="CPU threads; 0: all cores, or one thread to fit a small network.")
]


def import_modules(names: Sequence[str] | None) -> None:
    """Import users' modules, which register techniques; also from the current folder.

    Raises:
        InputError: a module cannot be imported.
    """
    if names and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names or ():
        try:
            import_module(name)
        except Exception as error:  # users' modules raise errors of any type
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"--import: the module '{name}' cannot be imported ({reason}).") from error


Import = Annotated[list[str] | None, typer.Option("--import", metavar="MODULE", callback=import_modules, is_eager=True,
    help="Python module that registers techniques of your own; repeat for several.")]  # fmt: skip


# ---- options that are made from knobs ------------------------------------------------------------


@dataclass(frozen=True)
class Generated:
    """Options that replace a parameter of a command, which then receives their values as a mapping.

    Args:
        parameter: the name of the command's parameter.
        records: the records whose knobs become options; a knob of several records becomes one option.
        panel: the title under which help shows them.
        defaults: whether help shows the knobs' defaults; not where a command has others.
    """

    parameter: str
    records: tuple[type[Record], ...]
    panel: str
    defaults: bool = True

    def knobs(self) -> dict[str, Knob]:
        """The knobs by name."""
        return {name: knob for record in self.records for name, knob in record.knobs().items()}

    def parameters(self) -> Iterable[inspect.Parameter]:
        """A keyword parameter for each knob, as typer reads it."""
        for name, knob in self.knobs().items():
            yield inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=self._annotation(name, knob)
            )

    def _annotation(self, name: str, knob: Knob) -> Any:
        details: dict[str, Any] = {"help": self._help(name, knob), "rich_help_panel": self.panel}
        if knob.pair:
            details |= {"parser": _parse_pair, "metavar": "N or HEIGHTxWIDTH"}
        return Annotated[Any if knob.pair else knob.value_type | None, typer.Option(**details)]

    def _help(self, name: str, knob: Knob) -> str:
        """The knob's text with the kinds of data it is for, its unit, range and default."""
        owners = [record.__name__ for record in self.records if name in record.knobs()]
        notes = [", ".join(owners)] if len(owners) < len(self.records) else []
        notes += [knob.unit] if knob.unit else []
        notes += [f"one of {', '.join(knob.choices)}"] if knob.choices else [_range(knob)]
        notes += [f"default: {knob.default}"] if self.defaults and knob.default is not None else []
        text, details = knob.doc[:1].upper() + knob.doc[1:], "; ".join(filter(None, notes))
        return f"{text} ({details})." if details else f"{text}."


def _range(knob: Knob) -> str:
    """The range of a number, in words."""
    if math.isinf(knob.low):
        return ""
    if math.isinf(knob.high):
        return f"above {knob.low:g}" if knob.open_left else f"at least {knob.low:g}"
    return knob.rule().removeprefix("a whole number ").removesuffix(" or None")


LOADING = Generated("options", RECORDS, "Data")
DAMAGED = Generated("options", (Options,), "Data")
TRAINING = Generated("training", (Training,), "Training", defaults=False)
PROTOCOL = Generated("protocol", (Protocol,), "Protocol", defaults=False)


def with_options(*groups: Generated) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace parameters of a command by generated options."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        replaced = {group.parameter: group for group in groups}
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            group = replaced.get(parameter.name)
            parameters += group.parameters() if group else [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            for group in groups:
                values[group.parameter] = {name: values.pop(name) for name in group.knobs()}
            command(**values)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def load_options(kind: str | None, values: Values) -> list[Options]:
    """The records for `load`: that of the kind, or those of all kinds that have the given options.

    Raises:
        InputError: an option is not one of this kind, or no kind has all of the given options.
    """
    chosen_values = {name: value for name, value in values.items() if value is not None}
    if kind is not None:
        from goodfit.data.kinds import kind as kind_named

        chosen = kind_named(kind, "--kind")
        _refuse_unknown(chosen.options, chosen_values, f"--kind {kind}")
        return [chosen.options(**chosen_values)]
    if chosen_values.keys() <= Options.knobs().keys():
        return [Options(**chosen_values)] if chosen_values else []
    records = [record for record in RECORDS if chosen_values.keys() <= record.knobs().keys()]
    if not records:
        names = " and ".join(f"--{name}" for name in chosen_values)
        raise InputError(f"load: {names} are options of different kinds of data; leave some out.")
    return [record(**chosen_values) for record in records]


def _refuse_unknown(record: type[Options], chosen_values: Mapping[str, Any], who: str) -> None:
    unknown = [f"--{name}" for name in chosen_values if name not in record.knobs()]
    if unknown:
        known = ", ".join(f"--{name}" for name in record.knobs())
        raise InputError(
            f"{who}: {' and '.join(unknown)} cannot be used with this kind of data; its options are {known}."
        )


def _parse_pair(text: str) -> int | tuple[int, int]:
    """A number, or two numbers as HEIGHTxWIDTH.

    >>> _parse_pair("64"), _parse_pair("48x64")
    (64, (48, 64))
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(re.fullmatch(r"\s*-?[0-9]+\s*", part) for part in parts):
        raise typer.BadParameter(f"it must be a whole number or HEIGHTxWIDTH, got '{text}'; for example 64 or 48x64.")
    numbers = [int(part) for part in parts]
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
