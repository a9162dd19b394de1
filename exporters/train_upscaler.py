"""Teach the upscaler what a render of twice the size has, and write assets/filters/upscaler.onnx.

::

    python -m exporters.train_upscaler [OUT.onnx] [--steps N] [--scenes FILE ...]

Vitrine renders pairs of the project's scenes (`exporters.frames`), from cameras of one seed before
several backgrounds; the network learns from pieces of them. Then it is compared with cubic
convolution on cameras of another seed and on subjects that it has never seen; scene files that are
named are compared too. One thread, no GPU: some ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from exporters.frames import (
    TEST_SUBJECTS,
    TRAIN_SUBJECTS,
    Image8,
    Subject,
    bicubic,
    captured,
    pairs,
    psnr,
    subject,
)
from exporters.training import TURNS, as_image, as_tensor, fit, turned, write_filter
from exporters.upscaler import Upscaler, multiply_adds
from pybuild import formats

OUT = Path(__file__).resolve().parents[1] / "assets" / "filters" / "upscaler.onnx"
SIZE = (320, 180)
"""Of the smaller frames of a pair, pixels."""
VIEWS, BACKGROUNDS = 32, 6
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
Pairs = Sequence[tuple[Image8, Image8]]


class Pieces:
    """Batches of pieces, mirrored and turned at random."""

    def __init__(self, given: Pairs, generator: torch.Generator) -> None:
        self.low = torch.stack([as_tensor(low) for low, _ in given])
        self.high = torch.stack([as_tensor(high) for _, high in given])
        self.generator = generator
        error = [
            np.mean((bicubic(low) - high.astype(np.float64)) ** 2, axis=2) for low, high in given
        ]
        missed = functional.avg_pool2d(torch.tensor(np.stack(error))[:, None], 2 * PIECE, 8)[:, 0]
        whole = torch.tensor([max(float(e.mean()), EASY) for e in error])
        self.weight = 255**2 / whole.float()
        self.places = torch.nonzero(missed > DULL * whole[:, None, None])

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        """Pieces (B, 3, PIECE, PIECE), what they are at twice the size, and weights (B,)."""
        chosen = torch.randint(len(self.places), (BATCH,), generator=self.generator)
        turns = torch.randint(TURNS, (BATCH,), generator=self.generator).tolist()
        low, high = [], []
        places = self.places[chosen].tolist()
        for (k, row, column), turn in zip(places, turns, strict=True):
            y, x = 4 * row, 4 * column
            low.append(turned(self.low[k, :, y : y + PIECE, x : x + PIECE], turn))
            rows, columns = slice(2 * y, 2 * (y + PIECE)), slice(2 * x, 2 * (x + PIECE))
            high.append(turned(self.high[k, :, rows, columns], turn))
        weight = self.weight[self.places[chosen, 0]]
        return torch.stack(low).float() / 255, torch.stack(high).float() / 255, weight


def train(model: Upscaler, given: Pairs, steps: int, save: Callable[[], None]) -> None:
    """Learn, so that the mean of all frames' decibels rises: each counts by what cubic misses.

    ``save`` is called every `SAVE` steps and at the end.
    """
    pieces = Pieces(given, torch.Generator().manual_seed(2))
    print(f"{len(given)} pairs, {len(pieces.places)} places for pieces", flush=True)
    edge = 2 * model.margin

    def loss() -> Tensor:
        low, high, weight = pieces.batch()
        miss = (model(low) - high)[:, :, edge:-edge, edge:-edge]
        return (miss.square().mean((1, 2, 3)) * weight).mean()

    fit(model, loss, steps, RATE, save, SAVE, told=1000)


def compare(model: Upscaler, of: Subject, seed: int) -> str:
    """A row of the table: mean decibels of cubic convolution and of the model."""
    given = pairs(of, 8, SIZE, seed)
    cubic = np.mean([psnr(bicubic(low), high) for low, high in given])
    made = np.mean([psnr(as_image(model, low).numpy(), high) for low, high in given])
    return f"| {of.name} | {cubic:.2f} | {made:.2f} | {made - cubic:+.2f} |"


def main() -> None:
    """Render, train, export, and tell what was reached."""
    parser = argparse.ArgumentParser(description="Train the upscaler on Vitrine's own renders.")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="OUT.onnx")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--width", type=int, default=8, help="channels between layers")
    parser.add_argument("--scenes", type=Path, nargs="*", default=[], help="to compare with too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    subjects = [subject(name) for name in TRAIN_SUBJECTS]
    given: list[tuple[Image8, Image8]] = []
    for k, of in enumerate(subjects):
        given += pairs(of, VIEWS, SIZE, 100 + k, BACKGROUNDS)
        print(f"{of.name}: {VIEWS} pairs", flush=True)
    model = Upscaler(arguments.width)
    print(f"{multiply_adds(model)} multiply-adds at a pixel of the smaller size", flush=True)

    def save() -> None:
        print(write_filter(model, arguments.out, "upscaled"), flush=True)

    train(model, given, arguments.steps, save)
    print("| cameras not seen | cubic, dB | upscaler, dB | gain |\n|---|---:|---:|---:|")
    for of in subjects:
        print(compare(model, of, 900), flush=True)
    print("| **scenes not seen** | | | |")
    for name in TEST_SUBJECTS:
        print(compare(model, subject(name), 900), flush=True)
    for path in arguments.scenes:
        print(compare(model, captured(path, formats.read), 900), flush=True)


if __name__ == "__main__":
    main()
