"""Several scene files, and perhaps a generator, to one scene of objects.

Each cloud is packed by itself, in its own space, and the packed buffers are put one after the
other; where an object stands is a matter of scene.json and of the frame. `ellipsoids` places them
for the oracle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pybuild.bundle import buffer_files
from pybuild.framing import front, pose_before, subject_box
from pybuild.gaussians import Gaussians
from pybuild.pack import Packed, Report, joined_buffers, pack, unpack
from pybuild.reference import Ellipsoids
from pyengine.bundle import CHUNK_SIZE, Pose, Scene
from pyengine.errors import InputError
from pyengine.object_spec import UNMOVED, Box, ObjectSpec, Placement
from pyengine.objects import around

__all__ = ["Composed", "GeneratorPart", "Part", "compose", "ellipsoids"]

Vector = tuple[float, float, float]
_NOWHERE: Box = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Part:
    """A cloud that is to be an object.

    Attributes
    ----------
    name, file, placement, up
        See `ObjectSpec`.
    cloud : Gaussians
        In its own space, PLY axes.
    """

    name: str
    file: str
    cloud: Gaussians
    placement: Placement = UNMOVED
    up: str | None = None


@dataclass(frozen=True, slots=True)
class GeneratorPart:
    """A generator that is to be an object; ``scene`` is of it alone."""

    name: str
    file: str
    scene: Scene
    placement: Placement = UNMOVED


@dataclass(frozen=True, slots=True)
class Composed:
    """A scene of objects, in memory.

    Attributes
    ----------
    buffers : mapping
        Bytes of the bundle's buffers by name; none where nothing is packed.
    packed : tuple of Packed
        Of the packed objects, in order.
    """

    scene: Scene
    buffers: Mapping[str, bytes]
    packed: tuple[Packed, ...] = ()

    def load(self, name: str) -> bytes:
        """Bytes of a buffer."""
        return self.buffers[name]

    def ellipsoids(self) -> Ellipsoids:
        """What the GPU sees of the visible packed objects, in the world: for the oracle."""
        clouds = [unpack(packed) for packed in self.packed]
        return ellipsoids(clouds, [item.placement for item in self.scene.packed_objects])


def compose(
    parts: Sequence[Part],
    generator: GeneratorPart | None = None,
    report: Report | None = None,
    background: Vector | None = None,
) -> Composed:
    """Pack clouds one after the other; the generator, if there is one, is the last object.

    Raises
    ------
    InputError
        No object at all.
    """
    if not parts and generator is None:
        raise InputError("a scene of objects wants one at least")
    mixed = len(_filtered(parts, generator)) > 1
    packed, known = [], dict[int, Packed]()
    for part in parts:
        if id(part.cloud) not in known:
            known[id(part.cloud)] = pack(part.cloud, report)
        packed.append(known[id(part.cloud)])
    objects, first = [], 0
    data, stored = dict[int, int](), 0
    for part, cloud in zip(parts, packed, strict=True):
        chunks = max(1, -(-cloud.count // CHUNK_SIZE))
        spec = ObjectSpec(
            name=part.name,
            file=part.file,
            count=cloud.count,
            chunks=(first, chunks),
            data=data.setdefault(id(cloud), stored),
            sh_degree=cloud.sh_degree,
            bounds=_bounds(part.cloud),
            placement=part.placement,
            up=part.up,
            antialiased=mixed and part.cloud.antialiased,
        )
        objects.append(spec)
        first += chunks
        stored += chunks if spec.data == stored else 0
    alone = generator.scene if generator else None
    if generator is not None:
        objects.append(_of_generator(generator, first, mixed))
    buffers = joined_buffers(packed) if packed else {}
    if background is None:
        background = alone.background if alone is not None else (0.0, 0.0, 0.0)
    scene = Scene(
        count=sum(item.count for item in objects),
        sh_degree=max(item.sh_degree for item in objects),
        antialiased=_filtered(parts, generator) == {True},
        bounds=_placed(objects) or _NOWHERE,
        pose=_pose(parts, objects),
        background=background,
        buffers=buffer_files(buffers),
        generator=alone.generator if alone else None,
        objects=tuple(objects),
    )
    return Composed(scene, buffers, tuple(packed))


def ellipsoids(clouds: Sequence[Gaussians], placements: Sequence[Placement]) -> Ellipsoids:
    """Clouds where they stand, as they are drawn, in order; hidden ones are left out."""
    parts = [
        Ellipsoids.of_cloud(cloud)
        .moved(np.reshape(placement.to_world, (4, 4)).T)
        .dyed(placement.opacity, placement.tint)
        for cloud, placement in zip(clouds, placements, strict=True)
        if placement.visible
    ]
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Ellipsoids.of_cloud(clouds[0].take(nothing)) if clouds else _no_ellipsoids()
    return Ellipsoids.joined(parts)


def _no_ellipsoids() -> Ellipsoids:
    return Ellipsoids(np.zeros((0, 3)), np.zeros((0, 6)), np.zeros(0), np.zeros((0, 3)))


def _filtered(parts: Sequence[Part], generator: GeneratorPart | None) -> set[bool]:
    """Whether objects were trained with the mip filter: one answer, or both where they differ."""
    told = {part.cloud.antialiased for part in parts}
    return told | ({generator.scene.antialiased} if generator else set())


def _of_generator(generator: GeneratorPart, first: int, mixed: bool) -> ObjectSpec:
    scene = generator.scene
    assert scene.generator is not None
    return ObjectSpec(
        name=generator.name,
        file=generator.file,
        count=scene.count,
        chunks=(first, scene.chunk_count),
        data=0,
        sh_degree=scene.sh_degree,
        bounds=scene.bounds,
        placement=generator.placement,
        is_generator=True,
        antialiased=mixed and scene.antialiased,
    )


def _bounds(cloud: Gaussians) -> Box:
    if not cloud.count:
        return _NOWHERE
    return _vector(cloud.positions.min(axis=0)), _vector(cloud.positions.max(axis=0))


def _placed(objects: Sequence[ObjectSpec]) -> Box | None:
    """The box around all that is visible, where it stands."""
    return around([o.placement.box(o.bounds) for o in objects if o.placement.visible])


def _pose(parts: Sequence[Part], objects: Sequence[ObjectSpec]) -> Pose:
    """In front of all that is visible: by `pybuild.framing`'s rule for the clouds together."""
    seen = [part for part in parts if part.placement.visible and part.cloud.count]
    box = _placed([item for item in objects if item.is_generator])
    if not seen:
        if box is None:
            return pose_before(np.full(3, -1.0), np.full(3, 1.0))
        return pose_before(np.array(box[0]), np.array(box[1]))
    cloud = _together(seen)
    low, high = subject_box(cloud)
    level = front(cloud, low, high)
    if box is not None:
        low, high = np.minimum(low, box[0]), np.maximum(high, box[1])
    return pose_before(low, high, level)


def _together(parts: Sequence[Part]) -> Gaussians:
    """Positions and opacities of several clouds where they stand; the rest is of no account."""
    each = [_moved(part) for part in parts]
    count = sum(len(positions) for positions, _ in each)
    quaternions = np.zeros((count, 4), np.float32)
    quaternions[:, 0] = 1
    return Gaussians(
        np.concatenate([positions for positions, _ in each]),
        np.zeros((count, 3), np.float32),
        quaternions,
        np.concatenate([logits for _, logits in each]),
        np.zeros((count, 1, 3), np.float32),
    )


def _moved(
    part: Part,
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]:
    matrix = np.reshape(part.placement.to_world, (4, 4))
    positions = part.cloud.positions.astype(np.float64) @ matrix[:3, :3] + matrix[3, :3]
    return positions.astype(np.float32), part.cloud.opacity_logits


def _vector(point: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vector:
    x, y, z = (float(v) for v in point)
    return x, y, z
