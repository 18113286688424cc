"""Samples beside what augmentation makes of them, as a page can hold it: pictures, sounds, words, tables, charts."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.data.reading.images import encode, encode_clip, tile
from goodfit.recipe import Recipe
from goodfit.report.mask_overlay import mask_legend, overlay_mask
from goodfit.report.page import SampleGallery, SampleView
from goodfit.report.series_charts import series_gallery
from goodfit.report.table_diff import table_gallery
from goodfit.train.batched import seen, targets
from goodfit.train.variants import asked, examples, variants, with_targets
from goodfit.types import Array

PLAYED = 8000
"""Samples per second at which sounds of an unknown rate are played."""
QUIET = 60.0
"""Decibels below the loudest at which a spectrogram is black."""


def sample_galleries(
    split: Split, recipe: Recipe, count: int = 12, samples: int = 1, seed: int = 0
) -> tuple[SampleGallery, ...]:
    """Some training samples, of different classes, each with variants of it.

    Raises:
        InputError: a recipe without augmentations, or one that does not fit the data.
        MissingExtra: pillow is not there.
    """
    preview, rows = split.spec.inputs.data_kind.preview, examples(split, samples)
    if preview in COMPARED:
        asked(split, recipe, count, rows)
        in_batches, before = seen(split, recipe, count, rows, seed), targets(split, rows)
        several = zip(rows, in_batches.x, in_batches.y, before, strict=True)
        return tuple(COMPARED[preview](split, row, _label(split, row), (x, y), old) for row, x, y, old in several)
    if split.spec.task == "segmentation":
        return tuple(_masked(split, recipe, count, rows, seed))
    show, made = VIEWS[preview], variants(split, recipe, count, rows, seed)
    found = []
    for row, several in zip(rows, made, strict=True):
        raw = split.train.x[row]
        shown = tuple(show(split, one, raw) for one in several)
        found.append(SampleGallery(_label(split, row), show(split, raw, None), shown))
    return tuple(found)


def write_contact_sheet(
    split: Split, recipe: Recipe, path: Path, count: int = 12, samples: int = 1, seed: int = 0
) -> None:
    """The same as one PNG file, where there are pictures: a row per sample, which stands in front."""
    draw = PICTURES.get(split.spec.inputs.data_kind.preview)
    if draw is None:
        return
    rows = examples(split, samples)
    if split.spec.task == "segmentation":
        pictured = _pictured(split, recipe, count, rows, seed)
        path.write_bytes(encode(tile([[raw, *several] for _, raw, several in pictured])))
        return
    made = variants(split, recipe, count, rows, seed)
    whole = torch.cat([split.train.x[rows].unsqueeze(1), made], 1)  # (sample, 1 + variant, …)
    path.write_bytes(encode(tile([[draw(split, one) for one in row] for row in whole])))


def pixels(split: Split, sample: Tensor) -> Array:
    """A sample as it was before preprocessing, in 256 shades: (channel, …, height, width)."""
    shades = (split.spec.inputs.unit(sample) * 255).round().clamp(0, 255)
    return shades.to(torch.uint8).cpu().numpy()


def middle_frame(split: Split, sample: Tensor) -> Array:
    """The middle frame of a clip in 256 shades: (channel, height, width)."""
    return pixels(split, sample[..., sample.shape[-3] // 2, :, :])


def spectrogram(split: Split, sample: Tensor, rows: int = 64) -> Array:
    """A sound's loudness over time (to the right) and frequency (upwards) in 256 shades: (1, height, width)."""
    window = 2 * rows
    x = torch.nn.functional.pad(sample.float().mean(0), (rows, rows))
    power = torch.stft(x, window, rows, window=torch.hann_window(window), center=False, return_complex=True).abs()
    decibels = 20 * (power / power.max().clamp_min(1e-9)).clamp_min(1e-9).log10()
    shades = ((1 + decibels / QUIET).clamp(0, 1) * 255).round().to(torch.uint8)
    return shades[1:].flip(0)[None].cpu().numpy()


def _masked(split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int) -> Iterator[SampleGallery]:
    """Images tinted by their masks."""
    for row, raw, several in _pictured(split, recipe, count, rows, seed):
        first, *others = (SampleView(picture=_address("image/png", encode(one))) for one in (raw, *several))
        yield SampleGallery(_label(split, row), first, tuple(others), note=mask_legend(split.spec.classes))


def _pictured(
    split: Split, recipe: Recipe, count: int, rows: Sequence[int], seed: int
) -> Iterator[tuple[int, Array, list[Array]]]:
    """Each row with its image and the variants of it, tinted."""
    train, (x, y) = split.train, with_targets(split, recipe, count, rows, seed)
    for row, images, masks in zip(rows, x, y, strict=True):
        made = [overlay_mask(pixels(split, image), mask) for image, mask in zip(images, masks, strict=True)]
        yield row, overlay_mask(pixels(split, train.x[row]), train.y[row]), made


def _picture(split: Split, sample: Tensor, raw: Tensor | None) -> SampleView:
    shades = pixels(split, sample)
    if shades.ndim == 4:
        return SampleView(picture=_address("image/gif", encode_clip(shades)))
    return SampleView(picture=_address("image/png", encode(shades)))


def _sound(split: Split, sample: Tensor, raw: Tensor | None) -> SampleView:
    inputs, file = split.spec.inputs, io.BytesIO()
    swings = sample.float().mean(0) / max(abs(inputs.low), abs(inputs.high))
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(inputs.rate or PLAYED)
        writer.writeframes((swings.clamp(-1, 1) * 32767).round().cpu().numpy().astype("<i2").tobytes())
    picture = _address("image/png", encode(spectrogram(split, sample)))
    return SampleView(picture=picture, sound=_address("audio/wav", file.getvalue()))


def _words(split: Split, sample: Tensor, raw: Tensor | None) -> SampleView:
    known = split.spec.inputs.words
    assert known is not None
    before, after = (known.decode(ids.tolist()) for ids in (sample if raw is None else raw, sample))
    return SampleView(words=tuple(_marked(before, after)))


def _marked(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Words with what became of them: same, gone or new."""
    for what, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            yield from ((word, "same") for word in before[a:b])
        else:
            yield from ((word, "gone") for word in before[a:b])
            yield from ((word, "new") for word in after[c:d])


_Show = Callable[[Split, Tensor, Tensor | None], SampleView]
VIEWS: dict[str, _Show] = {"picture": _picture, "clip": _picture, "spectrogram": _sound, "words": _words}
"""A data kind's preview → the function that shows a sample: of the split, the sample, and the original sample."""
PICTURES: dict[str, Callable[[Split, Tensor], Array]] = {
    "picture": pixels, "clip": middle_frame, "spectrogram": spectrogram,
}  # fmt: skip
"""A data kind's preview → the function that draws a sample for the contact sheet."""
COMPARED = {"rows": table_gallery, "lines": series_gallery}
"""A data kind's preview → the function that shows a sample next to its variants."""


def _label(split: Split, row: int) -> str:
    y, where = split.train.y[row], f"row {split.train.rows[row]}"
    return f"{split.spec.classes[int(y)]}, {where}" if split.spec.classes and y.ndim == 0 else where


def _address(kind: str, made: bytes) -> str:
    """A data: address that holds the thing itself."""
    return f"data:{kind};base64,{base64.b64encode(made).decode()}"
