"""Save runs to disk and load them: metadata as JSON, weights as safetensors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from goodfit.data import Preprocessing, TaskSpec
from goodfit.errors import InputError, NetworkNeeded
from goodfit.history import History
from goodfit.models import build
from goodfit.recipe import Recipe
from goodfit.registry import check_names
from goodfit.serialization import read_json, read_tensors, write_bytes, write_json, write_tensors
from goodfit.surgery import copy_module
from goodfit.train.config import Training
from goodfit.train.run import Run
from goodfit.train.stages.on_model import attach_layers

FORMAT = 2
"""Version of the files of a run; `load_run` refuses every other version."""


def check_output_folder(folder: str | Path, force: bool, who: str = "folder", overwrite: str = "force=True") -> Path:
    """Return the folder as a path; it must be empty or absent unless `force` is set.

    Args:
        folder: the folder to write to.
        force: whether it may hold earlier results.
        who: the name of the user's argument, for error messages.
        overwrite: how the user sets `force`, for error messages.

    Raises:
        InputError: the folder holds files already, or cannot be created.
    """
    path = check_writable(Path(folder) / "run.json", who).parent
    if path.is_dir() and any(path.iterdir()) and not force:
        raise InputError(
            f"{who}: '{folder}' holds earlier results; choose another folder or overwrite with {overwrite}."
        )
    return path


def check_writable(path: Path, who: str = "folder") -> Path:
    """Return the path of a file to be written; its folder must be writable, or it must be possible to create it.

    Raises:
        InputError: a parent of the path is a file or is not writable.
    """
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    if not nearest.is_dir():
        raise InputError(f"{who}: '{nearest}' is a file; name a folder.")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{who}: no permission to write to '{nearest}'; name another folder.")
    return path


def remove_old_results(folder: Path) -> None:
    """Delete the `run.json` files of earlier results, so that `load_run` never finds two different runs in a folder."""
    for name in ("run.json", "best/run.json", "plain/run.json"):
        (folder / name).unlink(missing_ok=True)


def save_run(run: Run, folder: str | Path, *, force: bool = False) -> Path:
    """Write `run.json`, `recipe.yaml`, `best.safetensors` and `last.safetensors`; return the folder.

    Raises:
        InputError: the folder holds files already and `force` is not set, or the recipe holds a function, which cannot
            be stored.
    """
    path, data, recipe = check_output_folder(folder, force), to_dict(run), run.recipe.to_yaml()
    remove_old_results(path)
    write_tensors(path / "best.safetensors", run.best, {"format": FORMAT, "epoch": run.best_epoch})
    write_tensors(path / "last.safetensors", run.last, {"format": FORMAT, "epoch": run.epochs})
    write_bytes(path / "recipe.yaml", recipe.encode())
    write_json(path / "run.json", data)
    return path


def to_dict(run: Run) -> dict[str, Any]:
    """Return everything but the weights as plain JSON values.

    Raises:
        InputError: the recipe holds a function, which cannot be stored.
    """
    return {
        "format": FORMAT, "network": run.network, "recipe": run.recipe.to_list(), "training": run.training.values(),
        "seed": run.seed, "spec": run.spec.to_dict(), "metric": run.metric, "loss": run.loss, "kept": run.kept,
        "best_epoch": run.best_epoch, "stopped": run.stopped, "metadata": run.metadata,
        "preprocessing": run.preprocessing.to_dict() if run.preprocessing else None, "history": run.history.to_dict(),
    }  # fmt: skip


def load_run(folder: str | Path, model: nn.Module | None = None) -> Run:
    """Load a run that `save_run` wrote, or the best run of a study.

    The files contain no code: reference networks and techniques are looked up by name, and nothing else is imported.

    Args:
        folder: the folder of a run or a study.
        model: your network, built as it was for training. Only needed if the run did not train a reference network.
            The run holds a copy; `model` itself does not change.

    Raises:
        InputError: there is no run, a file is damaged or has another format, or the weights do not fit the network.
    """
    path = Path(folder)
    if not (path / "run.json").is_file() and (path / "best" / "run.json").is_file():
        path = path / "best"
    if path.is_file():
        raise InputError(f"'{path}' is a file; give the folder of a run.")
    data = read_json(path / "run.json")
    _check_format(data, path / "run.json")
    try:
        return _from_dict(data, path, model)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"'{path / 'run.json'}' is damaged ({error!r}); train again.") from error
    except RuntimeError as error:
        raise InputError(
            f"'{path}': the weights do not fit this network: {str(error).splitlines()[-1].strip()}; pass the network "
            "as it was built for training."
        ) from error


def _check_format(data: Any, file: Path) -> None:
    version = data.get("format") if isinstance(data, dict) else None
    if version != FORMAT:
        raise InputError(f"'{file}': this goodfit reads runs of format {FORMAT}, got format={version}; train again.")


def _from_dict(data: dict[str, Any], path: Path, model: nn.Module | None) -> Run:
    """Build a run from the values of `to_dict` and the weights in the same folder."""
    check_names([entry["technique"] for entry in data["recipe"]], path / "run.json")
    spec, recipe = TaskSpec.from_dict(data["spec"]), Recipe.from_list(data["recipe"])
    if model is None and not data["network"]:
        raise NetworkNeeded(f"'{path}' holds the weights of your own network; pass it as load_run(folder, model).")
    network = _network(data["network"], spec, model)
    attach_layers(network, recipe).remove_training_hooks()
    best, last = _read_weights(path / "best.safetensors"), _read_weights(path / "last.safetensors")
    preprocessing = Preprocessing.from_dict(data["preprocessing"]) if data["preprocessing"] else None
    run = Run(network, History.from_dict(data["history"]), recipe, Training.of(data["training"]), data["seed"], spec,
              preprocessing, data["metric"], data["loss"], data["kept"], data["best_epoch"], best, last,
              data["network"], data["stopped"], metadata=data["metadata"])  # fmt: skip
    run.keep(data["kept"]).model.eval()
    return run


def _network(name: str, spec: TaskSpec, model: nn.Module | None) -> nn.Module:
    """A copy of the user's network, or else the reference network of this name."""
    if model is not None:
        return copy_module(model)
    return build(name, spec.input_shape, spec.n_outputs, 0, spec.inputs.vocabulary)


def _read_weights(path: Path) -> dict[str, Tensor]:
    weights, header = read_tensors(path)
    _check_format(header, path)
    return weights
