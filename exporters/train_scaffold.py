"""Fit Scaffold-GS to the sample scene, and write assets/generators/scaffold.onnx.

::

    python -m exporters.train_scaffold [OUT.onnx] [--count N] [--steps S]

Two stages, on one thread and without a GPU. First regression: the scene's Gaussians are grouped by
tens into anchors, and the networks learn to give them back from any camera around the scene. Then
rendered frames: opacities and colours learn from pixels, with the decoded geometry held near the
scene's. A Gaussian that adds nothing to any frame when it is seen from behind learns to die there.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from assets.make_sample import SAMPLE_CAMERA, make_sample
from exporters.blending import (
    blend,
    covariances,
    directions,
    list_frame,
    orbit,
    psnr,
)
from exporters.export import export
from exporters.sample import CAMERA, axis, canonical, colours, decoded, drawn
from exporters.scaffold import INPUTS, OFFSETS, OUTPUTS, ROWWISE_OUTPUTS, Scaffold
from pybuild.gaussians import Gaussians
from pyengine.view import View

OUT = Path(__file__).resolve().parents[1] / "assets" / "generators" / "scaffold.onnx"
COUNT = 60_000
FACING = 0.1
"""Seen at a flatter angle than this, a Gaussian counts as seen from both sides."""
DEAD = -0.1
"""What the opacity of a Gaussian that is not drawn is taught to be, at most."""
UNSEEN = 0.004
"""Of the light of a pixel: what adds less than this to every frame is not missed."""
BANK = 48
"""Sets of cameras of the regression, one camera an anchor."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The scene, in the order of its anchors: (A, 10, ...).

    Attributes
    ----------
    cloud : Gaussians
        The same rows, flat.
    covariance, opacity
        As they are drawn.
    normal : (A, 10, 3) float32
        Shortest axis, turned to the side that adds to frames.
    one_sided : (A, 10) bool
    weight : (A, 10) float32
        How much it adds to frames, square root; about 1 on average.
    light : (A, 10) float32
        How much of the light of all pixels it adds; about 1 on average.
    """

    cloud: Gaussians
    position: Tensor
    scale: Tensor
    rotation: Tensor
    covariance: Tensor
    opacity: Tensor
    normal: Tensor
    one_sided: Tensor
    weight: Tensor
    light: Tensor


def grouped(
    cloud: Gaussians, normal: Tensor, one_sided: Tensor, size: int = OFFSETS
) -> NDArray[np.int64]:
    """Rows in groups of ``size`` that are alike in place, colour, normal and scale: (A, size).

    The set is halved along its widest direction until groups remain; ``count`` must be a multiple.
    """
    sided = one_sided.float()[:, None]
    traits = np.concatenate(
        [
            cloud.positions / 0.05,
            cloud.sh[:, 0] / 0.25,
            ((1 + sided) * normal).numpy(),
            2 * sided.numpy(),
            cloud.log_scales / 0.8,
            cloud.opacity_logits[:, None] / 3,
        ],
        axis=1,
    ).astype(np.float64)
    groups: list[NDArray[np.int64]] = []
    stack = [np.arange(cloud.count)]
    while stack:
        rows = stack.pop()
        centred = traits[rows] - traits[rows].mean(axis=0)
        _, vectors = np.linalg.eigh(centred.T @ centred)
        axis = vectors[:, -1] * np.sign(vectors[3:6, -1].sum() or 1)  # from dark to bright
        rows = rows[np.argsort(centred @ axis, kind="stable")]
        if len(rows) == size:
            groups.append(rows)
        else:
            half = len(rows) // size // 2 * size
            stack += [rows[half:], rows[:half]]
    return np.stack(groups)


def targets(cloud: Gaussians, views: list[View]) -> Targets:
    """The scene's Gaussians by anchors, and what the frames say about each."""
    cloud = canonical(cloud)
    opacity = torch.sigmoid(torch.from_numpy(cloud.opacity_logits))
    position = torch.from_numpy(cloud.positions)
    quaternion = torch.from_numpy(cloud.quaternions)
    normal = axis(quaternion, 2)
    seen = torch.zeros(2, cloud.count)  # the largest weight, from the normal's side and from behind
    behind, total = torch.zeros(2, cloud.count), torch.zeros(cloud.count)
    for view in views:
        frame = list_frame(cloud, view)
        _, weight = blend(frame, opacity, colours(cloud, frame.eye))
        cosine = (directions(position, frame.eye)[0] * normal).sum(1)
        largest = torch.zeros(cloud.count).scatter_reduce(0, frame.splat, weight, "amax")
        total.index_add_(0, frame.splat, weight)
        for side, faces in enumerate((cosine < -FACING, cosine > FACING)):
            seen[side] = torch.maximum(seen[side], largest * faces)
            behind[side] += faces
    back = (seen[1] < seen[0]).long()[None]  # the side that is seen less
    flat = torch.from_numpy(cloud.log_scales[:, 2] < cloud.log_scales[:, 0] - 1)
    one_sided = flat & (seen.gather(0, back)[0] < UNSEEN) & (behind.gather(0, back)[0] >= 4)
    normal = normal * torch.where(back.T == 1, 1.0, -1.0)
    groups = grouped(cloud, normal, one_sided)
    rows = torch.from_numpy(groups.reshape(-1))
    scale = torch.from_numpy(np.exp(cloud.log_scales))
    weight = (total.sqrt() / total.sqrt().mean()).clamp(0.1, 4)
    light = (total / total.mean()).clamp(0.05, 40)
    position, scale, quaternion, covariance, opacity, normal, one_sided, weight, light = (
        value[rows].unflatten(0, groups.shape)
        for value in (
            *(position, scale, quaternion, covariances(scale, quaternion)),
            *(opacity, normal, one_sided, weight, light),
        )
    )
    return Targets(
        cloud.take(groups.reshape(-1)),
        *(position, scale, quaternion, covariance),
        *(opacity, normal, one_sided, weight, light),
    )


def started(goal: Targets, features: int, hidden: int) -> Scaffold:
    """Anchors amid their Gaussians; features are the main differences between anchors."""
    low, high = goal.position.amin(1), goal.position.amax(1)
    anchors, reach = (low + high) / 2, (high - low).clamp(min=1e-3) / 2
    largest = goal.scale.amax(1) * 1.3
    model = Scaffold(
        anchors,
        (goal.position - anchors[:, None]) / reach[:, None],
        torch.cat([reach, largest], dim=1).log(),
        features=features,
        hidden=hidden,
    )
    colour = torch.from_numpy(goal.cloud.sh[:, 0]).unflatten(0, goal.opacity.shape)
    signs = torch.where((goal.rotation * goal.rotation[:, :1]).sum(2, keepdim=True) < 0, -1.0, 1.0)
    traits = torch.cat(
        [
            (2 * colour).flatten(1),
            (goal.rotation * signs).flatten(1),
            (goal.scale / largest[:, None]).flatten(1),
            goal.opacity,
            anchors,
        ],
        dim=1,
    )
    traits = traits - traits.mean(0)
    _, _, vectors = torch.linalg.svd(traits, full_matrices=False)
    with torch.no_grad():
        codes = traits @ vectors[:features].T
        model.feature.copy_(codes / codes.std(0))
    return model


def random_eyes(count: int, generator: torch.Generator) -> Tensor:
    """Cameras anywhere around the scene, near and far, from a little below to above: (count, 3)."""
    turn, lift, far = torch.rand(3, count, generator=generator)
    turn, lift, far = turn * 2 * torch.pi, -0.1 + 1.3 * lift, 1.2 + 2.6 * far
    around = torch.stack([lift.cos() * turn.sin(), -lift.sin(), -lift.cos() * turn.cos()], 1)
    return around * far[:, None] + torch.tensor(CAMERA["target"])


def difference(model: Scaffold, goal: Targets, eye: Tensor, colour: Tensor) -> Tensor:
    """How far the decoded Gaussians are from the scene's, as seen from ``eye``."""
    _, scale, rotation, opacity, found = model.decode(eye)
    eyes = eye if eye.ndim == 1 else eye[:, None]
    cosine = (directions(goal.position, eyes)[0] * goal.normal).sum(2)
    dead = goal.one_sided & (cosine > FACING)
    sure = ~goal.one_sided | (cosine.abs() > FACING)
    weight = goal.weight * ~dead
    size = goal.covariance.diagonal(dim1=2, dim2=3).sum(2)
    shape = covariances(scale, rotation) - goal.covariance
    thin = (scale.log() - goal.scale.log()).square().mean(2)
    alive = torch.where(
        dead, functional.relu(opacity - DEAD).square(), (opacity - goal.opacity).square() * weight
    )
    return (
        40 * ((goal.light * ~dead)[..., None] * (found - colour).square()).mean()
        + (goal.weight * (shape.square().sum((2, 3)) / size.square() + 0.05 * thin)).mean()
        + 4 * (alive * sure).mean()
    )


def regress(model: Scaffold, goal: Targets, steps: int, generator: torch.Generator) -> None:
    """Give the scene's Gaussians back from cameras around it."""
    anchors = len(model.anchor)
    eyes = [random_eyes(anchors, generator) for _ in range(BANK)]
    shown = [
        colours(goal.cloud, eye.repeat_interleave(OFFSETS, 0)).unflatten(0, (anchors, OFFSETS))
        for eye in eyes
    ]
    optimiser = _optimiser(model, 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [3e-2, 1e-2], total_steps=steps, pct_start=0.1
    )
    for step in range(steps):
        k = step % BANK
        loss = difference(model, goal, eyes[k], shown[k])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 500 == 0 or step == steps - 1:
            print(f"regression {step:5d}  {loss.item():.5f}", flush=True)


def refine(model: Scaffold, goal: Targets, views: list[View], steps: int, rate: float) -> None:
    """Learn from pixels of frames, with the geometry as it is decoded when the stage begins."""
    frames = []
    for view in views:
        eye = torch.tensor(view.position, dtype=torch.float32)
        shown = colours(goal.cloud, eye)
        frame = list_frame(shown_to(model, eye, 0.05), view)
        frames.append((frame, shown, drawn(goal.cloud, view)))
    optimiser = _optimiser(model, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, rate / 20)
    for step in range(steps):
        frame, shown, wanted = frames[step % len(frames)]
        _, _, _, opacity, colour = model.decode(frame.eye)
        image, _ = blend(frame, opacity.flatten().clamp(0, 0.999), colour.flatten(0, 1))
        pixels = 40 * (image - wanted).square().mean()
        loss = pixels + 0.2 * difference(model, goal, frame.eye, shown.unflatten(0, opacity.shape))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"frames {step:5d}  {pixels.item():.5f} {loss.item():.5f}", flush=True)


def _optimiser(model: Scaffold, rate: float) -> torch.optim.Adam:
    networks = [weight for name, weight in model.named_parameters() if name != "feature"]
    return torch.optim.Adam(
        [{"params": [model.feature], "lr": 5 * rate}, {"params": networks, "lr": rate}],
        betas=(0.9, 0.99),
    )


def shown_to(model: Scaffold, eye: Tensor, opacity_min: float = 0.0) -> Gaussians:
    """What the model shows to a camera, every row in its place."""
    with torch.no_grad():
        position, scale, rotation, opacity, colour = (r.flatten(0, 1) for r in model.decode(eye))
    return decoded(position, scale, rotation, opacity.clamp(min=opacity_min), colour)


def quality(model: Scaffold, goal: Targets, views: list[View]) -> str:
    """Mean PSNR against the scene, and how many are alive in each view."""
    decibels, alive = [], []
    for view in views:
        cloud = shown_to(model, torch.tensor(view.position, dtype=torch.float32))
        decibels.append(psnr(drawn(cloud, view).numpy(), drawn(goal.cloud, view).numpy()))
        alive.append(int((cloud.opacity_logits > -np.inf).sum()))
    return f"{np.mean(decibels):.2f} dB of {np.round(decibels, 1).tolist()}, alive {alive}"


def train(count: int, steps: int, features: int = 32, hidden: int = 64) -> Scaffold:
    """A model of the sample scene at ``count`` Gaussians; prints how near it came."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    began_s = time.monotonic()
    scene = make_sample(count)
    scene = scene.take(np.arange(scene.count // OFFSETS * OFFSETS))
    goal = targets(scene, orbit(24, 160, 120, seed=1, **CAMERA))
    told = f"{goal.one_sided.float().mean():.0%} of {scene.count} Gaussians are seen from one side"
    print(f"{time.monotonic() - began_s:.0f} s: {told}", flush=True)
    model = started(goal, features, hidden)
    held_out = orbit(4, 320, 240, seed=99, **CAMERA)
    regress(model, goal, steps, generator)
    print(f"{time.monotonic() - began_s:.0f} s: {quality(model, goal, held_out)}", flush=True)
    refine(model, goal, orbit(20, 240, 180, seed=3, **CAMERA), steps // 8, 2e-3)
    print(f"{time.monotonic() - began_s:.0f} s: {quality(model, goal, held_out)}", flush=True)
    return model


def main() -> None:
    """Train, export, and tell the errors."""
    parser = argparse.ArgumentParser(description="Fit Scaffold-GS to the sample scene.")
    parser.add_argument("out", type=Path, nargs="?", default=OUT, metavar="OUT.onnx")
    parser.add_argument("--count", type=int, default=COUNT, help="Gaussians of the scene")
    parser.add_argument("--steps", type=int, default=2200, help="of the regression")
    parser.add_argument(
        "--rows", action="store_true", help="no count: the build tests what is in sight instead"
    )
    arguments = parser.parse_args()
    model = train(arguments.count, arguments.steps)
    model.compact = not arguments.rows
    reach = model.log_scaling[:, :3].exp()
    low, high = (model.anchor - reach).amin(0), (model.anchor + reach).amax(0)
    told = export(
        model,
        INPUTS,
        ROWWISE_OUTPUTS if arguments.rows else OUTPUTS,
        arguments.out,
        half=[name for name, _ in model.named_parameters()],
        bounds=[
            [round(x - 0.01, 3) for x in low.tolist()],
            [round(x + 0.01, 3) for x in high.tolist()],
        ],
        pose=SAMPLE_CAMERA,
        background=[0, 0, 0],
    )
    print(told)


if __name__ == "__main__":
    main()
