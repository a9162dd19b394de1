"""Write assets/generators/audio.onnx: the pond of `exporters.audio`. Nothing is trained.

::

    python -m exporters.make_audio [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from exporters.audio import BANDS, RATE, RINGS, Pond
from exporters.export import export

__all__ = ["write"]

OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "audio.onnx"


def write(path: Path = OUT) -> None:
    """Export one step."""
    torch.manual_seed(0)
    report = export(
        Pond(),
        {
            "waves": ("state:waves_next", torch.rand(RINGS, BANDS)),
            "mel": ("audio.mel", torch.rand(BANDS)),
            "time": ("time", torch.tensor([0.5])),
            "gain": ("control", torch.tensor([1.0])),
        },
        {"waves_next": "state", "packed": "gaussian.packed", "color": "gaussian.color"},
        path,
        controls={"gain": {"label": "Gain", "min": 0, "max": 3, "default": 1}},
        rate=RATE,
        bounds=[[-1.6, -1.9, -1.6], [1.6, 0.2, 1.6]],
        pose={"eye": [0.9, -2.0, -3.5], "target": [0, -0.38, 0], "fov": 42},
        background=[0.02, 0.025, 0.045],
        half=True,
    )
    print(report)


def main() -> None:
    """Write the model to where it is kept, or to --out."""
    parser = argparse.ArgumentParser(description="Make the pond.")
    parser.add_argument("--out", type=Path, default=OUT)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
