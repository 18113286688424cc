"""The command explain: where the techniques of a run or a recipe act."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import goodfit as gf
from goodfit.cli import show
from goodfit.errors import InputError, NetworkNeeded
from goodfit.models import build
from goodfit.store import load_run


def show_explanation(
    folder: Path | None, recipe: str | None, model: str | None, inputs: int | None, outputs: int | None
) -> None:
    """Print which technique acts where, for a run or for a recipe on a reference network.

    Args:
        folder: the folder of a run.
        recipe: the recipe; that of the run if None.
        model: the reference network, only without a folder; None: mlp.
        inputs: its number of inputs; None: 20.
        outputs: its number of outputs; None: 2.

    Raises:
        InputError: neither the folder of a run nor a recipe is given, the run contradicts another option, or its
            network is not a reference network.
    """
    if folder is None and recipe is None:
        raise InputError('explain: it needs a recipe or the folder of a run, got neither; add --recipe "…" or DIR.')
    techniques = gf.Recipe.load(recipe) if recipe is not None else gf.Recipe()
    if folder is None:
        network = build(model or "mlp", (inputs or 20,), outputs or 2, 0, 0)
    else:
        _refuse_network_options({"--model": model, "--inputs": inputs, "--outputs": outputs}, folder)
        run = _load_reference_run(folder)
        techniques = techniques if recipe is not None else run.recipe
        network = build(run.network, run.spec.input_shape, run.spec.n_outputs, 0, run.spec.inputs.vocabulary)
    show.explanation(gf.explain(network, techniques), techniques, techniques.lint(network))


def _refuse_network_options(options: Mapping[str, str | int | None], folder: Path) -> None:
    chosen = [f"{name} {value}" for name, value in options.items() if value is not None]
    if chosen:
        raise InputError(
            f"explain: the network must be that of the run in '{folder}', got {' and '.join(chosen)}; leave out these "
            "options or the folder."
        )


def _load_reference_run(folder: Path) -> gf.Run:
    """Load the run of a reference network.

    Raises:
        InputError: there is no run, or it has a network of the user's own.
    """
    try:
        return load_run(folder)
    except NetworkNeeded as error:
        raise InputError(
            f"explain: the run must have a reference network, got '{folder}' with a network of your own; call "
            "goodfit.explain(network, recipe) in Python."
        ) from error
