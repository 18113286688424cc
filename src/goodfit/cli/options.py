"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataPath = Annotated[str, typer.Argument(metavar="DATA", help="CSV, TSV, Parquet or NPZ file; the name of a set that "
    "scikit-learn brings (digits, breast_cancer, wine, iris, diabetes); or openml:NAME.")]  # fmt: skip
Target = Annotated[str | None, typer.Option(help="Column to predict.")]
Groups = Annotated[str | None, typer.Option(help="Column of groups that no two parts may share.")]
Time = Annotated[str | None, typer.Option(help="Column of times: train on the oldest, test on the newest rows.")]
Task = Annotated[str | None, typer.Option(help="classification or regression; told from the target if not given.")]
Model = Annotated[str, typer.Option(help="Reference network: mlp, or with layer sizes mlp:256-256.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the training rows, at most.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows per step.")]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate.")]
Optimizer = Annotated[str | None, typer.Option(help="adam, adamw or sgd.")]
Schedule = Annotated[str | None, typer.Option(help="constant, cosine, linear or step.")]
MetricName = Annotated[str | None, typer.Option("--metric", help="accuracy, balanced_accuracy, roc_auc, log_loss, "
    "f1_macro, r2, rmse or mae; told from the target if not given.")]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Overwrite earlier results in the folder.")]
Threads = Annotated[int, typer.Option(min=0, help="Cores to use; 0: all, but one for a fit of a small network.")]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that fit or study wrote.")]
