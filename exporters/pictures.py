"""Pictures of made-up rooms with known depth: what the feed-forward model learns from.

Ray-traced in torch, a batch at a time: ellipsoids, boxes and cylinders on a textured floor before
walls or a sky, lit by one light with shadows. Everything is in the camera's frame: x right, y down,
z forward, the camera at the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FAR", "FOCAL", "NEAR", "SIZE", "Pictures", "pictures", "rays", "slopes"]

SIZE = 128
FOCAL = SIZE / 2 / math.tan(math.radians(50 / 2))
"""Pixels; the pictures span 50 degrees."""
NEAR, FAR = 1.0, 9.0
"""Depths are clamped to this range."""

_KINDS = ("ellipsoid",) * 3 + ("box",) * 3 + ("cylinder",) * 2
_WALLS = 3  # the floor, the wall behind, a wall at a side
_WAVES = 5


@dataclass(frozen=True, slots=True)
class Pictures:
    """A batch.

    Attributes
    ----------
    image : (B, 3, SIZE, SIZE)
        Display-referred RGB, 0 to 1.
    depth : (B, 1, SIZE, SIZE)
        Along the camera's z.
    room_image, room_depth : (B, 3 or 1, SIZE / 2, SIZE / 2)
        The room as it would be seen if the objects were gone.
    """

    image: Tensor
    depth: Tensor
    room_image: Tensor
    room_depth: Tensor


@dataclass(frozen=True, slots=True)
class _Scenes:
    """Surfaces: the K objects, then the walls. All in camera axes."""

    up: Tensor  # (B, 3)
    frame: Tensor  # (B, K, 3, 3): rows are an object's axes
    centre: Tensor  # (B, K, 3)
    half: Tensor  # (B, K, 3)
    normal: Tensor  # (B, W, 3)
    offset: Tensor  # (B, W)
    light: Tensor  # (B, 3)
    tone: Tensor  # (B, 4): ambient, direct, gloss, gamma
    colours: Tensor  # (B, K + W + 1, 2, 3); the last is the sky
    waves: Tensor  # (B, K + W + 1, WAVES, 5): wave vector, phase, amplitude
    hard: Tensor  # (B, K + W + 1, 2): sharpness and weight of a checker


def slopes(size: int = SIZE) -> Tensor:
    """Of the rays through the columns' centres, x / z; of the rows', y / z: (size,)."""
    return (torch.arange(size) + 0.5 - size / 2) / (FOCAL * size / SIZE)


def rays(size: int = SIZE) -> Tensor:
    """Directions through the pixels' centres with z = 1: (size, size, 3)."""
    y, x = torch.meshgrid(slopes(size), slopes(size), indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], 2)


def pictures(count: int, generator: torch.Generator) -> Pictures:
    """``count`` pictures of as many rooms."""
    scenes = _scenes(count, generator)
    image, depth = _render(scenes, rays().reshape(-1, 3), SIZE, objects=True)
    room_image, room_depth = _render(scenes, rays(SIZE // 2).reshape(-1, 3), SIZE // 2, False)
    return Pictures(image, depth, room_image, room_depth)


def _scenes(count: int, generator: torch.Generator) -> _Scenes:
    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    k = len(_KINDS)
    pitch, roll, yaw = uniform(-0.1, 0.6), uniform(-0.06, 0.06), uniform(-0.5, 0.5)
    up = torch.stack([torch.sin(roll), -torch.cos(pitch) * torch.cos(roll), -torch.sin(pitch)], 1)
    up = _unit(up)
    ahead = torch.tensor([0.0, 0.0, 1.0]).expand(count, 3)
    ahead = _unit(ahead - (ahead * up).sum(1, keepdim=True) * up)
    right = torch.linalg.cross(ahead, up)

    height = uniform(1.15, 1.45)
    distance, aside = uniform(1.7, 5.0, k), uniform(-0.55, 0.55, k)
    half = uniform(0.12, 0.62, k, 3) * uniform(0.6, 1.1, k, 1)
    turn = uniform(-math.pi, math.pi, k)
    lift = (uniform(0, 1, k) < 0.2) * uniform(0, 1.2, k)
    # a near, upright pair of ellipsoids in a third of the pictures: a figure
    figure = (uniform(0, 1) < 0.35)[:, None].float()
    head = torch.stack([uniform(0.16, 0.26), uniform(0.2, 0.32), uniform(0.16, 0.26)], 1)
    body = torch.stack([uniform(0.3, 0.5), uniform(0.4, 0.7), uniform(0.18, 0.3)], 1)
    near, across, top = uniform(1.5, 2.4), uniform(-0.2, 0.2), uniform(-0.15, 0.25)
    half[:, 0] = figure * head + (1 - figure) * half[:, 0]
    half[:, 1] = figure * body + (1 - figure) * half[:, 1]

    forward_turned = _turned(ahead[:, None], right[:, None], turn[..., None])
    side = torch.linalg.cross(forward_turned, up[:, None].expand_as(forward_turned))
    frame = torch.stack([side, up[:, None].expand_as(side), forward_turned], 2)
    tilt = (uniform(0, 1, k) < 0.25)[..., None, None] * uniform(-0.7, 0.7, k, 3)[..., None]
    frame = _unit_rows(frame + tilt * frame.roll(1, 2))
    floor = -height[:, None, None] * up[:, None]
    centre = floor + up[:, None] * (half[..., 1:2] + lift[..., None])
    centre = centre + ahead[:, None] * distance[..., None]
    centre = centre + right[:, None] * (aside * distance)[..., None]
    sight = torch.stack([across, -top, torch.ones_like(near)], 1) * near[:, None]
    neck = sight - up * (head[:, 1] + 0.8 * body[:, 1])[:, None]
    centre[:, 0] = figure * sight + (1 - figure) * centre[:, 0]
    centre[:, 1] = figure * neck + (1 - figure) * centre[:, 1]
    gone = uniform(0, 1, k) < 0.35
    gone[:, :2] &= figure == 0
    centre = torch.where(gone[..., None], torch.tensor([0.0, 0.0, -50.0]), centre)

    behind = _turned(ahead, right, yaw[:, None])
    beside = torch.linalg.cross(behind, up) * torch.sign(uniform(-1, 1))[:, None]
    normal = torch.stack([up, -behind, -beside], 1)
    offset = torch.stack(
        [
            -height,
            -torch.where(uniform(0, 1) < 0.75, uniform(3.0, 7.5), torch.full((count,), 60.0)),
            -torch.where(uniform(0, 1) < 0.4, uniform(1.2, 3.0), torch.full((count,), 60.0)),
        ],
        1,
    )
    light = _unit(up * uniform(0.5, 1.3)[:, None] + 0.8 * (uniform(-1, 1, 3)) - 0.3 * ahead)
    tone = torch.stack(
        [uniform(0.25, 0.6), uniform(0.4, 1.1), uniform(0, 0.5), uniform(0.45, 0.8)], 1
    )
    surfaces = k + _WALLS + 1
    base = uniform(0, 1, surfaces, 1, 3) ** 1.3
    second = (base + uniform(-0.6, 0.6, surfaces, 1, 3) * uniform(0, 1, surfaces, 1, 1)).clamp(0, 1)
    grey = base.mean(3, keepdim=True)
    muted = uniform(0, 1, surfaces, 1, 1)
    base = grey + (base - grey) * muted
    wave = torch.randn(count, surfaces, _WAVES, 3, generator=generator)
    wave = wave * torch.exp(uniform(0.3, 2.5, surfaces, _WAVES, 1))
    rest = torch.stack([uniform(0, 6.28, surfaces, _WAVES), uniform(0, 0.7, surfaces, _WAVES)], 3)
    hard = torch.stack(
        [
            torch.exp(uniform(0, 3.4, surfaces)),
            (uniform(0, 1, surfaces) < 0.2) * uniform(1, 3, surfaces),
        ],
        2,
    )
    return _Scenes(
        up, frame, centre, half, normal, offset, light, tone,
        torch.cat([base, second], 2), torch.cat([wave, rest], 3), hard,
    )  # fmt: skip


def _render(scenes: _Scenes, ray: Tensor, size: int, objects: bool) -> tuple[Tensor, Tensor]:
    """Image and depth of rays (P, 3) from the origin."""
    count, k = scenes.centre.shape[:2]
    origin = torch.zeros(count, 1, 3)
    towards = ray.expand(count, *ray.shape)
    walls = _wall_hits(scenes, towards)
    near, surface = walls.min(2)
    surface = surface + k
    if objects:
        found = torch.stack([_object_hit(scenes, i, origin, towards) for i in range(k)], 2)
        first, which = found.min(2)
        surface = torch.where(first < near, which, surface)
        near = torch.minimum(first, near)
    surface = torch.where(near > 40, k + _WALLS, surface)
    place = towards * near.clamp(max=40)[..., None]
    normal = _normals(scenes, surface, place)
    lifted = place + 2e-3 * normal
    light = scenes.light[:, None].expand_as(lifted)
    shadow = torch.zeros(count, ray.shape[0], dtype=torch.bool)
    for i in range(k if objects else 0):
        shadow |= _object_hit(scenes, i, lifted, light) < 20
    image = _shade(scenes, surface, place, normal, shadow, towards)
    depth = near.clamp(NEAR, FAR)
    return (
        image.reshape(count, size, size, 3).permute(0, 3, 1, 2).contiguous(),
        depth.reshape(count, 1, size, size),
    )


def _wall_hits(scenes: _Scenes, towards: Tensor) -> Tensor:
    """Distances of the walls along the rays: (B, P, W), 1e3 where there is none."""
    along = torch.einsum("bpc,bwc->bpw", towards, scenes.normal)
    reach = scenes.offset[:, None] / torch.where(along.abs() < 1e-6, -1e-6, along)
    return torch.where((reach > 1e-3) & (along < 0), reach, 1e3)


def _object_hit(scenes: _Scenes, i: int, origin: Tensor, towards: Tensor) -> Tensor:
    """Distances of object ``i`` along rays: (B, P), 1e3 where there is none."""
    half = scenes.half[:, i, None]
    start = torch.einsum("bpc,bdc->bpd", origin - scenes.centre[:, i, None], scenes.frame[:, i])
    step = torch.einsum("bpc,bdc->bpd", towards, scenes.frame[:, i])
    start, step = start / half, step / half
    step = torch.where(step.abs() < 1e-7, 1e-7, step)
    if _KINDS[i] == "ellipsoid":
        enter, leave = _quadric(start, step)
    elif _KINDS[i] == "box":
        middle, reach = -start / step, 1 / step.abs()
        enter, leave = (middle - reach).amax(2), (middle + reach).amin(2)
    else:
        enter, leave = _quadric(start[..., ::2], step[..., ::2])
        middle, reach = -start[..., 1] / step[..., 1], 1 / step[..., 1].abs()
        enter, leave = torch.maximum(enter, middle - reach), torch.minimum(leave, middle + reach)
    return torch.where((enter < leave) & (enter > 1e-3), enter, 1e3)


def _quadric(start: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the unit sphere or circle."""
    a, b = (step * step).sum(2), (start * step).sum(2)
    root = b * b - a * ((start * start).sum(2) - 1)
    gap = torch.sqrt(root.clamp(min=0))
    enter = torch.where(root > 0, (-b - gap) / a, 1e3)
    return enter, torch.where(root > 0, (-b + gap) / a, -1e3)


def _normals(scenes: _Scenes, surface: Tensor, place: Tensor) -> Tensor:
    """Unit normals (B, P, 3), towards the camera's side."""
    count, k = scenes.centre.shape[:2]
    row = torch.arange(count)[:, None]
    wall = scenes.normal[row, (surface - k).clamp(0, _WALLS - 1)]
    which = surface.clamp(max=k - 1)
    frame, half = scenes.frame[row, which], scenes.half[row, which]
    local = torch.einsum("bpc,bpdc->bpd", place - scenes.centre[row, which], frame) / half
    kind = torch.tensor([("ellipsoid", "box", "cylinder").index(name) for name in _KINDS])[which]
    face = local * (local.abs() >= local.abs().amax(2, keepdim=True))
    cap = local[..., 1:2].abs() > torch.hypot(local[..., :1], local[..., 2:])
    tube = torch.where(cap, local * torch.tensor([0, 1, 0]), local * torch.tensor([1, 0, 1]))
    local = torch.where((kind == 1)[..., None], face, local)
    local = torch.where((kind == 2)[..., None], tube, local)
    found = _unit(torch.einsum("bpd,bpdc->bpc", local / half, frame))
    return torch.where((surface < k)[..., None], found, wall)


def _shade(
    scenes: _Scenes,
    surface: Tensor,
    place: Tensor,
    normal: Tensor,
    shadow: Tensor,
    towards: Tensor,
) -> Tensor:
    """Display-referred RGB (B, P, 3)."""
    row = torch.arange(len(surface))[:, None]
    sky = surface == scenes.colours.shape[1] - 1
    at = torch.where(sky[..., None], 2 * towards, place)
    wave, hard = scenes.waves[row, surface], scenes.hard[row, surface]
    phase = (wave[..., :3] * at[..., None, :]).sum(3) + wave[..., 3]
    swing = torch.sin(phase)
    signal = (swing * wave[..., 4]).sum(2) + hard[..., 1] * swing[..., :3].sign().prod(2)
    mix = torch.sigmoid(hard[..., 0] * signal)[..., None]
    colours = scenes.colours[row, surface]
    albedo = colours[..., 0, :] * mix + colours[..., 1, :] * (1 - mix)
    ambient, direct, gloss, gamma = (scenes.tone[:, j, None, None] for j in range(4))
    facing = (normal * scenes.light[:, None]).sum(2, keepdim=True)
    lit = facing.clamp(min=0) * ~shadow[..., None]
    above = 0.7 + 0.3 * (normal * scenes.up[:, None]).sum(2, keepdim=True)
    mirrored = 2 * facing * normal - scenes.light[:, None]
    glint = (-(mirrored * _unit(towards)).sum(2, keepdim=True)).clamp(min=0) ** 24
    linear = albedo * (ambient * above + direct * lit) + gloss * glint * (lit > 0)
    linear = torch.where(sky[..., None], 0.4 + 0.6 * albedo, linear)
    return (linear.clamp(0, 1) + 1e-6) ** gamma


def _turned(ahead: Tensor, right: Tensor, angle: Tensor) -> Tensor:
    return ahead * torch.cos(angle) + right * torch.sin(angle)


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.norm(dim=-1, keepdim=True).clamp(min=1e-9)


def _unit_rows(frame: Tensor) -> Tensor:
    """Gram and Schmidt's rows."""
    x = _unit(frame[..., 0, :])
    y = _unit(frame[..., 1, :] - (frame[..., 1, :] * x).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -2)
