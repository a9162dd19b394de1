"""Fit Compact 3DGS to the sample scene, and write assets/generators/compact.onnx.

::

    python -m exporters.train_compact [OUT.onnx] [--count N] [--steps S]

On one thread and without a GPU. Codebooks by k-means, stage after stage; the colour field by
regression of the scene's colours at random cameras; then, from rendered frames, the mask together
with opacities and the field. What the mask drops is gone from the file.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from assets.make_sample import SAMPLE_CAMERA, make_sample
from exporters.blending import Frame, blend, directions, list_frame, orbit, psnr
from exporters.compact import INPUTS, OUTPUTS, Colour, Compact, HashGrid, from_codes
from exporters.export import export
from exporters.sample import CAMERA, canonical, colours, decoded, drawn
from exporters.train_scaffold import random_eyes
from pybuild.gaussians import Gaussians
from pyengine.view import View

OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "compact.onnx"
COUNT = 60_000
PLY_BYTES_A_GAUSSIAN = 62 * 4
"""Of an INRIA PLY with SH of degree 3, normals included."""
SCALE_STAGES, ROTATION_STAGES, ENTRIES = 2, 3, 256
"""The paper has six stages of 64; a byte holds 256."""
MASK_MIN = 0.01
"""A mask below this drops the Gaussian; the paper's epsilon."""
MASK_COST = 0.001
BATCH = 6_000


def codebooks(
    values: Tensor, weight: Tensor, stages: int, generator: torch.Generator, turns: int = 8
) -> tuple[Tensor, Tensor]:
    """Residual vector quantisation by weighted k-means.

    Parameters
    ----------
    values : (n, width) float32
    weight : (n,) float32

    Returns
    -------
    codes : (n, stages) uint8
    book : (stages, 256, width) float32
    """
    rest, codes, books = values.clone(), [], []
    for _ in range(stages):
        book = rest[torch.randperm(len(rest), generator=generator)[:ENTRIES]]
        for _ in range(turns):
            code = torch.cat([torch.cdist(part, book).argmin(1) for part in rest.split(8192)])
            mass = torch.zeros(ENTRIES).index_add(0, code, weight)
            total = torch.zeros_like(book).index_add(0, code, rest * weight[:, None])
            book = torch.where(mass[:, None] > 0, total / mass[:, None].clamp(min=1e-9), book)
        code = torch.cat([torch.cdist(part, book).argmin(1) for part in rest.split(8192)])
        rest = rest - book[code]
        codes.append(code.to(torch.uint8))
        books.append(book.half().float())
    return torch.stack(codes, 1), torch.stack(books)


def quantised(
    cloud: Gaussians, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes and books of scales, then of rotations; large Gaussians count more."""
    area = torch.from_numpy(np.exp(cloud.log_scales[:, :2].sum(1)))
    weight = (area / area.mean()).sqrt().clamp(0.2, 5)
    scales = codebooks(torch.from_numpy(cloud.log_scales), weight, SCALE_STAGES, generator)
    turns = codebooks(torch.from_numpy(cloud.quaternions), weight, ROTATION_STAGES, generator)
    return (*scales, *turns)


def regress(
    field: Colour,
    place: Tensor,
    cloud: Gaussians,
    light: Tensor,
    steps: int,
    generator: torch.Generator,
) -> None:
    """The scene's colours, at random Gaussians from random cameras.

    ``light`` (n,) says how much each counts.
    """
    optimiser = _optimiser(field, 1e-2, 3e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 5e-4)
    position = torch.from_numpy(cloud.positions)
    for step in range(steps):
        rows = torch.randint(0, cloud.count, (BATCH,), generator=generator)
        eye = random_eyes(BATCH, generator)
        wanted = colours(cloud.take(rows.numpy()), eye)
        found = field(place[rows], directions(position[rows], eye)[0])
        loss = (light[rows, None] * (found - wanted).square()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 300 == 0 or step == steps - 1:
            print(f"regression {step:5d}  {loss.item():.5f}", flush=True)


def refine(
    field: Colour,
    place: Tensor,
    cloud: Gaussians,
    frames: list[tuple[Frame, Tensor]],
    steps: int,
) -> tuple[Tensor, Tensor]:
    """Mask, opacities and colours from pixels.

    The mask is hard in what is drawn and soft in its gradient (section 3.1, equation 2).

    Returns
    -------
    kept : (n,) bool
    opacity : (n,) float32
    """
    mask = nn.Parameter(torch.full((cloud.count,), 1.0))
    logit = nn.Parameter(torch.from_numpy(cloud.opacity_logits.clip(-6, 6)).clone())
    optimiser = _optimiser(field, 2e-3, 5e-3)
    optimiser.add_param_group({"params": [logit], "lr": 2e-2})
    optimiser.add_param_group({"params": [mask], "lr": 30 / steps})
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, [*[lambda step: 1 - 0.9 * step / steps] * 3, lambda step: 1.0]
    )
    position = torch.from_numpy(cloud.positions)
    for step in range(steps):
        frame, wanted = frames[step % len(frames)]
        soft = torch.sigmoid(mask)
        hard = soft + ((soft > MASK_MIN).float() - soft).detach()
        shown = torch.unique(frame.splat)
        colour = torch.zeros(cloud.count, 3).index_copy(
            0, shown, field(place[shown], directions(position[shown], frame.eye)[0])
        )
        image, _ = blend(frame, torch.sigmoid(logit) * hard, colour)
        pixels = (image - wanted).square().mean()
        loss = pixels + MASK_COST * soft.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 40 == 0 or step == steps - 1:
            told = f"kept {(soft > MASK_MIN).float().mean():.1%}"
            print(f"frames {step:5d}  {pixels.item():.6f} {told}", flush=True)
    with torch.no_grad():
        return torch.sigmoid(mask) > MASK_MIN, torch.sigmoid(logit)


def _optimiser(field: Colour, network: float, table: float) -> torch.optim.Adam:
    return torch.optim.Adam(
        [
            {"params": list(field.mlp.parameters()), "lr": network},
            {"params": [field.grid.table], "lr": table},
        ],
        betas=(0.9, 0.99),
        eps=1e-12,
    )


def quality(model: Compact, scene: Gaussians, views: list[View]) -> str:
    """Mean PSNR of frames against the scene's."""
    decibels = []
    for view in views:
        with torch.no_grad():
            rows = model(torch.tensor(view.position, dtype=torch.float32))
        position, scale, rotation, opacity, colour = rows
        cloud = decoded(position, scale, rotation, opacity[:, 0], colour)
        decibels.append(psnr(drawn(cloud, view).numpy(), drawn(scene, view).numpy()))
    return f"{np.mean(decibels):.2f} dB of {np.round(decibels, 1).tolist()}"


def train(count: int, steps: int) -> tuple[Compact, Gaussians]:
    """A model of the sample scene at ``count`` Gaussians, and that scene; prints how near it is."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    began_s = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began_s:.0f} s: {text}", flush=True)

    scene = canonical(make_sample(count))
    low, high = scene.positions.min(0), scene.positions.max(0)
    box = (low.tolist(), (high - low).tolist())
    codes = np.rint((scene.positions - low) / (high - low) * 65535) - 32768
    place_codes = torch.from_numpy(codes.astype(np.int16))
    place = (place_codes.float() + 32768) / 65535

    scale_codes, scale_book, turn_codes, turn_book = quantised(scene, generator)
    rough = decoded(
        torch.tensor(box[0]) + torch.tensor(box[1]) * place,
        torch.exp(from_codes(scale_codes, scale_book)),
        functional.normalize(from_codes(turn_codes, turn_book), dim=1),
        torch.sigmoid(torch.from_numpy(scene.opacity_logits)),
        torch.zeros(scene.count, 3),
    )
    field = Colour(HashGrid(levels=8, table_bits=14, features=2, coarsest=16, finest=512))
    views = orbit(24, 240, 180, seed=3, **CAMERA)
    frames = [(list_frame(rough, view), drawn(scene, view)) for view in views]
    opacity = torch.sigmoid(torch.from_numpy(scene.opacity_logits))
    total = torch.zeros(scene.count)
    for frame, _ in frames:
        _, weight = blend(frame, opacity, torch.zeros(scene.count, 3))
        total.index_add_(0, frame.splat, weight)
    tell("frames listed")
    regress(field, place, scene, (total / total.mean()).clamp(0.05, 40), steps, generator)
    tell("colours learnt")
    kept, opacity = refine(field, place, rough, frames, steps // 6)

    thin = scene.take(kept.numpy())
    scale_codes, scale_book, turn_codes, turn_book = quantised(thin, generator)
    levels = (opacity[kept, None] * 255).round().to(torch.uint8)
    model = Compact(
        place_codes[kept], box, scale_codes, scale_book, turn_codes, turn_book, levels, field
    )
    tell(f"{thin.count} of {scene.count} kept")
    tell(quality(model, scene, orbit(4, 320, 240, seed=99, **CAMERA)))
    return model, scene


def main() -> None:
    """Train, export, and tell the errors."""
    parser = argparse.ArgumentParser(description="Fit Compact 3DGS to the sample scene.")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="OUT.onnx")
    parser.add_argument("--count", type=int, default=COUNT, help="Gaussians of the scene")
    parser.add_argument("--steps", type=int, default=1200, help="of the regression")
    arguments = parser.parse_args()
    model, scene = train(arguments.count, arguments.steps)
    low, high = scene.positions.min(0), scene.positions.max(0)
    told = export(
        model,
        INPUTS,
        OUTPUTS,
        arguments.out,
        half=["scale_book", "rotation_book", "colour.grid.table"],
        bounds=[np.round(low - 0.01, 3).tolist(), np.round(high + 0.01, 3).tolist()],
        pose=SAMPLE_CAMERA,
        background=[0, 0, 0],
    )
    print(f"{told}; the PLY of the scene has {scene.count * PLY_BYTES_A_GAUSSIAN:,}")


if __name__ == "__main__":
    main()
