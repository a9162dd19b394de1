"""What scene.json says of a generator: the key ``generator``, checked before anything trusts it.

Also where each input lies in the buffer `INPUTS`, which the host fills: a header for the page, the
instances' matrices, then the inputs, each on a multiple of 256 bytes.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyengine.errors import BundleError
from pyengine.feeds import FeedSpec, read_feed
from pyengine.fields import Fields
from pyengine.plan import OFFSET_ALIGNMENT, Range

if TYPE_CHECKING:  # a page with a still scene need not compile the contract's reader
    from pyengine.contract import Clip

__all__ = [
    "HEADER_BYTES",
    "INPUTS",
    "INSTANCE_BYTES",
    "MAX_INSTANCES",
    "GeneratorSpec",
    "inverse_of",
]

INPUTS = "inputs"
"""The buffer that the host fills whenever the generator runs."""
HEADER_BYTES = 256
"""f32 time in seconds, phase, playing (0 or 1), speed; u32 steps done. For the page; no kernel
reads it."""
INSTANCE_BYTES = 128
"""Model to world and world to model, 16 floats each, column-major."""

MAX_INSTANCES = 1024
_MAX_COUNT = 1 << 28
_MAX_FEEDS = 256
_MAX_INPUT_BYTES = 256 << 20
_MAX_HZ = 1000.0
_MAX_SECONDS = 1e6
_SINGULAR = 1e-12
"""Of the product of a matrix's column lengths: a determinant below it squashes space."""

_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class GeneratorSpec:
    """A generator in a bundle.

    Attributes
    ----------
    program : str
        Subfolder of the bundle that holds the compiled program.
    instances : int
        Copies that one run of the program makes.
    capacity : int
        Rows of each instance.
    counted : bool
        The program says how many rows of each instance are alive.
    transforms : tuple of tuples of 16 floats
        Model to world of each instance, column-major, PLY axes.
    clip : Clip, optional
        The stretch of time that is covered.
    rate_hz : float, optional
        Steps a second of a generator with state.
    """

    program: str
    instances: int
    capacity: int
    counted: bool
    transforms: tuple[tuple[float, ...], ...]
    feeds: tuple[FeedSpec, ...]
    clip: Clip | None = None
    rate_hz: float | None = None

    @property
    def stateful(self) -> bool:
        """Whether a run depends on the run before."""
        return any(feed.role == "state" for feed in self.feeds)

    def layout(self) -> dict[str, Range]:
        """Where each input that the host fills lies in `INPUTS`, by its name; states have none."""
        at = HEADER_BYTES + self.transforms_range.size_bytes
        ranges = {}
        for feed in self.feeds:
            if feed.role != "state":
                at = -(-at // OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT
                ranges[feed.name] = Range(INPUTS, at, feed.size_bytes)
                at += feed.size_bytes
        return ranges

    @property
    def transforms_range(self) -> Range:
        """Where the instances' matrices lie."""
        return Range(INPUTS, HEADER_BYTES, self.instances * INSTANCE_BYTES)

    @property
    def input_bytes(self) -> int:
        """Size of `INPUTS`; kernels may bind up to the next multiple of 256."""
        ranges = [self.transforms_range, *self.layout().values()]
        end = max(part.offset_bytes + part.size_bytes for part in ranges)
        return -(-end // OFFSET_ALIGNMENT) * OFFSET_ALIGNMENT

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        return {
            "program": self.program,
            "instances": self.instances,
            "capacity": self.capacity,
            "counted": self.counted,
            "transforms": [list(matrix) for matrix in self.transforms],
            "feeds": [feed.to_dict() for feed in self.feeds],
            "clip": self.clip and {"duration": self.clip.duration_s, "loop": self.clip.loop},
            "rate": self.rate_hz,
        }

    @classmethod
    def parse(cls, value: object, where: str = "scene.json: generator") -> GeneratorSpec:
        """Read and check.

        Raises
        ------
        BundleError
            A key that is missing or unknown, a value of the wrong type or range, a matrix without
            an inverse, inputs that no buffer could hold.
        """
        names = ("program", "instances", "capacity", "counted", "transforms", "feeds")
        fields = Fields(value, where, names, ("clip", "rate"))
        instances = fields.integer("instances", 1, MAX_INSTANCES)
        matrices = fields.list("transforms", instances)
        if len(matrices) != instances:
            raise BundleError(f"{where}: wanted {instances} 'transforms', got {len(matrices)}")
        spec = cls(
            program=fields.text("program", 100, _FOLDER),
            instances=instances,
            capacity=fields.integer("capacity", 0, _MAX_COUNT // instances),
            counted=fields.flag("counted"),
            transforms=tuple(
                _matrix(matrix, f"{where}: transforms[{i}]") for i, matrix in enumerate(matrices)
            ),
            feeds=fields.each("feeds", _MAX_FEEDS, lambda v, w: read_feed(v, w, instances)),
            clip=None if fields["clip"] is None else _clip(fields["clip"], f"{where}: clip"),
            rate_hz=None if fields["rate"] is None else fields.number("rate", 0.001, _MAX_HZ),
        )
        told = [feed.name for feed in spec.feeds]
        if len(set(told)) != len(told):
            twice = next(name for name in told if told.count(name) > 1)
            raise BundleError(f"{where}: the input {twice!r} is there twice")
        if spec.input_bytes > _MAX_INPUT_BYTES:
            raise BundleError(
                f"{where}: inputs of {spec.input_bytes >> 20} MiB; at most "
                f"{_MAX_INPUT_BYTES >> 20} are taken"
            )
        return spec


def _clip(value: object, where: str) -> Clip:
    from pyengine.contract import Clip

    fields = Fields(value, where, ("duration", "loop"))
    return Clip(fields.number("duration", 0.001, _MAX_SECONDS), fields.flag("loop"))


def _matrix(value: object, where: str) -> tuple[float, ...]:
    """16 numbers of an affine map that has an inverse."""
    fields = Fields({"matrix": value}, where, ("matrix",))
    m = fields.floats("matrix", 16) or ()
    if len(m) != 16 or (m[3], m[7], m[11], m[15]) != (0, 0, 0, 1):
        raise BundleError(f"{where}: wanted 16 numbers, column-major, the last row 0 0 0 1")
    x, y, z = m[0:3], m[4:7], m[8:11]
    cross = (y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0])
    volume = abs(sum(a * b for a, b in zip(x, cross, strict=True)))
    if not volume > _SINGULAR * math.hypot(*x) * math.hypot(*y) * math.hypot(*z):
        raise BundleError(f"{where}: flattens space: its determinant is {volume:g}")
    return m


def inverse_of(matrix: tuple[float, ...]) -> tuple[float, ...]:
    """The inverse of an affine map; 16 numbers, column-major, in and out."""
    x, y, z, t = (matrix[i : i + 3] for i in (0, 4, 8, 12))
    rows = (_cross(y, z), _cross(z, x), _cross(x, y))
    volume = sum(a * b for a, b in zip(x, rows[0], strict=True))
    scaled = [[value / volume for value in row] for row in rows]
    columns = [value for axis in range(3) for value in (*(row[axis] for row in scaled), 0.0)]
    moved = [-sum(a * b for a, b in zip(row, t, strict=True)) for row in scaled]
    return (*columns, *moved, 1.0)


def _cross(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
