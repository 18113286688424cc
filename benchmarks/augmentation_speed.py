"""Compare the speed of augmentation with Kornia, audiomentations and per-sample pipelines, in samples per second.

Images: flip, rotation by up to 15°, zoom by up to 20 %, shift by up to 10 %, brightness by up to 20 %, and erasing.
Sounds: shift, gain, noise, polarity and a low-pass filter, and separately pitch, on one second at 8 kHz. Texts (SMS):
synonyms, deletion, insertion and swap. All run in one process, in alternating rounds, each in its fastest form.
Libraries that are not installed are skipped with a message.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tables
import torch
from torch import Tensor

import goodfit as gf
from goodfit.data import Inputs
from goodfit.recipe import Recipe
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

SIZES = ((1, 28, 28), (3, 64, 64))
RECIPE = "horizontal_flip=0.5, rotation=15.0, zoom=0.2, shift=0.1, brightness=0.2, cut_out(size=0.25, p=0.5)"
CHAIN = "sound_shift=0.1, gain=6.0, sound_noise=0.5, polarity=0.5, filtering=0.5"
PITCH = "pitch=4.0"
WORDS = "synonyms=0.1, random_deletion=0.1, random_insertion=0.1, random_swap=0.1"
RATE, LENGTH = 8000, 8000
Work = Callable[[], object]
Peers = dict[str, Callable[[Tensor], Work]]


def goodfit(samples: Tensor, recipe: str = RECIPE, inputs: Inputs | None = None) -> Work:
    """Apply a recipe as the trainers do."""
    context = StepContext(torch.Generator().manual_seed(0))
    augmenter = BatchAugmenter(Recipe.of(recipe), context, inputs or Inputs("image"), ())
    y = torch.zeros(len(samples))
    return lambda: augmenter(samples, y)


def kornia(images: Tensor) -> Work:
    """Kornia's container with the same operations on the whole batch; one affine operation replaces three of ours."""
    import kornia.augmentation as K

    chain = K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomAffine(degrees=15.0, translate=(0.1, 0.1), scale=(0.83, 1.2), p=1.0),
        K.RandomBrightness((0.8, 1.2), p=1.0),
        K.RandomErasing(scale=(0.04, 0.08), ratio=(1.0, 1.0), p=0.5),
    )
    return lambda: chain(images)


def kornia_separate(images: Tensor) -> Work:
    """The same with separate operations for rotation, zoom and shift, as users usually write them."""
    import kornia.augmentation as K

    chain = K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomRotation(15.0, p=1.0),
        K.RandomAffine(0.0, scale=(0.83, 1.2), p=1.0),
        K.RandomAffine(0.0, translate=(0.1, 0.1), p=1.0),
        K.RandomBrightness((0.8, 1.2), p=1.0),
        K.RandomErasing(scale=(0.04, 0.08), ratio=(1.0, 1.0), p=0.5),
    )
    return lambda: chain(images)


def torchvision(images: Tensor) -> Work:
    """torchvision's transforms applied to one sample at a time, as in a data set's `__getitem__`."""
    from torchvision.transforms import v2

    chain = v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(15.0, translate=(0.1, 0.1), scale=(0.83, 1.2), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(brightness=0.2),
            v2.RandomErasing(0.5, scale=(0.04, 0.08), ratio=(1.0, 1.0)),
        ]
    )
    return lambda: torch.stack([chain(image) for image in images])


def pillow(images: Tensor) -> Work:
    """The same operations in Pillow, one sample at a time: one affine transform, brightness, a black square."""
    from PIL import Image, ImageEnhance

    rows = (images * 255).to(torch.uint8).movedim(1, -1).numpy()
    pictures = [Image.fromarray(row[..., 0] if row.shape[-1] == 1 else row) for row in rows]
    draw, (height, width) = random.Random(0), rows.shape[1:3]

    def one(image: Image.Image) -> Tensor:
        if draw.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        angle, zoom = np.deg2rad(draw.uniform(-15, 15)), 1.2 ** draw.uniform(-1, 1)
        cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
        x, y = draw.uniform(-0.1, 0.1) * width, draw.uniform(-0.1, 0.1) * height
        cx, cy = width / 2, height / 2
        data = (cos, -sin, cx - cos * (cx + x) + sin * (cy + y), sin, cos, cy - sin * (cx + x) - cos * (cy + y))
        image = image.transform(image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)
        image = ImageEnhance.Brightness(image).enhance(draw.uniform(0.8, 1.2))
        if draw.random() < 0.5:
            side = min(height, width) // 4
            left, top = draw.randrange(width), draw.randrange(height)
            image.paste(0 if image.mode == "L" else (0, 0, 0), (left, top, left + side, top + side))
        return torch.from_numpy(np.array(image)).float() / 255

    return lambda: torch.stack([one(picture) for picture in pictures])


def audiomentations(samples: Tensor) -> Work:
    """audiomentations' chain applied to one array at a time, as its documentation shows."""
    import audiomentations as A

    chain = A.Compose(
        [
            A.Shift(-0.1, 0.1, p=1.0),
            A.Gain(-6.0, 6.0, p=1.0),
            A.AddGaussianSNR(min_snr_db=10.0, max_snr_db=40.0, p=0.5),
            A.PolarityInversion(p=0.5),
            A.LowPassFilter(500.0, 3500.0, p=0.5),
        ]
    )
    rows = samples[:, 0].numpy()
    return lambda: np.stack([chain(row, sample_rate=RATE) for row in rows])


def audiomentations_pitch(samples: Tensor) -> Work:
    """audiomentations' pitch shift."""
    import audiomentations as A

    shift, rows = A.PitchShift(-4.0, 4.0, p=1.0), samples[:, 0].numpy()
    return lambda: np.stack([shift(row, sample_rate=RATE) for row in rows])


IMAGES: Peers = {
    "goodfit": goodfit,
    "Kornia, one affine operation": kornia,
    "Kornia, separate operations": kornia_separate,
    "torchvision v2, per sample": torchvision,
    "Pillow, per sample": pillow,
}
SOUND = Inputs("sound", -1.0, 1.0, rate=RATE)
SOUNDS: Peers = {"goodfit": lambda x: goodfit(x, CHAIN, SOUND), "audiomentations, per sample": audiomentations}
PITCHES: Peers = {"goodfit": lambda x: goodfit(x, PITCH, SOUND), "audiomentations, per sample": audiomentations_pitch}


def seconds_per_call(work: Work, minimum: float) -> float:
    """Mean seconds per call, over calls that take at least `minimum` seconds together."""
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < minimum:
        work()
        count += 1
    return (time.perf_counter() - begun) / count


def compare(what: str, samples: Tensor, peers: Peers, rounds: int, minimum: float) -> Iterator[str]:
    """The table rows for one kind of samples."""
    works: dict[str, Work] = {}
    seconds: dict[str, list[float]] = {}
    for name, make in peers.items():
        try:
            works[name] = make(samples)
            works[name]()
        except (ImportError, RuntimeError, OSError) as error:
            print(f"skipped {name}: {str(error).splitlines()[0]}", flush=True)
            works.pop(name, None)
    for number in range(rounds):
        for name, work in works.items():
            seconds.setdefault(name, []).append(seconds_per_call(work, minimum))
            print(f"round {number + 1}  {what} {name}: {len(samples) / seconds[name][-1]:,.0f} per second", flush=True)
    for name, spent in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(spent, seconds["goodfit"], strict=True))
        yield f"| {what} | {name} | {len(samples) / statistics.median(spent):,.0f} | {ratio:.1f}× |"


def messages(data: Path) -> tuple[Tensor, Inputs]:
    """Short messages as word indices."""
    split = gf.load(data / "text" / "sms_spam.csv.gz", "label", gf.Texts(column="text")).split()
    return split.train.x[:2048], split.spec.inputs


def table_rows(batch: int, data: Path | None, rounds: int, minimum: float) -> Iterator[str]:
    """All rows of the table."""
    drawing = torch.Generator().manual_seed(0)
    for shape in SIZES:
        name = "images " + " × ".join(map(str, shape))
        yield from compare(name, torch.rand(batch, *shape, generator=drawing), IMAGES, rounds, minimum)
    waves = torch.randn(batch, 1, LENGTH, generator=drawing).mul_(0.2).clamp_(-1, 1)
    yield from compare("sounds of 1 s, chain", waves, SOUNDS, rounds, minimum)
    yield from compare("sounds of 1 s, pitch", waves, PITCHES, rounds, minimum)
    if data is not None:
        texts, inputs = messages(data)
        for size in (batch, len(texts)):
            peers: Peers = {"goodfit": lambda x: goodfit(x, WORDS, inputs)}
            yield from compare(f"messages in batches of {size}", texts[:size], peers, rounds, minimum)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--batch", type=int, default=128, help="samples per batch")
    parser.add_argument("--threads", type=int, default=2, help="number of threads for every library")
    parser.add_argument(
        "--data", type=Path, help="folder that contains text/sms_spam.csv.gz; without it texts are skipped"
    )
    parser.add_argument("--markdown", type=Path, help="file in which the table between the markers is replaced")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rounds, minimum = (1, 0.2) if options.quick else (7, 1.0)
    rows = list(table_rows(options.batch, options.data, rounds, minimum))
    about = (
        f"Samples per second, batches of {options.batch}. Images: `{RECIPE}`; sounds: `{CHAIN}`, `{PITCH}`; messages: "
        f"`{WORDS}`. The last column: time relative to goodfit, the median of the ratios within each of {rounds} "
        "alternating rounds."
    )
    head = "| samples | library | per second | relative time |\n| --- | --- | --- | --- |"
    packages = ("torch", "kornia", "torchvision", "pillow", "audiomentations")
    text = "\n\n".join([tables.machine(options.threads, packages), about, "\n".join([head, *rows])])
    print(text)
    if options.markdown:
        tables.write(options.markdown, "speed", text, kind="augment")


if __name__ == "__main__":
    main()
