"""The path of the camera: it meets its shots, bends without a corner, keeps its speed."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest

from pyengine.camera_path import OVERSHOOT, CameraPath
from pyengine.camera_shot import Shot

FOV = math.radians(50)
SPEED_TOLERANCE = 1e-3
"""Of a path around a subject: what three points of Gauss's rule a piece leave."""
STEPS = 400


def ring(*angles: float) -> list[Shot]:
    """Shots from around the origin, each a little higher."""
    eyes = [(4 * math.sin(a), -0.5 - 0.3 * i, -4 * math.cos(a)) for i, a in enumerate(angles)]
    return [Shot.of(eye, (0.0, 0.0, 0.0), FOV) for eye in eyes]


def anywhere(seed: int) -> list[Shot]:
    """Two to seven shots of all kinds."""
    rng = random.Random(seed)
    spread = 0.5 * (seed % 3)
    return [
        Shot.of(
            [rng.gauss(0, 3) for _ in range(3)],
            [rng.gauss(0, spread) for _ in range(3)],
            math.radians(rng.uniform(30, 70)),
        )
        for _ in range(rng.randint(2, 7))
    ]


RING = ring(0.0, 1.0, 2.2, 3.5, 4.5, 5.4)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_it_goes_through_its_shots(seed: int, closed: bool) -> None:
    shots = anywhere(seed)
    path = CameraPath(shots, closed)
    shares = path.shares()
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)
    for share, shot in zip(shares, [*shots, shots[0]] if closed else shots, strict=True):
        met = path.at(share)
        scale = 1 + max(map(abs, (*shot.eye, *shot.target)))
        assert math.dist(met.eye, shot.eye) < 1e-6 * scale
        assert math.dist(met.target, shot.target) < 1e-6 * scale
        assert met.fov == pytest.approx(shot.fov)


@pytest.mark.parametrize("closed", [False, True])
def test_speed_is_constant(closed: bool) -> None:
    path = CameraPath(RING, closed)
    rows = [path.row(i / STEPS) for i in range(STEPS + 1)]
    for a, b in pairwise(rows):
        assert math.dist(a, b) * STEPS == pytest.approx(path.length, rel=SPEED_TOLERANCE)


@pytest.mark.parametrize("closed", [False, True])
def test_the_tangent_has_no_jump_at_a_shot(closed: bool) -> None:
    path = CameraPath(RING, closed)
    step = 1e-5
    for share in path.shares()[1:-1]:
        before, here, after = (path.row(share + d) for d in (-step, 0.0, step))
        turn = math.dist(
            [b - a for a, b in zip(before, here, strict=True)],
            [b - a for a, b in zip(here, after, strict=True)],
        )
        assert turn < 1e-3 * path.length * step


def test_a_closed_path_has_no_corner_where_it_begins() -> None:
    path = CameraPath(RING, closed=True)
    assert path.is_closed
    step = 1e-5
    out = [b - a for a, b in zip(path.row(0), path.row(step), strict=True)]
    back = [b - a for a, b in zip(path.row(1 - step), path.row(1), strict=True)]
    assert math.dist(out, back) < 1e-3 * path.length * step


@pytest.mark.parametrize("seed", range(40))
def test_it_hardly_leaves_the_range_of_two_shots(seed: int) -> None:
    path = CameraPath(anywhere(seed), closed=seed % 2 == 0)
    shares = path.shares()
    for start, end in pairwise(shares):
        a, b = path.row(start), path.row(end)
        for i in range(21):
            row = path.row(start + (end - start) * i / 20)
            for low, value, high in zip(map(min, a, b), row, map(max, a, b), strict=True):
                most = OVERSHOOT * math.dist(a, b) + 1e-9
                assert low - most <= value <= high + most


def test_shots_around_a_subject_are_joined_by_an_arc() -> None:
    """A straight line between opposite sides would lead through the subject."""
    path = CameraPath(ring(0.0, math.pi - 0.1))
    for i in range(21):
        assert math.hypot(*path.at(i / 20).eye) > 3.9


def test_a_glance_from_one_place_stays_there() -> None:
    eye = (1.0, 2.0, 3.0)
    path = CameraPath([Shot.of(eye, (9, 2, 3), FOV), Shot.of(eye, (1, 2, -7), FOV)])
    for i in range(11):
        assert math.dist(path.at(i / 10).eye, eye) < 1e-9


def test_the_shorter_way_round() -> None:
    path = CameraPath(ring(math.radians(170), math.radians(-170)))
    for i in range(11):
        assert abs(math.degrees(path.at(i / 10).yaw)) > 169


def test_a_single_shot_and_twins() -> None:
    shot = RING[0]
    for path in (CameraPath([shot]), CameraPath([shot, shot])):
        assert path.length == 0
        assert path.at(0.5).eye == pytest.approx(shot.eye)
    assert CameraPath([shot, shot, RING[1]]).length == pytest.approx(CameraPath(RING[:2]).length)
    with pytest.raises(ValueError, match="needs a shot"):
        CameraPath([])
