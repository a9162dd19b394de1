"""Fits the 4D generator to the jellyfish: ``python -m exporters.train_hexplane`` (some minutes).

The motion is known, so each step asks for offset, turn, stretch and glow of random Gaussians at
random phases. Prints the errors of 50 phases between those trained on, and of frames drawn.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

from exporters.hexplane import HexPlane, write
from exporters.jellyfish import DURATION_S, Subject, jellyfish
from pybuild.gaussians import Gaussians
from pybuild.reference import render
from pyengine.view import View

TARGET = Path(__file__).resolve().parent.parent / "assets" / "generators" / "hexplane.onnx"
PHASES = 400
BATCH = 4096
WEIGHTS = (1.0, 0.005, 0.005, 0.01)
"""Of offset, turn, stretch and glow: splats are small, so a turn moves their edges little."""


def targets(subject: Subject, phases: np.ndarray) -> list[torch.Tensor]:
    """Offset (P, N, 3), turn (P, N, 3), stretch (P, N, 2), glow (P, N, 1)."""
    rest = subject.at(0.0)
    rows: list[list[np.ndarray]] = [[], [], [], []]
    for phase in phases:
        moment = subject.at(float(phase))
        rows[0].append(moment.position - rest.position)
        w0, v0 = rest.quaternion[:, :1], -rest.quaternion[:, 1:]
        w1, v1 = moment.quaternion[:, :1], moment.quaternion[:, 1:]
        real = w1 * w0 - (v1 * v0).sum(axis=1, keepdims=True)
        imaginary = w1 * v0 + w0 * v1 + np.cross(v1, v0)
        rows[1].append(imaginary / np.where(np.abs(real) < 0.2, 0.2, real))
        rows[2].append((moment.log_scale - rest.log_scale)[:, :2])
        rows[3].append(moment.glow[:, None])
    return [torch.tensor(np.stack(row), dtype=torch.float32) for row in rows]


def fit(subject: Subject, steps: int, seed: int = 0) -> HexPlane:
    """A model trained by Adam with a cosine schedule."""
    torch.manual_seed(seed)
    rest = subject.at(0.0)
    model = HexPlane(
        *(
            torch.tensor(a, dtype=torch.float32)
            for a in (
                rest.position,
                rest.quaternion,
                rest.log_scale,
                subject.opacity,
                subject.colour,
            )
        ),
        duration_s=DURATION_S,
    )
    phases = np.arange(PHASES) / PHASES
    wanted = targets(subject, phases)
    planes = [*model.space, *model.time]
    others = [*model.trunk.parameters(), *model.heads.parameters()]
    optimizer = torch.optim.Adam(
        [{"params": planes, "lr": 1e-2}, {"params": others, "lr": 4e-3}], betas=(0.9, 0.99)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min(1, (k + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * k / steps))
    )
    at = torch.tensor(phases, dtype=torch.float32)
    began = time.monotonic()
    for step in range(steps):
        p = torch.randint(PHASES, (BATCH,))
        n = torch.randint(len(rest.position), (BATCH,))
        got = model.deformation(model.places[n], at[p, None])
        loss = torch.zeros(())
        for weight, a, b in zip(WEIGHTS, got, wanted, strict=True):
            loss = loss + weight * torch.nn.functional.huber_loss(a, b[p, n], delta=0.3)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 500 == 0:
            print(f"{step:6} loss {loss.item():.3e}  {time.monotonic() - began:.0f} s", flush=True)
    return model.eval()


def cloud(model: HexPlane, subject: Subject, phase: float) -> Gaussians:
    """What the model makes of a phase."""
    with torch.no_grad():
        position, quaternion, log_scale, _, colour = model(torch.tensor([phase * DURATION_S]))
    unit = torch.nn.functional.normalize(quaternion, dim=1)
    return Gaussians(
        position.numpy(),
        log_scale.numpy(),
        unit.numpy(),
        np.log(subject.opacity / (1 - subject.opacity)).astype(np.float32),
        ((colour.numpy() - 0.5) / 0.28209479177387814)[:, None].astype(np.float32),
    )


def errors(model: HexPlane, subject: Subject) -> str:
    """Of positions at 50 phases between those trained on; of frames at five."""
    off = []
    for phase in (np.arange(50) + 0.437) / 50:
        made = cloud(model, subject, float(phase)).positions
        off.append(np.linalg.norm(made - subject.at(float(phase)).position, axis=1))
    rms = float(np.sqrt(np.mean(np.square(off))))
    view = View.look_at((1.6, -1.2, -5.6), (0.02, 0.6, 0.0), (0, -1, 0), 38, 360, 440)
    decibels = []
    for phase in (0.043, 0.237, 0.401, 0.659, 0.881):
        made = render(cloud(model, subject, phase), view, (0.012, 0.03, 0.09))
        true = render(subject.gaussians(subject.at(phase)), view, (0.012, 0.03, 0.09))
        decibels.append(-10 * math.log10(float(np.mean((made - true) ** 2))))
    return (
        f"positions: rms {rms:.5f}, 99 % under {np.quantile(off, 0.99):.5f}, at most "
        f"{np.max(off):.5f} world units (the bell's radius is 1); frames "
        f"{', '.join(f'{d:.1f}' for d in decibels)} dB"
    )


def main() -> None:
    """Fit, tell the errors, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=14000)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    subject = jellyfish()
    model = fit(subject, arguments.steps)
    ends = [subject.at(p / 24).position for p in range(24)]
    low, high = np.min(ends, axis=(0, 1)) - 0.02, np.max(ends, axis=(0, 1)) + 0.02
    box = ([round(float(x), 3) for x in low], [round(float(x), 3) for x in high])
    print(write(model, arguments.output, box))
    print(f"{len(subject.colour)} Gaussians; {errors(model, subject)}")


if __name__ == "__main__":
    main()
