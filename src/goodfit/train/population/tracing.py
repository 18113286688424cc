"""How a program is called: mapped over its members."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from goodfit.train.evaluate import ROWS
from goodfit.train.population.program import Moment, Program, State


class Calls:
    """Calls of a program for many members at once."""

    def __call__(
        self, program: Program, members: int, size: int, moment: Moment, state: State, given: dict[str, Any]
    ) -> tuple[State, Tensor]:
        """One step of the members; their next state, and their losses (members,)."""
        with torch.no_grad():
            stepped: tuple[State, Tensor] = vmap(partial(program.step, moment=moment))(state, given)
        return stepped

    def outputs(self, program: Program, weights: Tensor, buffers: dict[str, Tensor], x: Tensor, shared: bool) -> Tensor:
        """The members' outputs in evaluation mode (members, rows, outputs), for rows x that they share or have each."""
        mapped = vmap(program.outputs, in_dims=(0, 0, None if shared else 0))
        pieces = x.split(ROWS, dim=0 if shared else 1)
        with torch.no_grad():
            return torch.cat([mapped(weights, _copied(buffers), piece) for piece in pieces], 1)


def _copied(buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}
