"""Show training samples with augmented variants: as pictures, sounds, words, tables or charts."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import torch
from torch import Tensor

from goodfit.augmentation.preview import (
    check_preview,
    example_rows,
    targets,
    variants,
    variants_in_batches,
    variants_with_targets,
)
from goodfit.data import Split
from goodfit.data.reading.images import encode, encode_clip, tile
from goodfit.recipe import Recipe
from goodfit.report.mask_overlay import mask_legend, overlay_mask
from goodfit.report.page import SampleGallery, SampleView
from goodfit.report.series_charts import series_gallery
from goodfit.report.table_diff import table_gallery
from goodfit.types import Array

DEFAULT_RATE = 8000
"""Samples per second of a sound whose rate is not known."""
DYNAMIC_RANGE = 60.0
"""Decibels below the loudest point at which a spectrogram is black."""


def sample_galleries(
    split: Split, recipe: Recipe, count: int = 12, samples: int = 1, seed: int = 0
) -> tuple[SampleGallery, ...]:
    """Return training samples, of different classes if possible, each with `count` variants.

    Raises:
        InputError: the recipe has no augmentation, or does not fit the data.
        MissingExtra: Pillow is not installed.
    """
    preview, rows = split.spec.inputs.data_kind.preview, example_rows(split, samples)
    if preview in BATCH_GALLERIES:
        check_preview(split, recipe, count, rows)
        augmented, originals = variants_in_batches(split, recipe, count, rows, seed), targets(split, rows)
        per_row = zip(rows, augmented.x, augmented.y, originals, strict=True)
        gallery = BATCH_GALLERIES[preview]
        return tuple(gallery(split, row, _label(split, row), (x, y), old) for row, x, y, old in per_row)
    if split.spec.task == "segmentation":
        return tuple(_mask_galleries(split, recipe, count, rows, seed))
    view, galleries = VIEWS[preview], []
    for row, augmented_row in zip(rows, variants(split, recipe, count, rows, seed), strict=True):
        raw = split.train.x[row]
        views = tuple(view(split, sample, raw) for sample in augmented_row)
        galleries.append(SampleGallery(_label(split, row), view(split, raw, None), views))
    return tuple(galleries)


def write_contact_sheet(
    split: Split, recipe: Recipe, path: Path, count: int = 12, samples: int = 1, seed: int = 0
) -> None:
    """Write a PNG file with one row per sample: the original, then its variants. Nothing for tables, series, texts."""
    draw = PICTURES.get(split.spec.inputs.data_kind.preview)
    if draw is None:
        return
    rows = example_rows(split, samples)
    if split.spec.task == "segmentation":
        pictures = _masked_images(split, recipe, count, rows, seed)
        path.write_bytes(encode(tile([[original, *augmented] for _, original, augmented in pictures])))
        return
    augmented = variants(split, recipe, count, rows, seed)
    x = torch.cat([split.train.x[rows].unsqueeze(1), augmented], 1)  # (sample, 1 + variant, …)
    path.write_bytes(encode(tile([[draw(split, sample) for sample in row] for row in x])))


def pixels(split: Split, sample: Tensor) -> Array:
    """Return an image or clip as it was before preprocessing: (channel, …, height, width) uint8."""
    shades = (split.spec.inputs.unit(sample) * 255).round().clamp(0, 255)
    return shades.to(torch.uint8).cpu().numpy()


def middle_frame(split: Split, sample: Tensor) -> Array:
    """The middle frame of a clip in 256 shades: (channel, height, width)."""
    return pixels(split, sample[..., sample.shape[-3] // 2, :, :])


def spectrogram(split: Split, sample: Tensor, rows: int = 64) -> Array:
    """Return the loudness of a sound over time (x axis) and frequency (y axis): (1, height, width) uint8."""
    window = 2 * rows
    x = torch.nn.functional.pad(sample.float().mean(0), (rows, rows))
    power = torch.stft(x, window, rows, window=torch.hann_window(window), center=False, return_complex=True).abs()
    decibels = 20 * (power / power.max().clamp_min(1e-9)).clamp_min(1e-9).log10()
    shades = ((1 + decibels / DYNAMIC_RANGE).clamp(0, 1) * 255).round().to(torch.uint8)
    return shades[1:].flip(0)[None].cpu().numpy()


def _mask_galleries(
    split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int
) -> Iterator[SampleGallery]:
    for row, original, augmented in _masked_images(split, recipe, count, rows, seed):
        first, *views = (SampleView(picture=_data_url("image/png", encode(image))) for image in (original, *augmented))
        yield SampleGallery(_label(split, row), first, tuple(views), note=mask_legend(split.spec.classes))


def _masked_images(
    split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int
) -> Iterator[tuple[int, Array, list[Array]]]:
    """Yield each row with its image and the augmented images, all with their masks drawn over them."""
    train, (x, y) = split.train, variants_with_targets(split, recipe, count, rows, seed)
    for row, images, masks in zip(rows, x, y, strict=True):
        augmented = [overlay_mask(pixels(split, image), mask) for image, mask in zip(images, masks, strict=True)]
        yield row, overlay_mask(pixels(split, train.x[row]), train.y[row]), augmented


def _picture(split: Split, sample: Tensor, original: Tensor | None) -> SampleView:
    shades = pixels(split, sample)
    if shades.ndim == 4:
        return SampleView(picture=_data_url("image/gif", encode_clip(shades)))
    return SampleView(picture=_data_url("image/png", encode(shades)))


def _sound(split: Split, sample: Tensor, original: Tensor | None) -> SampleView:
    inputs, file = split.spec.inputs, io.BytesIO()
    waveform = sample.float().mean(0) / max(abs(inputs.low), abs(inputs.high))  # `Inputs` refuses low = high = 0
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(inputs.rate or DEFAULT_RATE)
        writer.writeframes((waveform.clamp(-1, 1) * 32767).round().cpu().numpy().astype("<i2").tobytes())
    picture = _data_url("image/png", encode(spectrogram(split, sample)))
    return SampleView(picture=picture, sound=_data_url("audio/wav", file.getvalue()))


def _words(split: Split, sample: Tensor, original: Tensor | None) -> SampleView:
    vocabulary = split.spec.inputs.words
    assert vocabulary is not None
    before, after = (vocabulary.decode(ids.tolist()) for ids in (sample if original is None else original, sample))
    return SampleView(words=tuple(_word_diff(before, after)))


def _word_diff(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each word with "same", "removed" or "added"."""
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from ((word, "same") for word in before[a:b])
        else:
            yield from ((word, "removed") for word in before[a:b])
            yield from ((word, "added") for word in after[c:d])


_View = Callable[[Split, Tensor, Tensor | None], SampleView]
VIEWS: dict[str, _View] = {"picture": _picture, "clip": _picture, "spectrogram": _sound, "words": _words}
"""Preview → function that shows a sample, from the split, the sample and the original (None for the original)."""
PICTURES: dict[str, Callable[[Split, Tensor], Array]] = {
    "picture": pixels, "clip": middle_frame, "spectrogram": spectrogram,
}  # fmt: skip
"""Preview → function that draws a sample for the contact sheet."""
BATCH_GALLERIES = {"rows": table_gallery, "lines": series_gallery}
"""Preview → function that shows a sample with its variants, augmented within a batch."""


def _label(split: Split, row: int) -> str:
    y, label = split.train.y[row], f"row {split.train.rows[row]}"
    return f"{split.spec.classes[int(y)]}, {label}" if split.spec.classes and y.ndim == 0 else label


def _data_url(media_type: str, content: bytes) -> str:
    """Return a data: URL that holds the content."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
