"""A run on disk: JSON that says what it is, and its weights as safetensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from goodfit.data import Preprocessing, TaskSpec
from goodfit.errors import InputError
from goodfit.history import History
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.registry import check_names
from goodfit.surgery import copy_module
from goodfit.train.attach import attach_layers
from goodfit.train.files import read_json, read_tensors, write_bytes, write_json, write_tensors
from goodfit.train.run import Run
from goodfit.train.settings import Training

FORMAT = 1


def check_output_folder(folder: str | Path, force: bool) -> Path:
    """The folder, which must be empty or absent unless overwriting is asked for.

    Raises:
        InputError: it holds files already, or cannot be made.
    """
    path = check_writable(Path(folder) / "run.json").parent
    if path.is_dir() and any(path.iterdir()) and not force:
        raise InputError(f"--out: '{folder}' holds earlier results; choose another folder or overwrite with --force.")
    return path


def check_writable(path: Path) -> Path:
    """The path of a file to come; the folder that it needs must be one, and writable.

    Raises:
        InputError: a part of the path is a file, or may not be written to.
    """
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"--out: '{nearest}' is a file; name a folder.")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"--out: '{nearest}' may not be written to; name another folder.")
    return path


def remove_old_results(folder: Path) -> None:
    """Take out what earlier results are found by, so that a folder never answers with two of them."""
    for name in ("run.json", "best/run.json", "plain/run.json"):
        (folder / name).unlink(missing_ok=True)


def save_run(run: Run, folder: str | Path, *, force: bool = False) -> Path:
    """Write `run.json`, `recipe.yaml`, `best.safetensors` and `last.safetensors`; returns the folder.

    Raises:
        InputError: the folder holds files already and `force` is not set.
    """
    path = check_output_folder(folder, force)
    remove_old_results(path)
    write_tensors(path / "best.safetensors", run.best, {"epoch": run.best_epoch})
    write_tensors(path / "last.safetensors", run.last, {"epoch": run.epochs})
    write_bytes(path / "recipe.yaml", run.recipe.to_yaml().encode())
    write_json(path / "run.json", to_dict(run))
    return path


def to_dict(run: Run) -> dict[str, Any]:
    """Everything but the weights, as plain data."""
    return {
        "format": FORMAT, "network": run.network, "recipe": run.recipe.to_list(), "training": run.training.values(),
        "seed": run.seed, "spec": run.spec.to_dict(), "metric": run.metric, "loss": run.loss, "kept": run.kept,
        "best_epoch": run.best_epoch, "stopped": run.stopped, "facts": run.facts,
        "preprocessing": run.preprocessing.to_dict() if run.preprocessing else None, "history": run.history.to_dict(),
    }  # fmt: skip


def load_run(folder: str | Path, model: nn.Module | None = None) -> Run:
    """Read a run (or the best run of a study). A network of your own is given as `model`, built as it was for training.

    Nothing named in a file is imported or run: reference networks are looked up in the catalogue. Your network stays as
    it is; the run holds a copy.

    Raises:
        InputError: no run there, damaged files, or a network whose weights do not fit.
    """
    path = Path(folder)
    if not (path / "run.json").is_file() and (path / "best" / "run.json").is_file():
        path = path / "best"
    if path.is_file():
        raise InputError(f"'{path}' is a file; give the folder of a run.")
    data = read_json(path / "run.json")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError(f"'{path / 'run.json'}' is not a run of this version of goodfit; train again.")
    try:
        return _from_dict(data, path, model)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"'{path / 'run.json'}' is damaged ({error!r}); train again.") from error
    except RuntimeError as error:
        raise InputError(
            f"'{path}': the weights do not fit this network: {str(error).splitlines()[-1].strip()}"
        ) from error


def _from_dict(data: dict[str, Any], path: Path, model: nn.Module | None) -> Run:
    """The inverse of `to_dict`, with the weights beside it."""
    check_names([entry["technique"] for entry in data["recipe"]], path / "run.json")
    spec, recipe = TaskSpec.from_dict(data["spec"]), Recipe.from_list(data["recipe"])
    if model is None and not data["network"]:
        raise InputError(f"'{path}' holds the weights of a network of your own; give it as load_run(folder, model).")
    words = spec.inputs.vocabulary
    network = copy_module(model) if model else build(data["network"], spec.input_shape, spec.n_outputs, 0, words)
    attach_layers(network, recipe).silence()
    best, last = read_tensors(path / "best.safetensors")[0], read_tensors(path / "last.safetensors")[0]
    preprocessing = Preprocessing.from_dict(data["preprocessing"]) if data["preprocessing"] else None
    run = Run(network, History.from_dict(data["history"]), recipe, Training.of(data["training"]), data["seed"], spec,
              preprocessing, data["metric"], data["loss"], data["kept"], data["best_epoch"], best, last,
              data["network"], data["stopped"], facts=data["facts"])  # fmt: skip
    run.keep(data["kept"]).model.eval()
    return run
