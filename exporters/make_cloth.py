"""Write assets/generators/recurrent.onnx: the cloth of `exporters.cloth`. Nothing is trained.

::

    python -m exporters.make_cloth [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from exporters.cloth import GRID, RATE, Cloth
from exporters.export import export

__all__ = ["write"]

OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "recurrent.onnx"


def write(path: Path = OUT) -> None:
    """Export one step; 60 of them make a second."""
    torch.manual_seed(0)
    state = 0.01 * torch.randn(GRID, GRID, 3)
    report = export(
        Cloth(),
        {
            "moved": ("state:moved_next", state),
            "velocity": ("state:velocity_next", torch.zeros_like(state)),
            "time": ("time", torch.tensor([0.5])),
            "wind": ("control", torch.tensor([0.5])),
            "pointer": ("pointer", torch.tensor([0.2, 0.1, 1.0])),
        },
        {
            "moved_next": "state",
            "velocity_next": "state",
            "packed": "gaussian.packed",
            "color": "gaussian.color",
        },
        path,
        controls={"wind": {"label": "Wind", "min": 0, "max": 1, "default": 0.45}},
        rate=RATE,
        bounds=[[-1.8, -1.5, -1.6], [1.8, 1.8, 2.2]],
        pose={"eye": [-0.9, -0.35, -3.6], "target": [0, 0.05, 0.1], "fov": 42},
        background=[0.055, 0.06, 0.085],
        half=True,
    )
    print(report)


def main() -> None:
    """Write the model to where it is kept, or to --out."""
    parser = argparse.ArgumentParser(description="Make the cloth.")
    parser.add_argument("--out", type=Path, default=OUT)
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
