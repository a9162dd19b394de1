"""An input of a program and what fills it, as scene.json says it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyengine.errors import BundleError
from pyengine.fields import Fields

if TYPE_CHECKING:  # a page with a still scene need not compile the contract's reader
    from pyengine.contract import Control, ImageFormat

__all__ = ["ROLES", "FeedSpec", "Track", "read_feed"]

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
    "background",
)
"""What may fill an input; docs/contract.md says what each holds."""

_MAX_RANK = 64
_MAX_ELEMENTS = 1 << 26
_MAX_FRAMES = 1 << 20
_MAX_TRACK_BYTES = 1 << 30
_MAX_NAME = 1000
_MAX_HZ = 1000.0

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_DTYPE = re.compile(r"[a-z0-9_]+")
_COUNT_OF_ROLE = {"camera.view": 16, "camera.projection": 16, "camera.position": 3, "viewport": 4}
_COUNT_OF_ROLE |= {"camera.frustum": 8, "background": 4}
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

    def named(self, name: str) -> FeedSpec:
        """The same under another name."""
        return replace(self, name=name)

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


def read_feed(value: object, where: str, instances: int = 1) -> FeedSpec:
    """Read and check an input's description.

    Raises
    ------
    BundleError
        A key that is missing or unknown, or a value of the wrong type or range.
    """
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
        batched=fields.flag("batched"),
        transposed=fields.flag("transposed"),
        control=fields.optional("control", _control),
        image=fields.optional("image", _image),
        state=None if fields["state"] is None else fields.text("state", _MAX_NAME),
        track=fields.optional("track", _track),
        default=fields.floats("default", _MAX_ELEMENTS),
        offsets_s=fields.floats("offsets_s", instances),
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
    low, high = fields.number("min"), fields.number("max")
    if low > high:
        raise fields.fault("max", f"at least {low}")
    label = fields["label"]
    if not isinstance(label, str) or len(label) > _MAX_NAME:
        raise fields.fault("label", f"a string of at most {_MAX_NAME} characters")
    return Control(label, low, high, fields.number("default", low, high))


def _image(value: object, where: str) -> ImageFormat:
    from pyengine.contract import ImageFormat

    fields = Fields(value, where, ("layout", "height", "width", "channels", "scale", "offset"))
    return ImageFormat(
        layout=fields.choice("layout", ("nchw", "nhwc")),
        height=fields.integer("height", 1, 1 << 14),
        width=fields.integer("width", 1, 1 << 14),
        channels=fields.choice("channels", ("rgb", "bgr", "gray")),
        scale=fields.floats("scale", 4) or (),
        offset=fields.floats("offset", 4) or (),
    )


def _track(value: object, where: str) -> Track:
    fields = Fields(value, where, ("file", "frames", "fps", "loop"))
    return Track(
        file=fields.text("file", 100, _FILE),
        frames=fields.integer("frames", 1, _MAX_FRAMES),
        fps=fields.number("fps", 0.001, _MAX_HZ),
        loop=fields.flag("loop"),
    )
