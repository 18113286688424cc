"""A loaded run equals the saved one bit for bit; damaged files are refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.data import Split, from_tensors, load
from goodfit.errors import InputError
from goodfit.serialization import read_tensors, write_tensors
from goodfit.store import check_output_folder, check_writable, load_run, save_run
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

SHORT = Training(epochs=3, batch_size=16, learning_rate=0.01)
Net = Callable[..., nn.Sequential]


@pytest.fixture(scope="module")
def run(three_class_split: Split) -> Run:
    """A small run with inserted layers, an infinite bound and early stopping."""
    return fit("mlp:8-8", three_class_split, "batch_norm, dropout=0.25, max_norm=inf, l1=1e-3, early_stopping=2", SHORT)


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    return save_run(run, tmp_path / "run")


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


# ---- round trip -------------------------------------------------------------------------------------


def test_classification_with_inserted_layers(run: Run, folder: Path, three_class_split: Split) -> None:
    back = load_run(folder)
    x = three_class_split.test.x
    assert torch.equal(back.outputs(x), run.outputs(x))
    assert back.predict(x) == run.predict(x)
    assert (back.probabilities(x) == run.probabilities(x)).all()
    assert any("batch_norm" in name for name in back.best)


def test_everything_but_the_weights(run: Run, folder: Path) -> None:
    back = load_run(folder)
    assert back.recipe == run.recipe
    assert math.isinf(back.recipe.techniques[2].values()["max_value"])  # type: ignore[arg-type]
    assert list(back.history) == list(run.history)
    for name in ("training", "seed", "spec", "metric", "loss", "kept", "best_epoch", "stopped", "metadata", "network"):
        assert getattr(back, name) == getattr(run, name), name
    assert back.kept_epoch == run.kept_epoch


def test_best_and_last_both_come_back(run: Run, folder: Path, three_class_split: Split) -> None:
    back, x = load_run(folder), three_class_split.test.x
    for which in ("last", "best"):
        assert torch.equal(back.keep(which).outputs(x), run.keep(which).outputs(x))


def test_the_loaded_network_has_no_training_hooks(folder: Path, three_class_split: Split) -> None:
    back = load_run(folder)
    assert not back.model.training
    assert not any(module._forward_pre_hooks for module in back.model.modules())
    back.model.train()
    for module in back.model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    assert torch.equal(back.model(three_class_split.test.x), back.model(three_class_split.test.x))


def test_regression(tmp_path: Path) -> None:
    split = load("diabetes").split()
    run = fit("mlp:8", split, "l2=1e-3", SHORT)
    back = load_run(save_run(run, tmp_path))
    assert (back.predict(split.test.x) == run.predict(split.test.x)).all()
    assert back.predict(split.test.x).mean() > 50  # in the target's own unit
    assert back.preprocessing == run.preprocessing


def test_a_run_without_preprocessing(tmp_path: Path) -> None:
    x, y = torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    run = fit("mlp:4", from_tensors((x, y), (x, y)), "", SHORT)
    back = load_run(save_run(run, tmp_path))
    assert back.preprocessing is None
    assert torch.equal(back.outputs(x), run.outputs(x))


def test_a_history_that_is_not_finite(run: Run, tmp_path: Path, three_class_split: Split) -> None:
    loss = nn.CrossEntropyLoss()  # one number for all rows: its standard error is NaN
    saved = fit("mlp:4", three_class_split, "", SHORT, loss=loss)
    back = load_run(save_run(saved, tmp_path))
    assert all(math.isnan(v) for v in back.history["stop_loss_se"])
    assert back.history["stop_loss"] == saved.history["stop_loss"]


# ---- a network of the user --------------------------------------------------------------------------


def test_a_user_network_is_passed_to_load_run_and_not_changed(
    three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    run = fit(make_net(), three_class_split, "batch_norm, l2=1e-3", SHORT)
    save_run(run, tmp_path)
    with pytest.raises(InputError, match=r"your own network; pass it as load_run\(folder, model\)"):
        load_run(tmp_path)
    model = make_net(seed=5)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for _ in range(2):
        back = load_run(tmp_path, model)
        assert torch.equal(back.outputs(three_class_split.test.x), run.outputs(three_class_split.test.x))
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("hidden", [4, 16])
def test_other_weights_are_refused(three_class_split: Split, make_net: Net, tmp_path: Path, hidden: int) -> None:
    save_run(fit(make_net(), three_class_split, "", SHORT), tmp_path)
    with pytest.raises(InputError, match="the weights do not fit this network") as error:
        load_run(tmp_path, make_net(hidden=hidden))
    assert "\n" not in str(error.value)


# ---- damage -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", '{"format": 1', "\x00\x01", "[1, 2]", "5", "null", '{"format": 99}', "{}"])
def test_a_damaged_run_file(folder: Path, text: str) -> None:
    (folder / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"damaged|reads runs of format"):
        load_run(folder)


def test_a_file_that_is_not_utf8(folder: Path) -> None:
    (folder / "run.json").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(InputError, match="damaged"):
        load_run(folder)


@pytest.mark.parametrize("key", ["network", "recipe", "training", "seed", "spec", "kept", "history", "preprocessing"])
def test_an_entry_that_is_missing_or_has_another_type(folder: Path, key: str) -> None:
    whole = (folder / "run.json").read_text()
    rewrite(folder / "run.json", lambda d: d.pop(key))
    with pytest.raises(InputError):
        load_run(folder)
    (folder / "run.json").write_text(whole)
    if key not in ("seed", "kept"):
        rewrite(folder / "run.json", lambda d: d.update({key: 5}))
        with pytest.raises(InputError):
            load_run(folder)


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_damaged_weights(folder: Path, name: str, content: bytes | None) -> None:
    path = folder / name
    path.write_bytes(content if content is not None else path.read_bytes()[:-40])
    with pytest.raises(InputError, match="damaged") as error:
        load_run(folder)
    assert name in str(error.value)


def test_missing_weights(folder: Path) -> None:
    (folder / "best.safetensors").unlink()
    with pytest.raises(InputError, match=r"no file .*best\.safetensors"):
        load_run(folder)


def test_a_missing_folder_and_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is this the folder of a run"):
        load_run(tmp_path / "nothing")
    with pytest.raises(InputError, match="is this the folder of a run"):
        load_run(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file; give the folder of a run"):
        load_run(tmp_path / "file")


@pytest.mark.parametrize(
    "change",
    [
        {"network": "os:system"},
        {"network": "torch.hub.load"},
        {"recipe": [{"technique": "os.system", "command": "touch stolen"}]},
        {"recipe": [{"technique": "goodfit.techniques.weights.l2"}]},
        {"training": {"optimizer": "os.system"}},
    ],
)
def test_names_in_a_file_are_never_imported(
    folder: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(folder / "run.json", lambda d: d.update(change))

    def refuse(name: str, *rest: Any) -> Any:
        raise AssertionError(f"imports {name}")

    monkeypatch.setattr("importlib.import_module", refuse)
    with pytest.raises(InputError):
        load_run(folder)


def test_no_file_is_a_pickle(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {"run.json", "recipe.yaml", "best.safetensors", "last.safetensors"}
    for path in folder.iterdir():
        assert not path.read_bytes().startswith((b"\x80", b"PK"))


def edit_header(path: Path, header: object) -> None:
    """Replace the metadata that goodfit keeps in the header of a safetensors file."""
    tensors, _ = read_tensors(path)
    write_tensors(path, tensors, header)


@pytest.mark.parametrize("version", [None, 1, 99, "2"])
def test_files_of_another_format_are_refused_in_one_line(folder: Path, version: object) -> None:
    for file in ("best.safetensors", "last.safetensors"):
        whole = (folder / file).read_bytes()
        edit_header(folder / file, {"format": version, "epoch": 1})
        with pytest.raises(InputError, match=rf"{file}': .* format 2, got format={version}; train again\.$"):
            load_run(folder)
        (folder / file).write_bytes(whole)
    rewrite(folder / "run.json", lambda d: d.update(format=version))
    with pytest.raises(InputError, match=rf"run\.json': .* format 2, got format={version}; train again\.$"):
        load_run(folder)


# ---- folders ----------------------------------------------------------------------------------------


def test_a_folder_with_results_is_refused_without_force(run: Run, folder: Path) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(InputError, match="holds earlier results; choose another folder or overwrite with force=True"):
        save_run(run, folder)
    assert before == {p.name: p.read_bytes() for p in folder.iterdir()}
    assert save_run(run, folder, force=True) == folder


def test_an_empty_or_absent_folder_is_accepted(tmp_path: Path) -> None:
    assert check_output_folder(tmp_path, False) == tmp_path
    assert check_output_folder(tmp_path / "a" / "b", False) == tmp_path / "a" / "b"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["file", "file/sub", "file/sub/deeper"])
@pytest.mark.parametrize("force", [True, False])
def test_a_path_through_a_file_is_refused(tmp_path: Path, name: str, force: bool) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="file' is a file; name a folder"):
        check_output_folder(tmp_path / name, force)


def test_a_read_only_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(InputError, match="no permission to write"):
        check_writable(tmp_path / "new" / "run.json")


def test_an_empty_network_of_the_user_is_used(three_class_split: Split, tmp_path: Path) -> None:
    class Flat(nn.Sequential):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(3))

        def __len__(self) -> int:
            return 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bias + 0 * x.sum(1, keepdim=True)

    run = fit(Flat(), three_class_split, "", SHORT)
    loaded = load_run(save_run(run, tmp_path / "own"), Flat())
    assert torch.equal(loaded.model.bias, run.model.bias)  # type: ignore[arg-type]
