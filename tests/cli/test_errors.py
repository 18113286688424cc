"""Bad input: exit code 2, one line on standard error that says what and what to do, and nothing written."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Cli = Callable[..., Any]


def column(name: str, change: Callable[[pd.Series], Any]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The table with a changed copy of a column."""
    return lambda table: table.assign(**{name: change(table[name].copy())})


def put(value: Any, *rows: int) -> Callable[[pd.Series], pd.Series]:
    """The column with another value in some rows."""

    def change(values: pd.Series) -> pd.Series:
        values.iloc[list(rows)] = value
        return values

    return change


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a column all missing": (lambda t: t.assign(depth=np.nan), r"column 'depth' is missing in all 80 rows; drop it"),
    "one class only": (column("kind", lambda s: "round"), r"has a single class, 'round'; rows of at least"),
    "a class with one member": (column("kind", put("oval", 5)), r"a single row of class 'oval'; collect more"),
    "a target missing": (column("kind", put(np.nan, 3, 7)), r"missing in 2 of 80 rows \(first: row 3"),
    "an infinite feature": (
        column("width", put(np.inf, 4)),
        r"'width' holds 1 infinite values \(first in row 4",
    ),
    "texts that all differ": (
        lambda t: t.assign(note=[f"text {i}" for i in range(80)]),
        r"column 'note' holds 80 different texts in 80 rows, probably an id or free text; drop it",
    ),
    "no rows": (lambda t: t.head(0), r"the table is empty \(0 rows, 3 columns\)"),
    "too few rows": (lambda t: t.head(4), r"the stop part would have 0 of 4 rows"),
    "the target alone": (lambda t: t[["kind"]], r"no column except the target"),
}


def refused(result: Any, pattern: str) -> None:
    """One line, code 2, no traceback."""
    assert result.code == 2
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("goodfit: ")
    assert re.search(pattern, lines[0]), lines[0]
    assert "Traceback" not in result.out + result.err


@pytest.mark.parametrize("command", ["study", "fit"])
@pytest.mark.parametrize("case", TABLES)
def test_tables(goodfit: Cli, table: pd.DataFrame, tmp_path: Path, command: str, case: str) -> None:
    change, pattern = TABLES[case]
    path, out = tmp_path / "bad.csv", tmp_path / "out"
    change(table).to_csv(path, index=False)
    refused(goodfit(command, path, "--target", "kind", "--out", out), pattern)
    assert not out.exists()


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"'bad\.csv' is empty"),
    "no text": (bytes(range(256)), r"'bad\.csv' cannot be read as a table"),
    "two columns of one name": (b"a,a,kind\n1,2,x\n", r"'a' names more than one column"),
    "no names": (b"1,2,3\n4,5,6\n", r"holds numbers, not column names"),
}


@pytest.mark.parametrize("case", FILES)
def test_files(goodfit: Cli, tmp_path: Path, case: str) -> None:
    content, pattern = FILES[case]
    path, out = tmp_path / "bad.csv", tmp_path / "out"
    path.write_bytes(content)
    refused(goodfit("study", path, "--target", "kind", "--out", out), pattern)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["shaps.csv", "--target", "kind"], r"there is no file '.*shaps\.csv'\. Did you mean 'shapes\.csv'\?"),
        (["shapes.csv", "--target", "knd"], r"there is no target column 'knd'\. Did you mean 'kind'\?"),
        (["shapes.csv"], r"name the target column: .*Known: height, kind, width"),
        (["shapes.csv", "--target", "kind", "--groups", "widht"], r"no column 'widht' for groups.* mean 'width'"),
        (["shapes.csv", "--target", "kind", "--time", "heigth"], r"no column 'heigth' for time.* mean 'height'"),
        ([".", "--target", "kind"], r"holds no (images|.*samples|.*sounds)"),
    ],
)
@pytest.mark.parametrize("command", ["study", "fit"])
def test_names(
    goodfit: Cli, csv: Path, monkeypatch: pytest.MonkeyPatch, command: str, arguments: list[str], pattern: str
) -> None:
    monkeypatch.chdir(csv.parent)
    refused(goodfit(command, *arguments, "--out", "out"), pattern)
    assert [p.name for p in csv.parent.iterdir()] == ["shapes.csv"]


OPTIONS: list[tuple[list[str], str]] = [
    (["--recipe", "droput=0.2"], r"there is no technique 'droput'\. Did you mean 'dropout'\?"),
    (["--recipe", "dropout(rat=0.2)"], r"there is no knob 'rat'\. Did you mean 'rate'\?"),
    (["--recipe", "dropout=1.5"], r"Dropout: rate must be in \[0, 1\), got rate=1\.5"),
    (["--recipe", "l2=-1"], r"L2: l2 must be in \[0, inf\), got l2=-1"),
    (["--recipe", "dropout=much"], r"Dropout: rate must be in \[0, 1\), got rate='much'"),
    (["--recipe", "dropout(0.2"], r"brackets and quotes must be closed"),
    (["--recipe", "absent.yaml"], r"there is no file 'absent\.yaml'"),
    (["--recipe", "l2(0.1, on='9.*')"], r"L2: on must match a weight tensor of the network, got on='9\.\*'"),
    (["--recipe", "early_stopping(monitor='stop_rmse')"], r"monitor must be one of .*stop_accuracy"),
    (["--recipe", "batch_norm", "--batch-size", "1"], r"batch norm needs at least two rows at a time"),
    (["--model", "resnot"], r"there is no reference network 'resnot'\. Did you mean 'resnet'"),
    (["--model", "mpl"], r"Did you mean 'mlp'\?"),
    (["--model", "mlp:big"], r"sizes must be written mlp:256-256, got 'mlp:big'"),
    (["--model", "mlp:0"], r"every size must be at least 1"),
    (["--metric", "acuracy"], r"metric: there is no 'acuracy'\. Did you mean 'accuracy'"),
    (["--metric", "rmse"], r"rmse: there must be one value for each row|got 'rmse', which needs values"),
    (["--epochs", "0"], r"Training: epochs must be a whole number in \[1, inf\), got epochs=0"),
    (["--batch-size", "0"], r"batch_size must be a whole number in \[1, inf\), got batch_size=0"),
    (["--learning-rate", "-0.1"], r"learning_rate must be in \(0, inf\), got learning_rate=-0\.1"),
    (["--learning-rate", "nan"], r"learning_rate must be in \(0, inf\), got learning_rate=nan"),
    (["--optimizer", "adma"], r"optimizer must be one of 'adam', 'adamw', 'sgd', got optimizer='adma'"),
    (["--schedule", "cos"], r"schedule must be one of .*'cosine'.*got schedule='cos'"),
    (["--task", "clasification"], r"Did you mean 'classification'\?"),
    (["--task", "regression"], r"task='regression' needs numbers, but target 'kind' holds '"),
]


@pytest.mark.parametrize("command", ["study", "fit"])
@pytest.mark.parametrize(("options", "pattern"), OPTIONS, ids=[" ".join(o) for o, _ in OPTIONS])
def test_options(goodfit: Cli, csv: Path, command: str, options: list[str], pattern: str) -> None:
    out = csv.parent / "out"
    refused(goodfit(command, csv, "--target", "kind", *options, "--out", out), pattern)
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["study", "iris", "--folds", "two"],
        ["study", "iris", "--seeds", "3"],
        ["study", "iris", "--epochs", "1.5"],
        ["study", "iris", "--threads", "-1"],
        ["fit", "iris", "--seed", "-1"],
        ["fit", "iris", "--every", "-1"],
        ["fit", "iris", "--nonsense"],
        ["fit"],
        ["explain", "--recipe", "l2", "--inputs", "0"],
        ["predict", "folder"],
        ["stduy", "iris"],
    ],
    ids=" ".join,
)
def test_typers_own_errors(goodfit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    result = goodfit(*arguments)
    assert result.code == 2
    assert "Error" in result.err
    assert "Traceback" not in result.err
    assert list(tmp_path.iterdir()) == []


# ---- where results would go -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["study", "fit"])
def test_earlier_results_are_kept(goodfit: Cli, tmp_path: Path, command: str) -> None:
    (tmp_path / "run.json").write_text("earlier")
    refused(
        goodfit(command, "iris", "--out", tmp_path), r"holds (earlier results|other files .*); choose another .*--force"
    )
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("run.json", "earlier")]


@pytest.mark.parametrize("command", ["study", "fit"])
@pytest.mark.parametrize("name", ["file", "file/sub"])
def test_a_file_in_the_way(goodfit: Cli, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    refused(goodfit(command, "iris", "--epochs", 1, "--out", tmp_path / name, "--force"), r"file' is a file; name a")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("option", [["--resume"], ["--every", "2"]])
def test_going_on_needs_a_folder(goodfit: Cli, option: list[str]) -> None:
    refused(
        goodfit("fit", "absent", *option),  # reported before the data is loaded
        r"--resume and --every need the folder of the run, got resume=.*every=.* without --out; add --out DIR",
    )


# ---- other commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["diagnose", "DIR"], ["explain", "DIR"], ["predict", "DIR", "iris"]])
def test_folders_without_a_run(goodfit: Cli, tmp_path: Path, command: list[str]) -> None:
    def at(path: Path) -> list[str]:
        return [str(path) if word == "DIR" else word for word in command]

    refused(goodfit(*at(tmp_path / "absent")), r"is this the folder of a run\?")
    refused(goodfit(*at(tmp_path)), r"is this the folder of a run\?")
    file = tmp_path / "file"
    file.write_text("x")
    refused(goodfit(*at(file)), r"is a file; give the folder of a run")
    (tmp_path / "run.json").write_text("{")
    refused(goodfit(*at(tmp_path)), r"is damaged")
    (tmp_path / "run.json").write_text('{"format": 2}')
    refused(goodfit(*at(tmp_path)), r"is damaged")


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (
            ["study", "iris", "--folds", "0"],
            r"Protocol: folds must be a whole number in \[1, 100\] or None, got folds=0",
        ),
        (
            ["study", "iris", "--repeats", "101"],
            r"repeats must be a whole number in \[1, 100\] or None, got repeats=101",
        ),
        (["study", "iris", "--folds", "70"], r"folds: 128 rows are too few for 70 folds; use fewer folds"),
        (["explain"], r"it needs a recipe or the folder of a run, got neither; add --recipe"),
        (["explain", "DIR", "--model", "mlp:9", "--inputs", "3"], r"got --model mlp:9 and --inputs 3; leave out these"),
        (["study", "absent", "--catalogue", "--recipe", "l2"], r"--catalogue compares .* got 1 of them; leave out"),
        (["study", "absent", "--budget", "5 parsecs"], r"budget must be a time such as .*, got '5 parsecs'"),
        (["study", "absent", "--space", "absent.yaml"], r"space: there is no file 'absent.yaml'; give the path of a Y"),
        (["study", "iris", "--budget", "5s", "--catalogue"], r"searches nothing and must be used without budget='5s'"),
        (["study", "iris", "--sampler", "tp"], r"sampler must be one of tpe, gp, .*, got 'tp'\. Did you mean 'tpe'\?"),
        (["explain", "--recipe", "droput"], r"Did you mean 'dropout'\?"),
        (["explain", "--recipe", "l2(0.1, on='0.wieght')"], r"on must match.*Did you mean .*'0\.weight'"),
        (["explain", "--recipe", "l2", "--model", "vgg"], r"no reference network 'vgg'"),
        (["techniques", "droput"], r"there is no technique 'droput'\. Did you mean 'dropout'\?"),
        (["techniques", "zzz"], r"there is no technique 'zzz'\. Known: activity_l1, .*, cut_out"),
    ],
)
def test_without_a_run(goodfit: Cli, arguments: list[str], pattern: str) -> None:
    refused(goodfit(*arguments), pattern)


def test_training_that_diverges_is_exit_code_1(goodfit: Cli, tmp_path: Path) -> None:
    result = goodfit("fit", "iris", "--learning-rate", "1e30", "--epochs", 2)
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert "try a lower learning_rate" in result.err
    out = tmp_path / "out"
    study = goodfit("study", "iris", "--recipe", "l2", "--learning-rate", "1e30", "--epochs", 2, "--out", out)
    assert study.code == 1
    assert "No fit was finished" in study.out
    assert (out / "study.json").exists()
    assert not (out / "report.html").exists()


def test_a_disk_that_refuses_is_one_line(goodfit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device", "run.json")

    monkeypatch.setattr("goodfit.store.write_bytes", full)
    result = goodfit("fit", "iris", "--epochs", 1, "--out", tmp_path / "r")
    assert result.code == 1
    assert result.err == "goodfit: [Errno 28] No space left on device: 'run.json'\n"


def test_a_process_of_its_own_says_the_same(process: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    started = process("study", "digts", "--out", tmp_path / "out")
    out, err = started.communicate(timeout=120)
    assert started.returncode == 2
    assert out == ""
    assert err == "goodfit: load: there is no file and no bundled data set 'digts'. Did you mean 'digits'?\n"
    assert not (tmp_path / "out").exists()
