"""The bundle's description, `scene.json`: what the build writes and the engine trusts after this.

A bundle is a folder: ``scene.json`` and one file a GPU buffer, named by its content's hash. The
layout of the buffers is in docs/formats.md; `pybuild.pack` writes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyengine.errors import BundleError
from pyengine.filter_spec import MAX_FILTERS, FilterSpec
from pyengine.generator_spec import GeneratorSpec
from pyengine.structs import ChunkBox

if TYPE_CHECKING:  # a page with one file's scene need not compile it
    from pyengine.object_spec import ObjectSpec

__all__ = ["CHUNK_SIZE", "OBJECTS", "SH_WORDS", "VERSION", "BufferFile", "Pose", "Scene"]

VERSION = 1
CHUNK_SIZE = 256
"""Gaussians a chunk; also the workgroup of the project pass and the digits of a sort pass."""

SH_WORDS = (0, 3, 6, 12)
"""32-bit words of SH a Gaussian for degree 0 to 3, above the DC term."""

OBJECTS = "objects"
"""The buffer that says where each object of a scene stands: see `pyengine.objects`."""

MAX_COUNT = 1 << 28


@dataclass(frozen=True, slots=True)
class BufferFile:
    """One binary file of the bundle and the buffer it fills."""

    file: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera starts: world units, field of view over the shorter side in degrees."""

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    fov_deg: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A packed scene.

    Attributes
    ----------
    count : int
        Gaussians; the buffers hold whole chunks, the last one padded with transparent ones.
    sh_degree : int
        0 to 3.
    bounds : two points
        Smallest and largest coordinates of all centres, world units.
    buffers : mapping
        ``chunks``, ``geometry``, ``color`` and, above degree 0, ``sh``; none where the Gaussians
        come of a generator.
    objects : tuple of ObjectSpec
        What several scene files brought, perhaps with a generator as the last; empty where the
        scene is of one alone. ``bounds`` are those of the objects as they stand at first.
    generator : GeneratorSpec, optional
        The network that makes the Gaussians; ``count`` is the most that it makes.
    filters : tuple of FilterSpec
        Networks that may be run on the image.
    """

    count: int
    sh_degree: int
    antialiased: bool
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    pose: Pose
    background: tuple[float, float, float]
    buffers: Mapping[str, BufferFile]
    generator: GeneratorSpec | None = None
    filters: tuple[FilterSpec, ...] = ()
    objects: tuple[ObjectSpec, ...] = ()

    @property
    def chunk_count(self) -> int:
        """Chunks of `CHUNK_SIZE` Gaussians; each instance of a generator begins a new one, and
        each object.
        """
        if self.objects:
            return sum(item.chunks[1] for item in self.objects)
        if self.generator is not None:
            return self.generator.instances * -(-self.generator.capacity // CHUNK_SIZE)
        return -(-self.count // CHUNK_SIZE)

    def expected_sizes(self) -> dict[str, int]:
        """Bytes that each buffer must have; an empty scene keeps one chunk."""
        if self.objects:
            return self._sizes_of_objects()
        if self.generator is not None:
            return {}
        rows = max(self.chunk_count, 1) * CHUNK_SIZE
        sizes = {
            "chunks": max(self.chunk_count, 1) * ChunkBox.size_bytes,
            "geometry": rows * 16,
            "color": rows * 4,
        }
        if self.sh_degree:
            sizes["sh"] = rows * 4 * SH_WORDS[self.sh_degree]
        return sizes

    @property
    def packed_objects(self) -> tuple[ObjectSpec, ...]:
        """Those that scene files brought."""
        return tuple(item for item in self.objects if not item.is_generator)

    def _sizes_of_objects(self) -> dict[str, int]:
        """As `expected_sizes`: each object keeps its own degree of SH, those of one file share."""
        packed = self.packed_objects
        if not packed:
            return {}
        stored = {item.data: item for item in packed}.values()
        chunks = sum(item.chunks[1] for item in stored)
        words = sum(item.chunks[1] * SH_WORDS[item.sh_degree] for item in stored)
        sizes = {
            "chunks": sum(item.chunks[1] for item in packed) * ChunkBox.size_bytes,
            "geometry": chunks * CHUNK_SIZE * 16,
            "color": chunks * CHUNK_SIZE * 4,
        }
        return sizes | ({"sh": words * CHUNK_SIZE * 4} if words else {})

    def generated(self) -> Scene:
        """A scene of its generator alone, in the generator's own space: what its plan is made for.

        Raises
        ------
        ValueError
            There is none.
        """
        made = self.generator
        if made is None:
            raise ValueError("the scene has no generator")
        if not self.objects:
            return self
        item = self.objects[-1]
        return replace(
            self,
            count=made.instances * made.capacity,
            sh_degree=item.sh_degree,
            bounds=item.bounds,
            buffers={},
            objects=(),
        )

    def to_json(self) -> str:
        """Text of scene.json."""
        return json.dumps(
            {
                "vitrine": VERSION,
                "count": self.count,
                "sh_degree": self.sh_degree,
                "antialiased": self.antialiased,
                "bounds": self.bounds,
                "pose": {
                    "eye": self.pose.eye,
                    "target": self.pose.target,
                    "fov_deg": self.pose.fov_deg,
                },
                "background": self.background,
                "buffers": {
                    name: {"file": buffer.file, "size_bytes": buffer.size_bytes}
                    for name, buffer in self.buffers.items()
                },
                **({"objects": [o.to_dict() for o in self.objects]} if self.objects else {}),
                **({"generator": self.generator.to_dict()} if self.generator else {}),
                **({"filters": [f.to_dict() for f in self.filters]} if self.filters else {}),
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "scene.json") -> Scene:
        """Read and check.

        Raises
        ------
        BundleError
            Not JSON, another version, a field of the wrong type or range, a file name that leaves
            the folder, or a size that the count does not explain.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{where}: not JSON ({error}); is this a Vitrine bundle?") from None
        if not isinstance(data, dict) or data.get("vitrine") != VERSION:
            found = data.get("vitrine") if isinstance(data, dict) else None
            raise BundleError(
                f"{where}: wanted a Vitrine bundle of version {VERSION}, got {found!r}; "
                "build it again"
            )
        reader = _Reader(data, where)
        degree = reader.integer("sh_degree", 0, 3)
        pose = _Reader(reader.object("pose"), where)
        bounds = data.get("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2:
            raise BundleError(f"{where}: 'bounds' must be two points, got {bounds!r}")
        scene = cls(
            count=reader.integer("count", 0, MAX_COUNT),
            sh_degree=degree,
            antialiased=bool(data.get("antialiased", False)),
            bounds=(_point(bounds[0], "bounds", where), _point(bounds[1], "bounds", where)),
            pose=Pose(pose.point("eye"), pose.point("target"), pose.number("fov_deg", 1, 170)),
            background=reader.point("background"),
            buffers={
                name: _buffer(name, value, where)
                for name, value in reader.object("buffers").items()
            },
            generator=GeneratorSpec.parse(data["generator"], f"{where}: generator")
            if "generator" in data
            else None,
            filters=_filters(data.get("filters", []), f"{where}: filters"),
            objects=_objects(data["objects"], f"{where}: objects") if "objects" in data else (),
        )
        made = scene.generator
        if scene.objects:
            _check_objects(scene, f"{where}: objects")
        elif made is not None and scene.count != made.instances * made.capacity:
            raise BundleError(
                f"{where}: 'count' must be {made.instances} x {made.capacity}, the generator's, "
                f"got {scene.count}; build it again"
            )
        for name, size in scene.expected_sizes().items():
            if name not in scene.buffers:
                raise BundleError(f"{where}: buffer {name!r} is missing; build it again")
            if scene.buffers[name].size_bytes != size:
                raise BundleError(
                    f"{where}: buffer {name!r} must have {size} bytes for {scene.count} Gaussians, "
                    f"got {scene.buffers[name].size_bytes}; build it again"
                )
        return scene


class _Reader:
    """Typed access to a JSON object, with errors that name the field."""

    def __init__(self, data: Mapping[str, Any], where: str) -> None:
        self.data = data
        self.where = where

    def integer(self, name: str, low: int, high: int) -> int:
        value = self.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise BundleError(
                f"{self.where}: {name!r} must be an integer {low}..{high}, got {value!r}"
            )
        return value

    def number(self, name: str, low: float, high: float) -> float:
        value = self.data.get(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise BundleError(
                f"{self.where}: {name!r} must be a number {low}..{high}, got {value!r}"
            )
        return float(value)

    def object(self, name: str) -> dict[str, Any]:
        value = self.data.get(name)
        if not isinstance(value, dict):
            raise BundleError(f"{self.where}: {name!r} must be an object, got {value!r}")
        return value

    def point(self, name: str) -> tuple[float, float, float]:
        return _point(self.data.get(name), name, self.where)


def _filters(value: object, where: str) -> tuple[FilterSpec, ...]:
    if not isinstance(value, list) or len(value) > MAX_FILTERS:
        raise BundleError(f"{where}: wanted a list of at most {MAX_FILTERS} filters")
    filters = tuple(FilterSpec.parse(item, f"{where}[{i}]") for i, item in enumerate(value))
    names = [item.name for item in filters]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BundleError(f"{where}: the name {twice!r} is there twice")
    return filters


def _objects(value: object, where: str) -> tuple[ObjectSpec, ...]:
    from pyengine.object_spec import read_objects

    return read_objects(value, where)


def _check_objects(scene: Scene, where: str) -> None:
    """Raise BundleError where the objects are not those that the rest of scene.json tells of."""
    made = scene.generator
    for index, item in enumerate(scene.objects):
        count, chunks = item.count, max(1, -(-item.count // CHUNK_SIZE))
        if item.is_generator and made is not None:
            count = made.instances * made.capacity
            chunks = made.instances * -(-made.capacity // CHUNK_SIZE)
        if (item.count, item.chunks[1]) != (count, chunks):
            raise BundleError(
                f"{where}[{index}]: wanted {count} Gaussians in {chunks} chunks, got "
                f"{item.count} in {item.chunks[1]}; build it again"
            )
    if scene.objects[-1].is_generator != (made is not None):
        raise BundleError(f"{where}: the last one and the key 'generator' disagree; build it again")
    counted = sum(item.count for item in scene.objects)
    degree = max(item.sh_degree for item in scene.objects)
    if (scene.count, scene.sh_degree) != (counted, degree):
        raise BundleError(
            f"{where}: wanted {counted} Gaussians and SH of degree {degree} in all, 'count' and "
            f"'sh_degree' are {scene.count} and {scene.sh_degree}; build it again"
        )


def _point(value: object, name: str, where: str) -> tuple[float, float, float]:
    if isinstance(value, list) and len(value) == 3:
        numbers = [float(v) for v in value if isinstance(v, int | float)]
        if len(numbers) == 3 and all(math.isfinite(v) for v in numbers):
            return numbers[0], numbers[1], numbers[2]
    raise BundleError(f"{where}: {name!r} must be three finite numbers, got {value!r}")


def _buffer(name: str, value: object, where: str) -> BufferFile:
    file = value.get("file") if isinstance(value, dict) else None
    size = value.get("size_bytes") if isinstance(value, dict) else None
    if not isinstance(file, str) or not file or not all(c.isalnum() or c in "-_." for c in file):
        raise BundleError(f"{where}: buffer {name!r}: {file!r} is not a plain file name")
    if file.startswith(".") or not isinstance(size, int) or not 0 < size <= 1 << 34:
        raise BundleError(f"{where}: buffer {name!r}: {size!r} is not a size in bytes")
    return BufferFile(file, size)
