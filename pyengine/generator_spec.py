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
from pyengine.fields import Fields
from pyengine.plan import OFFSET_ALIGNMENT, Range

if TYPE_CHECKING:  # a page with a still scene need not compile the contract's reader
    from pyengine.contract import Clip, Control, ImageFormat

__all__ = [
    "HEADER_BYTES",
    "INPUTS",
    "INSTANCE_BYTES",
    "MAX_INSTANCES",
    "ROLES",
    "FeedSpec",
    "GeneratorSpec",
    "Track",
    "inverse_of",
]

INPUTS = "inputs"
"""The buffer that the host fills whenever the generator runs."""
HEADER_BYTES = 256
"""f32 time in seconds, phase, playing (0 or 1), speed; u32 steps done. For the page; no kernel
reads it."""
INSTANCE_BYTES = 128
"""Model to world and world to model, 16 floats each, column-major."""

ROLES = (
    "camera.view",
    "camera.projection",
    "camera.position",
    "viewport",
    "camera.frustum",
    "time",
    "phase",
    "frame",
    "joints",
    "weights",
    "audio.mel",
    "pointer",
    "latent",
    "image",
    "control",
    "state",
)
"""What may fill an input; docs/contract.md says what each holds."""

MAX_INSTANCES = 1024
_MAX_COUNT = 1 << 28
_MAX_FEEDS = 256
_MAX_RANK = 64
_MAX_ELEMENTS = 1 << 26
_MAX_INPUT_BYTES = 256 << 20
_MAX_FRAMES = 1 << 20
_MAX_TRACK_BYTES = 1 << 30
_MAX_NAME = 1000
_MAX_HZ = 1000.0
_MAX_SECONDS = 1e6
_SINGULAR = 1e-12
"""Of the product of a matrix's column lengths: a determinant below it squashes space."""

_FOLDER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_DTYPE = re.compile(r"[a-z0-9_]+")
_COUNT_OF_ROLE = {"camera.view": 16, "camera.projection": 16, "camera.position": 3, "viewport": 4}
_COUNT_OF_ROLE |= {"camera.frustum": 8}
_COUNT_OF_ROLE |= dict.fromkeys(("time", "phase", "frame", "control"), 1)


@dataclass(frozen=True, slots=True)
class Track:
    """Values of an input over time: a file of f32 rows, one a frame, for one instance."""

    file: str
    frames: int
    fps: float
    loop: bool


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """An input of the program and what fills it.

    Attributes
    ----------
    shape : tuple of int
        Of the program's input: with a leading axis of instances where ``batched``.
    transposed : bool
        A matrix that multiplies row vectors from the right.
    default : tuple of float, optional
        Of one instance, C order.
    state : str, optional
        The output of the run before that is fed back.
    offsets_s : tuple of float, optional
        Seconds that each instance is ahead on the timeline.
    """

    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    batched: bool = False
    transposed: bool = False
    default: tuple[float, ...] | None = None
    control: Control | None = None
    image: ImageFormat | None = None
    state: str | None = None
    track: Track | None = None
    offsets_s: tuple[float, ...] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes in the buffer: 32-bit elements, at least one."""
        return 4 * max(1, math.prod(self.shape))

    @property
    def elements(self) -> int:
        """Elements of one instance."""
        return math.prod(self.shape[1:] if self.batched else self.shape)

    def to_dict(self) -> dict[str, Any]:
        """As scene.json has it."""
        control, image, track = self.control, self.image, self.track
        return {
            "name": self.name,
            "role": self.role,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "batched": self.batched,
            "transposed": self.transposed,
            "default": None if self.default is None else list(self.default),
            "control": control
            and {
                "label": control.label,
                "min": control.low,
                "max": control.high,
                "default": control.default,
            },
            "image": image
            and {
                "layout": image.layout,
                "height": image.height,
                "width": image.width,
                "channels": image.channels,
                "scale": list(image.scale),
                "offset": list(image.offset),
            },
            "state": self.state,
            "track": track
            and {
                "file": track.file,
                "frames": track.frames,
                "fps": track.fps,
                "loop": track.loop,
            },
            "offsets_s": None if self.offsets_s is None else list(self.offsets_s),
        }


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
            counted=_flag(fields, "counted"),
            transforms=tuple(
                _matrix(matrix, f"{where}: transforms[{i}]") for i, matrix in enumerate(matrices)
            ),
            feeds=fields.each("feeds", _MAX_FEEDS, lambda v, w: _feed(v, w, instances)),
            clip=None if fields["clip"] is None else _clip(fields["clip"], f"{where}: clip"),
            rate_hz=None if fields["rate"] is None else _number(fields, "rate", 0.001, _MAX_HZ),
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


def _feed(value: object, where: str, instances: int) -> FeedSpec:
    optional = ("default", "control", "image", "state", "track", "offsets_s")
    names = ("name", "role", "shape", "dtype", "batched", "transposed")
    fields = Fields(value, where, names, optional)
    name = fields.text("name", _MAX_NAME)
    where = f"{where} ({name})"
    feed = FeedSpec(
        name=name,
        role=fields.choice("role", ROLES),
        shape=fields.integers("shape", _MAX_RANK, 0, _MAX_ELEMENTS),
        dtype=fields.text("dtype", 20, _DTYPE),
        batched=_flag(fields, "batched"),
        transposed=_flag(fields, "transposed"),
        control=_optional(fields, "control", _control),
        image=_optional(fields, "image", _image),
        state=None if fields["state"] is None else fields.text("state", _MAX_NAME),
        track=_optional(fields, "track", _track),
        default=_floats(fields, "default", _MAX_ELEMENTS),
        offsets_s=_floats(fields, "offsets_s", instances),
    )
    if math.prod(feed.shape) > _MAX_ELEMENTS:
        raise BundleError(f"{where}: a shape of more than {_MAX_ELEMENTS} elements")
    if feed.batched and feed.shape[:1] != (instances,):
        raise BundleError(
            f"{where}: batched, so its first axis is {instances}, got {list(feed.shape)}"
        )
    wanted = _COUNT_OF_ROLE.get(feed.role, feed.elements)
    if feed.elements != wanted:
        raise BundleError(
            f"{where}: {feed.role} has {wanted} elements, got a shape of {list(feed.shape)}"
        )
    if (feed.role == "state") != (feed.state is not None):
        raise BundleError(f"{where}: 'state' names the output that a state comes from, no other's")
    if (feed.role == "control") != (feed.control is not None):
        raise BundleError(f"{where}: 'control' is there for the role control, and for no other")
    if feed.default is not None and len(feed.default) != feed.elements:
        raise BundleError(
            f"{where}: 'default' must be {feed.elements} numbers, got {len(feed.default)}"
        )
    if feed.offsets_s is not None and len(feed.offsets_s) != instances:
        raise BundleError(
            f"{where}: 'offsets_s' must be {instances} numbers, got {len(feed.offsets_s)}"
        )
    track_bytes = feed.track.frames * feed.elements * 4 if feed.track else 0
    if track_bytes > _MAX_TRACK_BYTES:
        raise BundleError(f"{where}: a track of {track_bytes >> 20} MiB is too long")
    return feed


def _control(value: object, where: str) -> Control:
    from pyengine.contract import Control

    fields = Fields(value, where, ("label", "min", "max", "default"))
    low, high = _number(fields, "min"), _number(fields, "max")
    if low > high:
        raise fields.fault("max", f"at least {low}")
    label = fields["label"]
    if not isinstance(label, str) or len(label) > _MAX_NAME:
        raise fields.fault("label", f"a string of at most {_MAX_NAME} characters")
    return Control(label, low, high, _number(fields, "default", low, high))


def _image(value: object, where: str) -> ImageFormat:
    from pyengine.contract import ImageFormat

    fields = Fields(value, where, ("layout", "height", "width", "channels", "scale", "offset"))
    return ImageFormat(
        layout=fields.choice("layout", ("nchw", "nhwc")),
        height=fields.integer("height", 1, 1 << 14),
        width=fields.integer("width", 1, 1 << 14),
        channels=fields.choice("channels", ("rgb", "bgr", "gray")),
        scale=_floats(fields, "scale", 4) or (),
        offset=_floats(fields, "offset", 4) or (),
    )


def _track(value: object, where: str) -> Track:
    fields = Fields(value, where, ("file", "frames", "fps", "loop"))
    return Track(
        file=fields.text("file", 100, _FOLDER),
        frames=fields.integer("frames", 1, _MAX_FRAMES),
        fps=_number(fields, "fps", 0.001, _MAX_HZ),
        loop=_flag(fields, "loop"),
    )


def _clip(value: object, where: str) -> Clip:
    from pyengine.contract import Clip

    fields = Fields(value, where, ("duration", "loop"))
    return Clip(_number(fields, "duration", 0.001, _MAX_SECONDS), _flag(fields, "loop"))


def _matrix(value: object, where: str) -> tuple[float, ...]:
    """16 numbers of an affine map that has an inverse."""
    fields = Fields({"matrix": value}, where, ("matrix",))
    m = _floats(fields, "matrix", 16) or ()
    if len(m) != 16 or (m[3], m[7], m[11], m[15]) != (0, 0, 0, 1):
        raise BundleError(f"{where}: wanted 16 numbers, column-major, the last row 0 0 0 1")
    x, y, z = m[0:3], m[4:7], m[8:11]
    cross = (y[1] * z[2] - y[2] * z[1], y[2] * z[0] - y[0] * z[2], y[0] * z[1] - y[1] * z[0])
    volume = abs(sum(a * b for a, b in zip(x, cross, strict=True)))
    if not volume > _SINGULAR * math.hypot(*x) * math.hypot(*y) * math.hypot(*z):
        raise BundleError(f"{where}: flattens space: its determinant is {volume:g}")
    return m


def _optional(fields: Fields, name: str, read: Any) -> Any:
    return None if fields[name] is None else read(fields[name], f"{fields.where}: {name}")


def _flag(fields: Fields, name: str) -> bool:
    value = fields[name]
    if not isinstance(value, bool):
        raise fields.fault(name, "true or false")
    return value


def _number(fields: Fields, name: str, low: float = -1e30, high: float = 1e30) -> float:
    value = fields[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise fields.fault(name, f"a number {low:g}..{high:g}")
    return float(value)


def _floats(fields: Fields, name: str, most: int) -> tuple[float, ...] | None:
    """At most so many finite numbers, or None."""
    if fields[name] is None:
        return None
    values = fields.list(name, most)
    for value in values:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not abs(value) <= 3.4e38:
            raise fields.fault(name, "finite numbers")
    return tuple(float(value) for value in values)


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
