"""Checkpoints: best, last and every n epochs; and the state from which a run goes on bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from torch.optim import Optimizer

from goodfit.errors import InputError
from goodfit.serialization import read_tensors, write_tensors
from goodfit.train.run import Weights

STATE = "state.safetensors"


class Resumable(Protocol):
    """What goes on from a stored state: a trainer between two epochs."""

    def identity(self) -> dict[str, Any]:
        """What must be the same for a stored state to fit."""
        ...

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """Everything that the next epoch depends on: tensors, and plain data."""
        ...

    def restore(self, tensors: Weights, facts: dict[str, Any]) -> None:
        """The inverse of `state`."""
        ...


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often to keep weights on disk.

    `best.safetensors` and `last.safetensors` hold weights; `every=n` keeps `epoch-00n.safetensors` and so on besides;
    `state.safetensors` is what `resume=True` goes on from. A folder that holds earlier results is refused unless it
    is resumed or `force=True`.
    """

    folder: str | Path
    every: int = 0
    resume: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        if self.every < 0:
            raise InputError(f"Checkpoints: every must be at least 0, got every={self.every}.")
        if self.state.exists() and not (self.resume or self.force):
            raise InputError(
                f"Checkpoints: '{self.folder}' holds an earlier run; go on with resume=True or overwrite: force=True."
            )

    @property
    def state(self) -> Path:
        """The file that a run goes on from."""
        return Path(self.folder) / STATE

    def save(self, run: Resumable, epoch: int, improved: bool, kept: Weights) -> None:
        """Write what the end of an epoch calls for; the state comes last and refers to nothing else."""
        folder = Path(self.folder)
        if improved:
            write_tensors(folder / "best.safetensors", kept, {"epoch": epoch})
        if self.every and epoch % self.every == 0:
            write_tensors(folder / f"epoch-{epoch:04d}.safetensors", kept, {"epoch": epoch})
        write_tensors(folder / "last.safetensors", kept, {"epoch": epoch})
        tensors, facts = run.state()
        write_tensors(self.state, tensors, facts)

    def load(self, run: Resumable) -> None:
        """Put a run back to where its last epoch ended, if there is one to go on from."""
        if not (self.resume and self.state.exists()):
            return
        tensors, facts = read_tensors(self.state)
        if not isinstance(facts, dict) or "identity" not in facts:
            raise InputError(f"resume: '{self.state}' is not the state of a run; choose another folder.")
        for key, mine in run.identity().items():
            theirs = facts["identity"].get(key)
            if theirs != mine:
                raise InputError(f"resume: {key} must be as before, {theirs!r}, got {mine!r} ('{self.state}').")
        try:
            run.restore(tensors, facts)
        except (KeyError, RuntimeError) as error:
            raise InputError(
                f"resume: the network must be as before; '{self.state}' holds other weights ({error})."
            ) from error


def pack(prefix: str, tensors: Weights) -> Weights:
    """Tensors under a prefix."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def unpack(prefix: str, tensors: Weights) -> Weights:
    """The tensors of a prefix, without it."""
    start = f"{prefix}/"
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: Optimizer) -> Weights:
    """The optimizer's state, one tensor per parameter number and name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{k}": v for i, s in state.items() for k, v in s.items() if isinstance(v, Tensor)}


def load_optimizer(optimizer: Optimizer, tensors: Weights) -> None:
    """The inverse of `optimizer_tensors`; learning rates and decays follow from the recipe."""
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
