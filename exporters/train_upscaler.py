"""Teach the upscaler what a render of twice the size has, and write assets/filters/upscaler.onnx.

::

    python -m exporters.train_upscaler [OUT.onnx] [--steps N] [--scenes FILE ...]

Vitrine renders pairs of the project's scenes (`exporters.frames`), from cameras of one seed before
black and before white, which gives them before any colour and their coverage; the network learns
from pieces of them. Then it is compared with cubic convolution on cameras of another seed and on
subjects that it has never seen; scene files that are named are compared too. One thread, no GPU:
some six minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from exporters.frames import (
    MADE_ROOMS,
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Image8,
    Subject,
    before,
    bicubic,
    captured,
    extremes,
    psnr,
    subject,
)
from exporters.training import TURNS, as_image, fit, turned, write_filter
from exporters.upscaler import Upscaler, multiply_adds
from pybuild import formats

OUT = Path(__file__).resolve().parents[1] / "assets" / "filters" / "upscaler.onnx"
SIZE = (320, 180)
"""Of the smaller frames of a pair, pixels."""
TAUGHT = ((TRAIN_SUBJECTS, 100, 32), (MADE_ROOMS, 200, 16))
"""Subjects, the seed of the first one's cameras, and how many there are of each."""
PIECE = 48
"""Pixels a side of what is learnt from at once."""
BATCH = 16
DULL = 0.2
"""Pieces whose error by cubic convolution is under this share of their frame's teach nothing."""
EASY = 0.5
"""Squared error, of 255: frames that cubic convolution misses by less count no more."""
RATE = 4e-3
SAVE = 5000
"""Steps between two files."""
IMAGE = {"channels": "rgbc"}


@dataclass(frozen=True, slots=True)
class Lessons:
    """What is learnt from.

    Attributes
    ----------
    low, high : (N, 2, h, w, 3), (N, 2, 2 h, 2 w, 3) uint8
        Frames before black and before white, as `extremes` gives them.
    own : (N, 3)
        The subjects' own backgrounds.
    """

    low: Image8
    high: Image8
    own: NDArray[np.float64]


def rendered() -> Lessons:
    """The frames of all subjects that are learnt from."""
    low, high, own = [], [], []
    for names, first_seed, views in TAUGHT:
        for k, name in enumerate(names):
            of = subject(name)
            small, large = extremes(of, views, SIZE, first_seed + k)
            low.append(small)
            high.append(large)
            own += [of.scene.background[:3]] * views
            print(f"{name}: {views} pairs", flush=True)
    return Lessons(np.concatenate(low), np.concatenate(high), np.array(own))


class Pieces:
    """Batches of pieces, mirrored and turned at random, before colours at random."""

    def __init__(self, given: Lessons, generator: torch.Generator) -> None:
        self.given = given
        self.generator = generator
        error = torch.stack([self._missed(k) for k in range(len(given.low))])
        missed = functional.avg_pool2d(error[:, None], 2 * PIECE, 8)[:, 0]
        whole = error.mean((1, 2)).clamp(min=EASY)
        self.weight = 255**2 / whole
        self.places = torch.nonzero(missed > DULL * whole[:, None, None])

    def _missed(self, k: int) -> Tensor:
        """Squared error of cubic convolution before the subject's own background: (2 h, 2 w)."""
        low, high = (
            before(images[k], self.given.own[k])[..., :3]
            for images in (self.given.low, self.given.high)
        )
        return torch.from_numpy(np.mean((bicubic(low) - high) ** 2, axis=2)).float()

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pieces (B, 4, PIECE, PIECE), what they are at twice the size, and weights (B,)."""
        low, high, weight = [], [], []
        chosen = torch.randint(len(self.places), (BATCH,), generator=self.generator)
        for k, row, column in self.places[chosen].tolist():
            turn, colour = self._luck(TURNS), self._colour(k)
            y, x = 4 * row, 4 * column
            low.append(turned(_piece(self.given.low[k], y, x, PIECE, colour), turn))
            high.append(turned(_piece(self.given.high[k], 2 * y, 2 * x, 2 * PIECE, colour), turn))
            weight.append(self.weight[k])
        return torch.stack(low), torch.stack(high)[:, :3], torch.stack(weight)

    def _luck(self, end: int) -> int:
        return int(torch.randint(end, (), generator=self.generator))

    def _colour(self, k: int) -> NDArray[np.float64]:
        """The subject's own once of eight times, white once."""
        some = torch.rand(3, generator=self.generator).double().numpy()
        luck = self._luck(8)
        return self.given.own[k] if luck == 0 else np.ones(3) if luck == 1 else some


def _piece(images: Image8, y: int, x: int, size: int, colour: NDArray[np.float64]) -> Tensor:
    """Part of an image before a colour: (4, size, size), 0 to 1."""
    part = before(images[:, y : y + size, x : x + size], colour)
    return torch.from_numpy(part / 255).permute(2, 0, 1).float()


def train(model: Upscaler, given: Lessons, steps: int, save: Callable[[], None]) -> None:
    """Learn, so that the mean of all frames' decibels rises: each counts by what cubic misses.

    ``save`` is called every `SAVE` steps and at the end.
    """
    pieces = Pieces(given, torch.Generator().manual_seed(2))
    print(f"{len(given.low)} pairs, {len(pieces.places)} places", flush=True)
    edge = 2 * model.margin

    def loss() -> Tensor:
        low, high, weight = pieces.batch()
        miss = model.inside(low) - high[:, :, edge:-edge, edge:-edge]
        return (miss.square().mean((1, 2, 3)) * weight).mean()

    fit(model, loss, steps, RATE, save, SAVE, told=1000)


def compare(model: Upscaler, of: Subject, seed: int) -> str:
    """A row of the table: mean decibels of cubic convolution and of the model."""
    cubic, made = [], []
    for low, high in zip(*extremes(of, 8, SIZE, seed), strict=True):
        small, large = (before(images, of.scene.background) for images in (low, high))
        cubic.append(psnr(bicubic(small[..., :3]), large[..., :3]))
        made.append(psnr(as_image(model, small).numpy(), large[..., :3]))
    gain = np.mean(made) - np.mean(cubic)
    return f"| {of.name} | {np.mean(cubic):.2f} | {np.mean(made):.2f} | {gain:+.2f} |"


def main() -> None:
    """Render, train, export, and tell what was reached."""
    parser = argparse.ArgumentParser(description="Train the upscaler on Vitrine's own renders.")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="OUT.onnx")
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--width", type=int, default=4, help="channels between layers")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], help="to compare with too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    given = rendered()
    model = Upscaler(arguments.width)
    print(f"{multiply_adds(model)} multiply-adds at a pixel of the smaller size", flush=True)

    def save() -> None:
        print(write_filter(model, arguments.out, "upscaled", 4, {"image": IMAGE}), flush=True)

    train(model, given, arguments.steps, save)
    print("| cameras not seen | cubic, dB | upscaler, dB | gain |\n|---|---:|---:|---:|")
    for name in TRAIN_SUBJECTS:
        print(compare(model, subject(name), 900), flush=True)
    print("| **scenes not seen** | | | |")
    for name in TEST_SUBJECTS:
        print(compare(model, subject(name), 900), flush=True)
    for path in arguments.scenes:
        print(compare(model, captured(path, formats.read), 900), flush=True)


if __name__ == "__main__":
    main()
