"""Makes the walker and its walk: ``python -m exporters.make_avatar`` (half a minute).

Writes avatar.onnx, and walk.npy: one cycle of two steps, (32, 24, 3) float32 axis-angle in PLY
axes at 30 frames a second, which loops.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from exporters.avatar import Avatar, write
from exporters.figure import JOINTS, TO_PLY, figure

FOLDER = Path(__file__).resolve().parent.parent / "assets" / "generators"
FRAMES = 32
ARMS_DOWN = 1.22
"""From the T-pose to hanging arms, radians."""

Floats = NDArray[np.float64]


def walk(frames: int = FRAMES) -> Floats:
    """One cycle: (frames, 24, 3). The left leg passes forward in the middle of the first half."""
    pose = np.zeros((frames, len(JOINTS), 3))
    phase = np.arange(frames) / frames * 2 * np.pi

    def put(name: str, *turns: tuple[int, Floats | float]) -> None:
        """Turns about axes of the parent's frame, with y up, the last one applied first."""
        total = np.tile(np.eye(3), (frames, 1, 1))
        for axis, angle in turns:
            total = total @ _about(axis, np.broadcast_to(angle, (frames,)))
        pose[:, JOINTS.index(name)] = _axis_angle(total) * TO_PLY

    for side, sign, at in (("left", 1.0, phase), ("right", -1.0, phase + np.pi)):
        swing = np.sin(at)
        passing = np.clip(np.cos(at + 0.35), 0, 1) ** 2
        give = 0.16 * np.exp(-(((np.mod(at - 2.2, 2 * np.pi)) / 0.7) ** 2))
        hip = -0.46 * swing - 0.06 - 0.10 * passing
        knee = 0.12 + 0.98 * passing + give
        push = 0.42 * np.exp(-(((np.mod(at + np.pi - 4.05 - 0.5, 2 * np.pi) - np.pi) / 0.5) ** 2))
        put(f"{side}_hip", (0, hip), (2, 0.02 * sign))
        put(f"{side}_knee", (0, knee))
        put(f"{side}_ankle", (0, -0.75 * (hip + knee) - 0.10 * np.clip(swing, 0, 1) + push))
        put(f"{side}_foot", (0, -0.55 * push))
        back = -swing
        put(f"{side}_collar", (1, -0.10 * sign * back))
        put(f"{side}_shoulder", (0, -0.52 * back + 0.06), (2, -ARMS_DOWN * sign))
        put(f"{side}_elbow", (1, -(0.42 + 0.30 * np.clip(back, -0.4, 1)) * sign))
        put(f"{side}_wrist", (1, -0.12 * sign), (0, -0.25))
        put(f"{side}_hand", (2, -0.30 * sign))
    put("pelvis", (1, -0.12 * np.sin(phase)), (2, 0.045 * np.cos(phase)), (0, 0.03))
    put("spine1", (1, 0.06 * np.sin(phase)), (2, -0.03 * np.cos(phase)))
    put("spine2", (1, 0.08 * np.sin(phase)), (2, -0.02 * np.cos(phase)), (0, 0.03))
    put("spine3", (1, 0.08 * np.sin(phase)), (0, 0.02 + 0.015 * np.cos(2 * phase)))
    put("neck", (1, -0.05 * np.sin(phase)), (0, -0.03))
    put("head", (1, -0.05 * np.sin(phase)), (0, -0.03 - 0.03 * np.cos(2 * phase + 0.5)))
    return pose


def _about(axis: int, angle: Floats) -> Floats:
    """Rotations about a coordinate axis: (n, 3, 3)."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.tile(np.eye(3), (len(angle), 1, 1))
    turn[:, i, i] = turn[:, j, j] = np.cos(angle)
    turn[:, j, i] = np.sin(angle)
    turn[:, i, j] = -turn[:, j, i]
    return turn


def _axis_angle(turn: Floats) -> Floats:
    """Of rotations under a half turn: (n, 3)."""
    axis = np.stack(
        [
            turn[:, 2, 1] - turn[:, 1, 2],
            turn[:, 0, 2] - turn[:, 2, 0],
            turn[:, 1, 0] - turn[:, 0, 1],
        ],
        axis=1,
    )
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, np.trace(turn, axis1=1, axis2=2)[:, None] - 1)
    return np.asarray(axis / np.maximum(sine, 1e-12) * angle)


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cycle = walk().astype(np.float32)
    arguments.output.mkdir(parents=True, exist_ok=True)
    np.save(arguments.output / "walk.npy", cycle)
    body = figure()
    print(f"{len(body.position)} Gaussians, {FRAMES} frames")
    print(write(Avatar(body).eval(), arguments.output / "avatar.onnx", torch.tensor(cycle[5])))


if __name__ == "__main__":
    main()
