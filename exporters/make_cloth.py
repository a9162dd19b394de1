"""Write assets/generators/recurrent.onnx: the cloth of `exporters.cloth`. Nothing is trained.

::

    python -m exporters.make_cloth [--out FILE] [--steps N]

With --steps it then runs so many, in changing wind and with a ball that jumps, and prints how far
a particle came from its place (the cloth's diagonal is 2.83) and how fast the cloth is after ten
more seconds of calm.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from exporters.cloth import GRID, RATE, Cloth
from exporters.export import export

__all__ = ["trial", "write"]

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


def trial(path: Path, steps: int, seed: int = 0) -> tuple[float, float]:
    """The farthest that a particle came from its place in so many steps, and its speed at rest."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)
    random = np.random.default_rng(seed)
    moved = velocity = np.zeros((GRID, GRID, 3), np.float32)
    wind, pointer, farthest = 0.5, np.zeros(3), 0.0
    for step in range(steps + 600):
        if step % 45 == 0:
            wind, pointer = random.uniform(), np.append(random.uniform(-1, 1, 2), step % 2)
        if step >= steps:
            wind, pointer = 0.0, np.array([9.0, 0, 0])
        given = {"time": step / RATE, "wind": wind, "pointer": pointer}
        inputs = {name: np.atleast_1d(np.float32(value)) for name, value in given.items()}
        inputs |= {"moved": moved, "velocity": velocity}
        moved, velocity = session.run(["moved_next", "velocity_next"], inputs)
        farthest = max(farthest, float(np.abs(moved).max()))
    return farthest, float(np.abs(velocity).max())


def main() -> None:
    """Write the model to where it is kept, or to --out, and try it."""
    parser = argparse.ArgumentParser(description="Make the cloth.")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--steps", type=int, default=0)
    arguments = parser.parse_args()
    write(arguments.out)
    if arguments.steps:
        farthest, speed = trial(arguments.out, arguments.steps)
        print(f"{arguments.steps} steps: {farthest:.2f} units at most, at rest {speed:.4f} units/s")


if __name__ == "__main__":
    main()
