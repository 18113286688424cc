"""Checkpoints: weights of the best, the last and every n-th epoch, and the state to resume a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from torch.optim import Optimizer

from goodfit.checks import whole_number
from goodfit.errors import InputError
from goodfit.serialization import read_tensors, write_tensors
from goodfit.train.optimizers import with_layout_of
from goodfit.train.run import Weights

STATE = "state.safetensors"
FORMAT = 2
"""Version of the state's layout; other versions are refused."""


class Resumable(Protocol):
    """A trainer whose state between two epochs can be stored and restored."""

    def identity(self) -> dict[str, Any]:
        """What must be the same for a stored state to fit this run."""
        ...

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Everything on which the next epoch depends: tensors, and plain data."""
        ...

    def load_state(self, tensors: Weights, data: dict[str, Any]) -> None:
        """The inverse of `state`."""
        ...


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a run writes its weights to disk.

    `best.safetensors` and `last.safetensors` hold weights; `every=n` also keeps those of every n-th epoch in
    `epoch-000n.safetensors`. `resume=True` resumes the run from `state.safetensors`.

    Raises:
        InputError: the folder holds an earlier run, and neither `resume` nor `force` is set.
    """

    folder: str | Path
    every: int = 0
    resume: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        whole_number("Checkpoints", "every", self.every, 0)
        if self.state.exists() and not (self.resume or self.force):
            raise InputError(
                f"Checkpoints: '{self.folder}' holds an earlier run; resume it with resume=True or overwrite it with "
                "force=True."
            )

    @property
    def state(self) -> Path:
        """The file from which a run is resumed."""
        return Path(self.folder) / STATE

    def save(self, run: Resumable, epoch: int, improved: bool, kept: Weights) -> None:
        """Write the weights to keep after an epoch, and last the state, which does not depend on the other files."""
        folder = Path(self.folder)
        if improved:
            write_tensors(folder / "best.safetensors", kept, {"epoch": epoch})
        if self.every and epoch % self.every == 0:
            write_tensors(folder / f"epoch-{epoch:04d}.safetensors", kept, {"epoch": epoch})
        write_tensors(folder / "last.safetensors", kept, {"epoch": epoch})
        tensors, data = run.state()
        write_tensors(self.state, tensors, {"format": FORMAT, **data})

    def load(self, run: Resumable) -> None:
        """Restore the state after the last completed epoch, if the folder holds one and `resume` is set.

        Raises:
            InputError: the file is no state of this run, or has another format version.
        """
        if not (self.resume and self.state.exists()):
            return
        tensors, data = read_tensors(self.state)
        if not isinstance(data, dict) or "identity" not in data:
            raise InputError(f"resume: '{self.state}' must be the state of a run, got another file; choose its folder.")
        if data.get("format") != FORMAT:
            raise InputError(
                f"resume: '{self.state}' must have format {FORMAT}, got format={data.get('format')!r} of another "
                "goodfit version; train again."
            )
        for key, current in run.identity().items():
            before = data["identity"].get(key)
            if before != current:
                raise InputError(
                    f"resume: {key} must be {before!r} as in '{self.state}', got {current!r}; change it back."
                )
        try:
            run.load_state(tensors, data)
        except (KeyError, RuntimeError) as error:
            raise InputError(
                f"resume: the network must be as before; '{self.state}' holds other weights ({error})."
            ) from error


def pack(prefix: str, tensors: Weights) -> Weights:
    """The tensors with a prefix before their names."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def unpack(prefix: str, tensors: Weights) -> Weights:
    """The tensors whose names have a prefix, without the prefix."""
    start = f"{prefix}/"
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: Optimizer) -> Weights:
    """The optimizer's state, one tensor per parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{k}": v for i, s in state.items() for k, v in s.items() if isinstance(v, Tensor)}


def load_optimizer(optimizer: Optimizer, tensors: Weights) -> None:
    """The inverse of `optimizer_tensors`; learning rates and weight decays follow from the recipe."""
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter, entries in optimizer.state.items():
        entries.update({k: with_layout_of(parameter, v) for k, v in entries.items() if isinstance(v, Tensor)})
