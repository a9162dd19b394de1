"""Make the sample scene: a bell jar of curiosities in about 180,000 Gaussians.

::

    python assets/make_sample.py sample.ply [--count N] [--seed S]

Everything is modelled and lit by these scripts; nothing is downloaded. The same count and seed
give the same file.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from assets.sample.bake import bake
from assets.sample.butterflies import butterfly
from assets.sample.meadow import daisies, toadstool
from assets.sample.patterns import linear
from assets.sample.plants import fern, flower, ground, ground_height, moss, pebble
from assets.sample.shade import TO_PLY, shade
from assets.sample.shell import nautilus
from assets.sample.stand import bell, brass, bubble, plinth, table
from assets.sample.surfaces import Part, joined, part, placed, turn
from pybuild.gaussians import Gaussians

__all__ = ["DEFAULT_COUNT", "SAMPLE_CAMERA", "make_sample"]

DEFAULT_COUNT = 180_000
MIDDLE_HEIGHT = 0.72
"""The model's table lies at y = 0; this height becomes the origin."""
SAMPLE_CAMERA = {"eye": [0.86, -0.56, -2.95], "target": [0.0, 0.075, 0.0], "fov": 40}
"""A first view, in PLY axes (up is -y); the field of view is vertical, in degrees."""


def make_sample(count: int = DEFAULT_COUNT, seed: int = 7) -> Gaussians:
    """The scene as a cloud in PLY axes, centred near the origin, about 2.4 units wide.

    Parameters
    ----------
    count : int
        About how many Gaussians, to 10 %. Fewer are larger, so surfaces stay closed; under some
        20,000 the small things lose splats and the scene is only good for tests.
    seed : int
        Where the scattered things lie.
    """
    rng = np.random.default_rng(seed)
    p = _thinned(_scene(math.sqrt(DEFAULT_COUNT / count), rng), count, rng)
    sh = shade(p, bake(p))
    centre = np.array([0, MIDDLE_HEIGHT, 0])
    axes = np.stack([p.tangent, np.cross(p.normal, p.tangent), p.normal], axis=2)
    return Gaussians(
        positions=((p.position - centre) * TO_PLY).astype(np.float32),
        log_scales=np.log(p.sigma).astype(np.float32),
        quaternions=_quaternions(axes * TO_PLY[None, :, None]).astype(np.float32),
        opacity_logits=np.log(p.opacity / (1 - p.opacity)).astype(np.float32),
        sh=sh,
    )


def _scene(grain: float, rng: np.random.Generator) -> Part:
    """Every object at its place; ``grain`` scales the spacing of the splats."""
    parts = [
        table(0.0140 * grain),
        plinth(0.0125 * grain),
        brass(0.0100 * grain),
        bell(0.0150 * grain),
        ground(0.0140 * grain),
        moss(round(34_000 / grain**2), rng),
        *_stones(0.0075 * grain, rng),
        *_toadstools(0.0060 * grain),
        daisies(46, rng),
        *_ferns(rng),
        *_flowers(0.0072 * grain, rng),
        _shell(0.0055 * grain),
        *_butterflies(0.0056 * grain),
        *_bubbles(0.011 * grain),
        _motes(rng),
    ]
    return joined(parts)


def _thinned(p: Part, count: int, rng: np.random.Generator) -> Part:
    """At most a tenth more than ``count`` splats; the rest go, and what stays grows."""
    n = len(p.position)
    if n <= 1.1 * count:
        return p
    kept = np.sort(rng.permutation(n)[:count])
    values = {f.name: getattr(p, f.name)[kept] for f in fields(Part)}
    values["sigma"] = values["sigma"] * math.sqrt(n / count)
    return Part(**values)


def _shell(spacing: float) -> Part:
    size = 0.365
    rotation = turn(y_deg=22) @ turn(x_deg=14) @ turn(z_deg=-8)
    return placed(nautilus(spacing / size), rotation, (-0.04, 0.575, 0.13), size)


def _flowers(spacing: float, rng: np.random.Generator) -> list[Part]:
    table_of = [
        # root x, z; head; facing; radius; palette
        ((0.16, -0.16), (0.27, 1.02, -0.10), (0.35, 0.62, 0.75), 0.205, "coral"),
        ((-0.12, -0.22), (-0.27, 1.10, -0.12), (-0.30, 0.70, 0.70), 0.185, "violet"),
        ((0.02, -0.26), (0.02, 1.25, -0.16), (0.05, 0.80, 0.62), 0.185, "cream"),
        ((0.30, 0.02), (0.44, 0.72, 0.10), (0.50, 0.60, 0.62), 0.145, "rose"),
        ((-0.32, -0.05), (-0.44, 0.80, 0.02), (-0.45, 0.65, 0.60), 0.145, "coral"),
        ((0.10, -0.36), (0.16, 0.86, -0.40), (0.30, 0.60, -0.74), 0.150, "rose"),
        ((-0.14, -0.36), (-0.20, 0.70, -0.44), (-0.30, 0.60, -0.74), 0.130, "violet"),
    ]
    flowers = []
    for (x, z), head, facing, radius, palette in table_of:
        root = (x, float(ground_height(np.array([x]), np.array([z]))[0]), z)
        flowers.append(flower(root, head, facing, radius, palette, spacing, rng))
    return flowers


def _toadstools(spacing: float) -> list[Part]:
    table_of = [
        # x, z, height, radius of the cap, lean about x and z
        (-0.36, 0.30, 0.130, 0.062, (6.0, 8.0)),
        (-0.29, 0.37, 0.085, 0.044, (14.0, -6.0)),
        (-0.42, 0.22, 0.075, 0.040, (-4.0, 16.0)),
        (0.33, 0.20, 0.100, 0.050, (8.0, -10.0)),
        (0.40, 0.25, 0.065, 0.034, (12.0, -18.0)),
        (-0.02, -0.46, 0.120, 0.058, (-10.0, 4.0)),
    ]
    grown = []
    for x, z, height, cap, lean_deg in table_of:
        y = float(ground_height(np.array([x]), np.array([z]))[0])
        grown.append(toadstool((x, y, z), height, cap, lean_deg, spacing))
    return grown


def _ferns(rng: np.random.Generator) -> list[Part]:
    ferns = []
    for k in range(17):
        heading = 360 * k / 17 + rng.normal(0, 8)
        if 222 < heading % 360 < 348:  # leave the view on the shell open
            continue
        start = turn(y_deg=heading) @ np.array([rng.uniform(0.10, 0.2), 0, 0])
        start[1] = ground_height(start[:1], start[2:])[0]
        length = rng.uniform(0.30, 0.42)
        ferns.append(fern(start, heading, length, rng.uniform(0.55, 0.95), rng))
    return ferns


def _stones(spacing: float, rng: np.random.Generator) -> list[Part]:
    tones = [(0.45, 0.46, 0.50), (0.62, 0.56, 0.50), (0.30, 0.34, 0.36), (0.58, 0.40, 0.34)]
    stones = []
    for k in range(17):
        angle = 2 * math.pi * (k * 0.381966 + 0.03)
        radius = rng.uniform(0.40, 0.54)
        x, z = radius * math.cos(angle), radius * math.sin(angle)
        size = rng.uniform(0.026, 0.062) * np.array([1.25, 0.68, 1.0])
        y = float(ground_height(np.array([x]), np.array([z]))[0]) + size[1] * 0.45
        stones.append(pebble((x, y, z), size, linear(*tones[k % 4]), spacing, k))
    return stones


def _butterflies(spacing: float) -> list[Part]:
    table_of = [
        # place, size, flap, rotation
        ((0.08, 0.965, 0.22), 0.190, 24, turn(x_deg=52, y_deg=-14, z_deg=8)),
        ((-0.31, 0.64, 0.31), 0.145, 44, turn(x_deg=18, y_deg=50, z_deg=14)),
        ((0.31, 1.25, 0.08), 0.135, 24, turn(x_deg=50, y_deg=-60, z_deg=-12)),
    ]
    return [
        placed(butterfly(spacing / size, flap, k), rotation, place, size)
        for k, (place, size, flap, rotation) in enumerate(table_of)
    ]


def _bubbles(spacing: float) -> list[Part]:
    table_of = [
        ((-0.17, 0.98, 0.30), 0.060),
        ((0.34, 0.93, 0.30), 0.042),
        ((-0.40, 1.06, 0.16), 0.034),
        ((0.30, 0.50, 0.44), 0.036),
        ((-0.05, 1.13, 0.26), 0.026),
        ((0.40, 0.62, -0.28), 0.050),
    ]
    return [bubble(at, radius, spacing, k) for k, (at, radius) in enumerate(table_of)]


def _motes(rng: np.random.Generator) -> Part:
    """Fireflies: a bright point in a soft glow each."""
    n = 22
    angle, radius = rng.uniform(0, 2 * np.pi, n), 0.5 * np.sqrt(rng.uniform(0.05, 1, n))
    place = np.stack(
        [radius * np.cos(angle), rng.uniform(0.42, 1.2, n), radius * np.sin(angle)], axis=1
    )
    up, side = np.tile([0.0, 1.0, 0.0], (n, 1)), np.tile([1.0, 0.0, 0.0], (n, 1))
    core = part(place, up, side, 0.0042, 0.0, opacity=0.95, emission=(3.2, 2.3, 0.9), specular=0.0)
    glow = part(place, up, side, 0.016, 0.0, opacity=0.16, emission=(2.0, 1.1, 0.3), specular=0.0)
    return joined([core, glow])


def _quaternions(axes: np.ndarray) -> np.ndarray:
    """Unit quaternions (w, x, y, z) of (n, 3, 3) rotations, by the largest component."""
    m = [[axes[:, r, c] for c in range(3)] for r in range(3)]
    w = 1 + m[0][0] + m[1][1] + m[2][2]
    x = 1 + m[0][0] - m[1][1] - m[2][2]
    y = 1 - m[0][0] + m[1][1] - m[2][2]
    z = 1 - m[0][0] - m[1][1] + m[2][2]
    zy, xz, yx = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, zx, yz = m[1][0] + m[0][1], m[0][2] + m[2][0], m[2][1] + m[1][2]
    rows = np.array([[w, zy, xz, yx], [zy, x, xy, zx], [xz, xy, y, yz], [yx, zx, yz, z]])
    largest = np.argmax(np.array([w, x, y, z]), axis=0)
    q = rows[largest, :, np.arange(axes.shape[0])]
    return np.asarray(q / np.linalg.norm(q, axis=1, keepdims=True))


def main() -> None:
    """Write the scene to the path given on the command line."""
    parser = argparse.ArgumentParser(description="Make Vitrine's sample scene.")
    parser.add_argument("out", type=Path, metavar="OUT.ply")
    parser.add_argument("--count", type=int, default=DEFAULT_COUNT, help="about how many splats")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.count < 1000:
        parser.error(f"--count must be at least 1000, got {arguments.count}")
    from pybuild import formats

    scene = make_sample(arguments.count, arguments.seed)
    formats.write(arguments.out, scene)
    print(f"{arguments.out}: {scene.count} Gaussians, SH degree {scene.sh_degree}")


if __name__ == "__main__":
    main()
