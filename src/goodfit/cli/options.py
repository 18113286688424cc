"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataPath = Annotated[str, typer.Argument(metavar="DATA", help="CSV, TSV, JSONL, Parquet or NPZ file; a folder with a "
    "folder of images, sounds, clips or texts for each class; the name of a set that "
    "scikit-learn brings (digits, breast_cancer, wine, iris, diabetes); or openml:NAME.")]  # fmt: skip
Target = Annotated[str | None, typer.Option(help="Column to predict.")]
Groups = Annotated[str | None, typer.Option(help="Column of groups that no two parts may share.")]
Time = Annotated[str | None, typer.Option(help="Column of times: train on the oldest, test on the newest rows.")]
Task = Annotated[str | None, typer.Option(help="classification or regression; told from the target if not given.")]
Kind = Annotated[str | None, typer.Option(help="What rows of an array are, where its shape does not tell: "
    "table, series, image, video, sound or text.")]  # fmt: skip
Size = Annotated[int | None, typer.Option(min=1, help="Height and width to which the images or clips of a folder are "
    "brought.")]  # fmt: skip
Text = Annotated[str | None, typer.Option(help="Column of texts to learn from, where there are several columns.")]
SkipDamaged = Annotated[bool, typer.Option("--skip-damaged", help="Leave out files of a folder that cannot be read.")]
Model = Annotated[str | None, typer.Option(help="Reference network: mlp, cnn, resnet; unet for masks; mel_cnn for "
    "sound; bag, text_cnn for texts; with layer sizes mlp:256-256. If not given: mlp, unet, mel_cnn, bag, or cnn for "
    "clips.")]  # fmt: skip
Rate = Annotated[int | None, typer.Option(min=1, help="Samples or frames per second to which sounds or clips of a "
    "folder are brought.")]  # fmt: skip
Length = Annotated[float | None, typer.Option(help="Seconds to which sounds and clips of a folder are brought.")]
Frames = Annotated[int | None, typer.Option(min=1, help="Frames of each clip of a folder; without --rate and --length "
    "evenly spread over it. If nothing is given: 16.")]  # fmt: skip
Mono = Annotated[bool, typer.Option("--mono/--stereo", help="Average the channels of sounds, or keep them.")]
Whiten = Annotated[float | None, typer.Option(help="Whiten images (ZCA), with this small number such as 0.01.")]
Cache = Annotated[Path | None, typer.Option(help="Folder in which decoded files are kept for the next time; what does "
    "not fit into memory lies in files in any case, in the user's cache folder if none is given.")]  # fmt: skip
Epochs = Annotated[int | None, typer.Option(help="Passes over the training rows, at most.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows per step.")]
LearningRate = Annotated[float | None, typer.Option(help="Learning rate.")]
Optimizer = Annotated[str | None, typer.Option(help="adam, adamw or sgd.")]
Schedule = Annotated[str | None, typer.Option(help="constant, cosine, linear or step.")]
MetricName = Annotated[str | None, typer.Option("--metric", help="accuracy, balanced_accuracy, roc_auc, log_loss, "
    "f1_macro, iou, r2, rmse or mae; told from the target if not given.")]  # fmt: skip
Force = Annotated[bool, typer.Option("--force", help="Overwrite earlier results in the folder.")]
Threads = Annotated[int, typer.Option(min=0, help="Cores to use; 0: all, but one for a fit of a small network.")]
RunFolder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that fit or study wrote.")]
