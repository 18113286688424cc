"""The command predict: predictions of new rows or files with a saved run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import goodfit as gf
from goodfit.cli import show
from goodfit.errors import InputError
from goodfit.serialization import write_bytes
from goodfit.store import check_writable, load_run

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.data.reading.predict_input import PredictInput

CHUNK = 256
"""Rows that are preprocessed and predicted at a time, to limit memory."""


def run_predict(folder: Path, data: str, out: Path | None, force: bool, damaged: str = "refuse") -> None:
    """Predict new rows or files with a saved run, and print or write the predictions.

    Raises:
        InputError: `out` exists or cannot be written, the run has no preprocessing, or it predicts masks and `out` is
            missing.
    """
    from goodfit.data.reading.predict_input import read_predict_input

    run = load_run(folder)
    if out is not None and out.exists() and not force:
        raise InputError(f"--out: '{out}' exists; choose another file or overwrite with --force.")
    if out is not None:
        check_writable(out, "--out")
    if run.preprocessing is None:
        raise InputError(f"predict: '{folder}' was trained on tensors and has no preprocessing; predict in Python.")
    masks = run.spec.task == "segmentation"
    if masks and out is None:
        raise InputError(f"predict: '{folder}' predicts masks, which are image files; give --out with a folder.")
    samples = read_predict_input(data, run.preprocessing, damaged)
    if masks and out is not None:
        show.message(f"{write_masks(run, samples, out)} masks in {out}")
        return
    frame = predict_frame(run, samples.x)
    if samples.names:
        frame.insert(0, "file", samples.names, allow_duplicates=True)
    if out is None:
        show.raw(frame.to_csv(index=False))
    else:
        write_bytes(out, frame.to_csv(index=False).encode())
        show.message(f"{len(frame)} predictions in {out}")


def write_masks(run: gf.Run, samples: PredictInput, folder: Path) -> int:
    """Write the predicted mask of every image as a PNG file with the name of the image; return the number of masks."""
    from goodfit.data.reading.masks import encode

    assert run.preprocessing is not None
    names = [Path(name).with_suffix("").as_posix() for name in samples.names]
    names = names if len(set(names)) == len(names) else [*samples.names]  # a.png and a.jpg
    for start in range(0, len(samples.x), CHUNK):
        x = torch.from_numpy(run.preprocessing.transform(samples.x[start : start + CHUNK]))
        for number, mask in enumerate(run.predict(x), start):
            file = folder / f"{names[number] if names else f'row-{number}'}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, encode(mask, run.spec.classes))
    return len(samples.x)


def predict_frame(run: gf.Run, x: Any) -> pd.DataFrame:
    """Predict raw rows: a column named after the target and, for classification, the probability of every class."""
    import pandas as pd

    assert run.preprocessing is not None
    frames = []
    for start in range(0, max(1, len(x)), CHUNK):
        chunk = x.iloc[start : start + CHUNK] if isinstance(x, pd.DataFrame) else x[start : start + CHUNK]
        rows = torch.from_numpy(run.preprocessing.transform(chunk))
        if run.spec.task == "classification":
            probabilities = run.probabilities(rows)
            classes = [run.spec.classes[i] for i in probabilities.argmax(1)]
            frame = pd.DataFrame({run.spec.target: classes})
            frame = frame.assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(run.spec.classes)})
        else:
            frame = pd.DataFrame({run.spec.target: run.predict(rows)})
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
