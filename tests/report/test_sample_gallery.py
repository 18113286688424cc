"""Galleries of samples and variants: pixels, sounds, words, the contact sheet, and the section of a report."""

from __future__ import annotations

import base64
import io
import re
import wave
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from goodfit.data import Clips, Sounds, Split, load
from goodfit.recipe import Recipe
from goodfit.report import write_report, write_variants
from goodfit.report.sample_gallery import pixels, sample_galleries, spectrogram
from goodfit.train.config import Training
from goodfit.train.fit import fit


def picture(address: str) -> np.ndarray:
    kind, data = address.removeprefix("data:image/").split(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format is not None
    assert image.format.lower() == kind
    return np.asarray(image)


def test_the_first_picture_equals_the_sample(image_split: Split) -> None:
    (one, other) = sample_galleries(image_split, Recipe.of("horizontal_flip=1.0"), count=2, samples=2)
    for gallery, row in ((one, 0), (other, 1)):
        expected = pixels(image_split, image_split.train.x[row]).transpose(1, 2, 0)
        assert np.array_equal(picture(gallery.original.picture), expected)
        assert all(np.array_equal(picture(v.picture), expected[:, ::-1]) for v in gallery.variants)
    assert re.fullmatch(r"[012], row \d+", one.label)


def test_pixels_equal_those_of_the_file() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 3)).astype(np.uint8)
    split = load((shades, np.arange(40) % 2)).split()
    row = int(split.train.rows[3])
    assert np.array_equal(pixels(split, split.train.x[3]), shades[row].transpose(2, 0, 1))


def test_clips_are_animated() -> None:
    clips = np.random.default_rng(0).integers(0, 256, (40, 4, 6, 6)).astype(np.uint8)
    split = load((clips, np.arange(40) % 2), options=Clips()).split()
    (gallery,) = sample_galleries(split, Recipe.of("vertical_flip=1.0"), count=1)
    data = base64.b64decode(gallery.original.picture.split(",")[1])
    assert Image.open(io.BytesIO(data)).n_frames == 4  # type: ignore[attr-defined]


def test_page_and_contact_sheet(image_split: Split, tmp_path: Path) -> None:
    path = write_variants(image_split, Recipe.of("rotation=20"), tmp_path / "new" / "augment.html", count=3, samples=2)
    text = path.read_text(encoding="utf-8")
    assert text.count("<img") == 2 * 4
    assert "rotation=20.0" in text
    assert "http" not in re.sub(r'"data:[^"]*"', "", text)
    with Image.open(path.with_suffix(".png")) as sheet:
        assert sheet.size == (4 * 68 + 4 + 8, 2 * 68 + 4)  # eight pixels are enlarged to 64, with gaps of 4


def test_sounds_have_audio_and_a_spectrogram(sound_split: Split) -> None:
    (gallery,) = sample_galleries(sound_split, Recipe.of("polarity=1.0"), count=1)
    heard = []
    for one in (gallery.original, gallery.variants[0]):
        with wave.open(io.BytesIO(base64.b64decode(one.sound.split(",")[1]))) as file:
            assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 256)
            heard.append(np.frombuffer(file.readframes(256), "<i2").astype(int))
    assert np.array_equal(heard[0], -heard[1])
    loudest = max(abs(sound_split.spec.inputs.low), abs(sound_split.spec.inputs.high))
    np.testing.assert_allclose(heard[0] / 32767, sound_split.train.x[0, 0] / loudest, atol=1e-4)
    assert np.array_equal(picture(gallery.original.picture), picture(gallery.variants[0].picture))


def test_silent_data_has_silent_sounds() -> None:
    split = load((np.zeros((40, 1, 64)), np.arange(40) % 2), options=Sounds()).split()
    (gallery,) = sample_galleries(split, Recipe.of("gain=3"), count=1)
    with wave.open(io.BytesIO(base64.b64decode(gallery.original.sound.split(",")[1]))) as file:
        assert set(file.readframes(64)) == {0}


def test_a_spectrogram_shows_a_tone_at_its_frequency(sound_split: Split) -> None:
    tone = torch.sin(2 * torch.pi * torch.arange(2048) / 8)[None]  # a quarter of the Nyquist frequency
    shades = spectrogram(sound_split, tone)[0]
    assert shades.shape[0] == 64
    assert set(shades[:, 5:-5].argmax(0).tolist()) <= {47, 48}  # counted from above


def test_removed_words_are_marked(text_split: Split) -> None:
    (gallery,) = sample_galleries(text_split, Recipe.of("random_deletion=0.5"), count=6)
    assert {mark for _, mark in gallery.original.words} == {"same"}
    original = [word for word, _ in gallery.original.words]
    for variant in gallery.variants:
        assert [word for word, mark in variant.words if mark != "added"] == original
    assert any(mark == "removed" for variant in gallery.variants for _, mark in variant.words)


def test_a_report_shows_augmented_samples(image_split: Split, tmp_path: Path) -> None:
    recipe = "rotation=20, class_balance(augment='repeats')"
    run = fit("mlp:4", image_split, recipe, Training(epochs=1), progress=False)
    text = write_report(run, tmp_path / "report.html", data=image_split).read_text(encoding="utf-8")
    assert "Augmented samples" in text
    assert text.count("<img") == 3 * 13
    assert "0 32 → 32, 1 32 → 32, 2 32 → 32" in text
    plain = fit("mlp:4", image_split, "l2=0.1", Training(epochs=1), progress=False)
    assert "<img" not in write_report(plain, tmp_path / "plain.html", data=image_split).read_text(encoding="utf-8")
    assert "<img" not in write_report(run, tmp_path / "other.html").read_text(encoding="utf-8")
