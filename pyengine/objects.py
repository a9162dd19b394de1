"""The objects of a scene as they stand now: bytes laid out as the buffer `pyengine.bundle.OBJECTS`.

Whoever drives the engine moves them; the host uploads the bytes before the next frame, and only
when something changed. Nothing is rebuilt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyengine.bundle import CHUNK_SIZE, SH_WORDS
from pyengine.camera_inputs import Space
from pyengine.errors import InputError
from pyengine.object_spec import Box, ObjectSpec, Placement, nearest
from pyengine.structs import SceneObject

__all__ = ["Objects"]


class Objects:
    """Where the objects of one scene stand.

    Parameters
    ----------
    specs : sequence of ObjectSpec
        At least one.

    Attributes
    ----------
    object_bytes : bytearray
        What `OBJECTS` must hold.
    changed : bool
        The bytes are not those that were uploaded last.
    """

    def __init__(self, specs: Sequence[ObjectSpec]) -> None:
        self.specs = tuple(specs)
        self.placements = [spec.placement for spec in specs]
        self.object_bytes = bytearray(SceneObject.size_bytes * len(specs))
        self.changed = True
        self._bounds: Box | None = None
        self._generator_space: tuple[Space, bool] | None = None
        self._places = {spec.name: index for index, spec in enumerate(specs)}
        self._put_fixed()
        for index in range(len(specs)):
            self._put(index)

    def set(self, name: str, changes: object) -> None:
        """Change where an object stands, or how it is drawn.

        Parameters
        ----------
        changes : mapping
            See `Placement.changed`; what it does not name stays.

        Raises
        ------
        InputError
            No such object, or a value that cannot be; then nothing has changed.
        """
        index = self._index(name)
        placement = self.placements[index].changed(changes, f"object {name!r}")
        if placement != self.placements[index]:
            self.placements[index] = placement
            self._put(index)
            self._bounds = None
            self.changed = True

    def moved(self) -> dict[str, dict[str, Any]]:
        """What of the placements is not as the scene has it, by name; see `arrange`."""
        told = {}
        for spec, placement in zip(self.specs, self.placements, strict=True):
            own, now = spec.placement.to_dict(), placement.to_dict()
            changes = {key: value for key, value in now.items() if value != own[key]}
            if changes:
                told[spec.name] = changes
        return told

    def arrange(self, changes: Mapping[str, object]) -> list[str]:
        """Stand as the scene has it, but for some changes.

        Parameters
        ----------
        changes : mapping
            By name, as `set` takes them.

        Returns
        -------
        list of str
            What could not be done, a message each.
        """
        for spec in self.specs:
            self.set(spec.name, spec.placement.to_dict())
        faults = []
        for name, change in changes.items():
            try:
                self.set(name, change)
            except InputError as error:
                faults.append(str(error))
        return faults

    def get(self, name: str) -> Placement:
        """Where an object stands; raises InputError where there is none of that name."""
        return self.placements[self._index(name)]

    def now(self) -> list[dict[str, Any]]:
        """Of each object what scene.json says of it, as it stands now."""
        return [
            spec.to_dict() | placement.to_dict()
            for spec, placement in zip(self.specs, self.placements, strict=True)
        ]

    def to_toml(self) -> str:
        """A scene.toml of the objects as they stand now: `pyengine.scene_toml`."""
        from pyengine.scene_toml import scene_toml  # only for those who save

        return scene_toml(
            (spec.name, spec.file, spec.up, placement)
            for spec, placement in zip(self.specs, self.placements, strict=True)
        )

    @property
    def bounds(self) -> Box | None:
        """The box around the centres of all that can be seen, in the world; None for nothing."""
        if self._bounds is None:
            boxes = [
                placement.box(spec.bounds)
                for spec, placement in zip(self.specs, self.placements, strict=True)
                if placement.visible
            ]
            self._bounds = around(boxes)
        return self._bounds

    @property
    def generator_space(self) -> tuple[Space, bool] | None:
        """Where the generator's Gaussians stand, and whether they are drawn at all."""
        return self._generator_space

    def take_over(self, other: Objects) -> None:
        """Stand as the same objects stood elsewhere; the GPU's buffer may be new."""
        self.placements = list(other.placements)
        for index in range(len(self.specs)):
            self._put(index)
        self._bounds = None
        self.changed = True

    def _index(self, name: str) -> int:
        index = self._places.get(name)
        if index is None:
            raise InputError(f"object {name!r}: there is none{nearest(name, list(self._places))}")
        return index

    def _put_fixed(self) -> None:
        """What the build decided."""
        put, sh_first, sh_next = SceneObject.pack_into, dict[int, int](), 0
        for index, spec in enumerate(self.specs):
            at = index * SceneObject.size_bytes
            words = SH_WORDS[spec.sh_degree]
            if not spec.is_generator and spec.data not in sh_first:
                sh_first[spec.data] = sh_next
                sh_next += spec.chunks[1] * CHUNK_SIZE * words
            put(self.object_bytes, "first_row", spec.chunks[0] * CHUNK_SIZE, at=at)
            put(self.object_bytes, "data_row", spec.data * CHUNK_SIZE, at=at)
            put(self.object_bytes, "sh_first", sh_first.get(spec.data, 0), at=at)
            put(self.object_bytes, "sh_words", words, at=at)
            put(self.object_bytes, "sh_degree", spec.sh_degree, at=at)
            put(self.object_bytes, "antialiased", int(spec.antialiased), at=at)

    def _put(self, index: int) -> None:
        placement, at = self.placements[index], index * SceneObject.size_bytes
        put, data = SceneObject.pack_into, self.object_bytes
        put(data, "to_world", *placement.to_world, at=at)
        put(data, "to_object", *placement.to_object, at=at)
        put(data, "tint", *placement.tint, placement.opacity, at=at)
        put(data, "largest_scale", max(placement.scale), at=at)
        is_drawn = placement.visible and placement.opacity > 0
        put(data, "visible", is_drawn, at=at)
        if self.specs[index].is_generator:
            space = Space(placement.to_world, placement.to_object)
            self._generator_space = space, is_drawn


def around(boxes: Sequence[Box]) -> Box | None:
    """The box around boxes, None around none."""
    if not boxes:
        return None
    low = [min(box[0][axis] for box in boxes) for axis in range(3)]
    high = [max(box[1][axis] for box in boxes) for axis in range(3)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])
