"""The option records of a call of `load`, and the data kind that they choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from goodfit.data.kinds import KINDS, DataKind, kind_of_options
from goodfit.data.options import Options
from goodfit.errors import InputError


@dataclass(frozen=True)
class DecodeOptions:
    """One record chooses its kind; of several, that of the data's kind is used; none leaves everything to the data."""

    records: tuple[Options, ...] = ()

    @classmethod
    def of(cls, options: Options | Sequence[Options] | None) -> DecodeOptions:
        """The records that a user gives.

        Raises:
            InputError: something else than records, or a record that is for no kind of data.
        """
        if options is None:
            return cls()
        records = tuple(options) if isinstance(options, Sequence) and not isinstance(options, str) else (options,)
        for record in records:
            if not isinstance(record, Options):
                got = f"the class {record.__name__}" if isinstance(record, type) else repr(record)
                raise InputError(f"load: options must be a record such as Images(size=64) or Texts(), got {got}.")
            if kind_of_options(record) is None and type(record) is not Options:
                raise InputError(
                    f"load: options must be those of a kind of data, got {record!r}; use one of "
                    f"{', '.join(each.options.__name__ for each in KINDS.values())}."
                )
        return cls(records)

    @property
    def kind(self) -> DataKind | None:
        """The kind that the user chose; None: it is inferred from the data."""
        return kind_of_options(self.records[0]) if len(self.records) == 1 else None

    @property
    def damaged(self) -> str:
        """What to do with damaged files: "refuse" or "skip"."""
        return self.records[0].damaged if self.records else Options().damaged

    def record(self, kind: DataKind) -> Options:
        """The options for data of a kind.

        Raises:
            InputError: options are given, and all of them are for other kinds.
        """
        own = next((record for record in self.records if kind_of_options(record) is kind), None)
        if own is not None:
            return own
        kinds = [each for each in map(kind_of_options, self.records) if each is not None]
        if kinds:
            names = sorted({name for record in self.records for name in record.changed()} - {*Options.knobs()})
            samples = " and ".join(each.samples for each in kinds)
            raise InputError(f"load: this is {kind.name} data; {_leave_out(names, f'for {samples}')}")
        return kind.options(damaged=self.damaged)


def check_for_arrays(kind: DataKind, options: Options) -> None:
    """Refuse options that say how files are read, where the data is in memory.

    Raises:
        InputError: names them.
    """
    names = sorted({*options.changed()} - kind.array_options - {*Options.knobs()})
    if names:
        raise InputError(f"load: {_leave_out(names, f'for files of {kind.samples}, and this is an array')}")


def _leave_out(names: Sequence[str], reason: str) -> str:
    """The rule and the remedy for options that do not apply."""
    if not names:
        return f"the options are {reason}; leave them out."
    several = len(names) > 1
    return f"{' and '.join(names)} {'are' if several else 'is'} {reason}; leave {'them' if several else 'it'} out."
