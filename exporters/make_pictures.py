"""Write the pictures that the feed-forward model is tried on: assets/generators/pictures.

::

    python -m exporters.make_pictures [--out FOLDER]

Four rooms of a seed of their own, as ``room-1.png`` and ``room-1-depth.png``: depth in thousandths
of a unit, 16 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from exporters.pictures import pictures

__all__ = ["write"]

OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "pictures"
SEED, MADE, CHOSEN = 77, 24, (9, 12, 13, 17)


def write(folder: Path = OUT) -> None:
    """The chosen ones of a batch."""
    batch = pictures(MADE, torch.Generator().manual_seed(SEED))
    folder.mkdir(parents=True, exist_ok=True)
    for number, index in enumerate(CHOSEN, 1):
        image = (batch.image[index].permute(1, 2, 0) * 255).round().byte().numpy()
        depth = (batch.depth[index, 0] * 1000).round().numpy().astype(np.uint16)
        Image.fromarray(image).save(folder / f"room-{number}.png", optimize=True)
        Image.fromarray(depth).save(folder / f"room-{number}-depth.png", optimize=True)


def main() -> None:
    """Write them to where they are kept, or to --out."""
    parser = argparse.ArgumentParser(description="Make the test pictures.")
    parser.add_argument("--out", type=Path, default=OUT)
    torch.set_num_threads(1)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
