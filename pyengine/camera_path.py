"""A smooth path of the camera through several shots, at a constant speed.

A shot is seven numbers: a leading point, the logarithm of the distance, yaw, pitch, and the
logarithm of the field of view's tangent. A centripetal Catmull-Rom spline goes through them: it
passes each shot, has a continuous tangent, and makes neither cusps nor loops between two shots
(Yuksel, Schaefer, Keyser 2011, "Parameterization and applications of Catmull-Rom curves"). Then
time is measured by the length of that curve. Points are in units of the shots' mean distance, so
that lengths and angles (radians) weigh alike.

The leading point is the targets or the eyes, whichever travel less: shots around a subject are
joined by arcs about it, glances from one place by turns at it. The eye never meets the target.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from pyengine.camera_shot import PITCH_LIMIT, Shot

__all__ = ["OVERSHOOT", "CameraPath"]

OVERSHOOT = 0.25
"""Between two shots no number leaves their range by more than this share of their distance."""

SAME = 1e-9
"""Shots nearer to each other than this are one."""
PIECES = 16
"""Pieces of a segment whose lengths are measured."""

Row = tuple[float, ...]


class CameraPath:
    """A curve through shots.

    Parameters
    ----------
    shots : sequence of Shot
        At least one; neighbours that are the same count once.
    closed : bool
        Go on from the last to the first, smoothly.

    Attributes
    ----------
    length : float
        Of the whole path, in mean distances and radians; 0 for a single shot.
    """

    def __init__(self, shots: Sequence[Shot], closed: bool = False) -> None:
        if not shots:
            raise ValueError("a path needs a shot")
        self._by_eye = _eyes_travel_less(shots)
        self._unit = sum(shot.distance for shot in shots) / len(shots)
        rows = [self._row(shot) for shot in shots]
        if closed and len(rows) > 1:
            rows.append(rows[0])
        rows = _without_twins(_unwound(rows))
        self._closed = closed and len(rows) > 3 and _same_place(rows[0], rows[-1])
        self._rows = rows
        self._knots = [0.0]
        for a, b in pairwise(rows):
            self._knots.append(self._knots[-1] + math.sqrt(math.dist(a, b)))
        self._places, self._lengths = self._measured()
        self.length = self._lengths[-1]

    @property
    def is_closed(self) -> bool:
        """Whether its end is its beginning."""
        return self._closed

    def at(self, share: float) -> Shot:
        """The shot at a share of the path's length, 0 to 1; what is beyond is its end."""
        return self._shot(self._point(self._place(share)))

    def shares(self) -> list[float]:
        """Where on the path each shot is that it was made of, 0 to 1."""
        if not self.length:
            return [0.0]
        return [self._lengths[i] / self.length for i in range(0, len(self._lengths), PIECES)]

    def row(self, share: float) -> Row:
        """The seven numbers of `at`, which the path is measured in."""
        return self._point(self._place(share))

    def _row(self, shot: Shot) -> Row:
        point = shot.eye if self._by_eye else shot.target
        x, y, z = (value / self._unit for value in point)
        tangent = math.tan(shot.fov / 2)
        return (x, y, z, math.log(shot.distance), shot.yaw, shot.pitch, math.log(tangent))

    def _shot(self, row: Row) -> Shot:
        x, y, z = (value * self._unit for value in row[:3])
        distance, pitch = math.exp(row[3]), min(max(row[5], -PITCH_LIMIT), PITCH_LIMIT)
        yaw = math.remainder(row[4], 2 * math.pi)
        shot = Shot((x, y, z), distance, yaw, pitch, 2 * math.atan(math.exp(row[6])))
        if not self._by_eye:
            return shot
        a, b, c = shot.axes[2]
        target = (x + distance * a, y + distance * b, z + distance * c)
        return Shot(target, distance, yaw, pitch, shot.fov)

    def _measured(self) -> tuple[list[float], list[float]]:
        """Places along the knots, and the length of the curve up to each."""
        places, lengths = [0.0], [0.0]
        for a, b in pairwise(self._knots):
            for i in range(PIECES):
                start, end = a + (b - a) * i / PIECES, a + (b - a) * (i + 1) / PIECES
                lengths.append(lengths[-1] + self._length(start, end))
                places.append(end)
        return places, lengths

    def _length(self, start: float, end: float) -> float:
        """Of the curve between two places, by Gauss's rule with three points."""
        middle, half = (start + end) / 2, (end - start) / 2
        total = 0.0
        for offset, weight in ((-math.sqrt(0.6), 5 / 9), (0.0, 8 / 9), (math.sqrt(0.6), 5 / 9)):
            total += weight * math.hypot(*self._tangent(middle + half * offset))
        return total * half

    def _place(self, share: float) -> float:
        """The place at a share of the length: from the table, then by Newton's method."""
        wanted = min(max(share, 0.0), 1.0) * self.length
        piece = min(max(bisect_right(self._lengths, wanted) - 1, 0), len(self._lengths) - 2)
        if piece < 0:
            return 0.0
        start, end = self._places[piece], self._places[piece + 1]
        long = self._lengths[piece + 1] - self._lengths[piece]
        left = wanted - self._lengths[piece]
        place = start + (end - start) * (left / long if long else 0.0)
        for _ in range(2):
            speed = math.hypot(*self._tangent(place))
            if speed:
                place += (left - self._length(start, place)) / speed
            place = min(max(place, start), end)
        return place

    def _segment(self, place: float) -> tuple[int, float, float]:
        """Index of the segment, its extent along the knots, and the share of it before a place."""
        last = len(self._knots) - 2
        index = min(max(bisect_right(self._knots, place) - 1, 0), last)
        extent = self._knots[index + 1] - self._knots[index]
        return index, extent, (place - self._knots[index]) / extent

    def _point(self, place: float) -> Row:
        if len(self._rows) == 1:
            return self._rows[0]
        index, extent, u = self._segment(place)
        a, b = self._rows[index], self._rows[index + 1]
        h = (2 * u**3 - 3 * u**2 + 1, u**3 - 2 * u**2 + u, 3 * u**2 - 2 * u**3, u**3 - u**2)
        slopes = zip(a, self._slope(index), b, self._slope(index + 1), strict=True)
        return tuple(h[0] * p + h[1] * extent * m + h[2] * q + h[3] * extent * n
                     for p, m, q, n in slopes)  # fmt: skip

    def _tangent(self, place: float) -> Row:
        """The derivative of `_point`."""
        index, extent, u = self._segment(place)
        a, b = self._rows[index], self._rows[index + 1]
        h = (6 * u**2 - 6 * u, 3 * u**2 - 4 * u + 1, 6 * u - 6 * u**2, 3 * u**2 - 2 * u)
        slopes = zip(a, self._slope(index), b, self._slope(index + 1), strict=True)
        return tuple((h[0] * p + h[2] * q) / extent + h[1] * m + h[3] * n for p, m, q, n in slopes)

    def _slope(self, index: int) -> Row:
        """The derivative of the spline at a shot: Catmull-Rom's with its own knots."""
        rows, knots, last = self._rows, self._knots, len(self._rows) - 1
        if last == 1:
            return _differences(rows[0], rows[1], knots[1])
        if self._closed and index in (0, last):
            turn = [b - a for a, b in zip(rows[0], rows[last], strict=True)]  # of the yaw
            before = tuple(a - b for a, b in zip(rows[last - 1], turn, strict=True))
            return _slope_of(
                (before, rows[0], rows[1]), (knots[last] - knots[last - 1], knots[1] - knots[0])
            )
        if index in (0, last):  # the parabola's through that end, its neighbour and the slope there
            near = 1 if index == 0 else last - 1
            chord = _differences(rows[index], rows[near], knots[near] - knots[index])
            return tuple(2 * c - m for c, m in zip(chord, self._slope(near), strict=True))
        parts = (rows[index - 1], rows[index], rows[index + 1])
        return _slope_of(parts, (knots[index] - knots[index - 1], knots[index + 1] - knots[index]))


def _slope_of(rows: tuple[Row, Row, Row], extents: tuple[float, float]) -> Row:
    """The derivative at the middle one of three: of the parabola through them."""
    (a, b, c), (d, e) = rows, extents
    return tuple(
        (e * (y - x) / d + d * (z - y) / e) / (d + e) for x, y, z in zip(a, b, c, strict=True)
    )


def _differences(a: Row, b: Row, extent: float) -> Row:
    return tuple((y - x) / extent for x, y in zip(a, b, strict=True))


def _eyes_travel_less(shots: Sequence[Shot]) -> bool:
    eyes = [shot.eye for shot in shots]
    targets = [shot.target for shot in shots]
    return _travel(eyes) < _travel(targets)


def _travel(points: Sequence[Sequence[float]]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(points))


def _unwound(rows: list[Row]) -> list[Row]:
    """With yaws that never jump: each is the nearest to the one before."""
    found = rows[:1]
    for row in rows[1:]:
        yaw = found[-1][4] + math.remainder(row[4] - found[-1][4], 2 * math.pi)
        found.append((*row[:4], yaw, *row[5:]))
    return found


def _without_twins(rows: list[Row]) -> list[Row]:
    found = rows[:1]
    for row in rows[1:]:
        if math.dist(row, found[-1]) > SAME:
            found.append(row)
    return found


def _same_place(a: Row, b: Row) -> bool:
    """The same but for whole turns."""
    turn = math.remainder(a[4] - b[4], 2 * math.pi)
    others = math.dist((*a[:4], *a[5:]), (*b[:4], *b[5:]))
    return math.hypot(turn, others) < 1e-6
