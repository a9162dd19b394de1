"""Teach the network to paint as the algorithm does, and write assets/filters/painting.onnx.

::

    python -m exporters.train_painting [OUT.onnx] [--steps N] [--pictures FOLDER]

Vitrine renders the project's scenes (`exporters.frames`) before several backgrounds, the algorithm
(`exporters.painting.paint`) paints them, and the network learns from pieces of both. Then the two
are compared on cameras of another seed and on subjects that it has never seen. One thread, no GPU:
some ten minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from exporters.frames import Image8, Subject, cameras, colours, frames, psnr, subject
from exporters.painting import Painting, multiply_adds, paint
from exporters.training import TURNS, as_image, as_tensor, fit, turned, write_filter

OUT = Path(__file__).resolve().parents[1] / "assets" / "filters" / "painting.onnx"
SUBJECTS = (
    "bell-jar", "bell-jar-coarse", "scaffold", "room-1", "room-2", "cloth", "jellyfish", "avatar",
)  # fmt: skip
UNSEEN = ("pond", "room-4")
SIZE = (640, 360)
"""Of the frames, pixels."""
VIEWS, BACKGROUNDS = 12, 4
PIECE = 64
"""Pixels a side of what is painted at once."""
BATCH = 12
DULL = 0.01
"""Pieces whose pixels differ by less on average, of 1, are drawn a tenth as often."""
EDGES = 0.5
"""What differences of neighbouring pixels count beside the pixels."""
RATE = 3e-3
SAVE = 1000
"""Steps between two files."""


class Pieces:
    """Batches of pieces, mirrored and turned at random."""

    def __init__(self, given: list[Image8], margin: int, generator: torch.Generator) -> None:
        self.shown = torch.stack([as_tensor(image) for image in given])
        self.painted = torch.stack([painted(image) for image in self.shown])
        self.margin, self.generator = margin, generator
        self.side = PIECE + 2 * margin

    def batch(self) -> tuple[Tensor, Tensor]:
        """Pieces (B, 3, PIECE + 2 margin, ...) and what they are painted, (B, 3, PIECE, PIECE)."""
        shown: list[Tensor] = []
        wanted: list[Tensor] = []
        while len(shown) < BATCH:
            k, y, x, turn, luck = self._drawn()
            piece = self.shown[k, :, y : y + self.side, x : x + self.side].float() / 255
            if luck and float(piece.std((1, 2)).mean()) < DULL:
                continue
            shown.append(turned(piece, turn))
            rows = slice(y + self.margin, y + self.margin + PIECE)
            columns = slice(x + self.margin, x + self.margin + PIECE)
            wanted.append(turned(self.painted[k, :, rows, columns].float() / 255, turn))
        return torch.stack(shown), torch.stack(wanted)

    def _drawn(self) -> list[int]:
        """Frame, row, column, turn, and whether (nine times of ten) it must not be dull."""
        count, _, height, width = self.shown.shape
        ends = (count, height - self.side + 1, width - self.side + 1, TURNS, 10)
        return [int(torch.randint(end, (), generator=self.generator)) for end in ends]


def painted(image: Tensor) -> Tensor:
    """What the algorithm makes of an image, both (3, H, W) uint8."""
    made = paint(image[None].float() / 255)[0]
    return (255 * made.clamp(0, 1)).round().to(torch.uint8)


def train(model: Painting, given: list[Image8], steps: int, save: Callable[[], None]) -> None:
    """Learn; ``save`` is called every `SAVE` steps and at the end."""
    pieces = Pieces(given, model.margin, torch.Generator().manual_seed(2))

    def loss() -> Tensor:
        shown, wanted = pieces.batch()
        miss = model.inside(shown) - wanted
        total = miss.abs().mean()
        for axis in (2, 3):
            total = total + EDGES * miss.diff(dim=axis).abs().mean()
        return total

    fit(model, loss, steps, RATE, save, SAVE, told=250)


def shots(of: Subject, count: int, seed: int, backgrounds: int = 0) -> list[Image8]:
    """Frames before its own background, and before white and others where some are asked for."""
    views = cameras(of, count, SIZE, seed)
    return list(frames(of, views, colours(backgrounds, seed)))


def compare(model: Painting, of: Subject, seed: int, pictures: Path | None) -> str:
    """A row of the table: mean decibels to what the algorithm paints, of the frames and of it."""
    rows, before, after = [], [], []
    for image in shots(of, 4, seed):
        wanted = painted(as_tensor(image)).permute(1, 2, 0).numpy()
        shown = as_image(model, image).round().to(torch.uint8).numpy()
        before.append(psnr(image, wanted))
        after.append(psnr(shown, wanted))
        rows.append(np.concatenate([image, wanted, shown], axis=1))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate(rows)).save(pictures / f"painting_{of.name}.png")
    return f"| {of.name} | {np.mean(before):.2f} | {np.mean(after):.2f} |"


def main() -> None:
    """Render, train, export, and tell what was reached."""
    parser = argparse.ArgumentParser(description="Train the painting filter on Vitrine's renders.")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="OUT.onnx")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--pictures", type=Path, help="a folder for frame | algorithm | network")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    subjects = [subject(name) for name in SUBJECTS]
    given: list[Image8] = []
    for k, of in enumerate(subjects):
        given += shots(of, VIEWS, 100 + k, BACKGROUNDS)
        print(f"{of.name}: {VIEWS} frames", flush=True)
    model = Painting()
    print(f"{multiply_adds(model)} multiply-adds a pixel", flush=True)

    def save() -> None:
        print(write_filter(model, arguments.out, "painting"), flush=True)

    train(model, given, arguments.steps, save)
    print("| cameras not seen | frame, dB | network, dB |\n|---|---:|---:|")
    for of in subjects:
        print(compare(model, of, 900, arguments.pictures), flush=True)
    print("| **scenes not seen** | | |")
    for name in UNSEEN:
        print(compare(model, subject(name), 900, arguments.pictures), flush=True)


if __name__ == "__main__":
    main()
