"""The objects of a scene of several files: where each stands, and how it is drawn."""

from __future__ import annotations

from typing import Any, TypedDict, Unpack

from pyengine.errors import InputError
from pyengine.objects import Objects
from vitrine.cameras import Vector
from vitrine.staged import Staged
from vitrine.values import plain

__all__ = ["Arranging", "Changes"]


class Changes(TypedDict, total=False):
    """What may change of an object."""

    position: Vector
    """World units."""
    rotation: Vector
    """A quaternion x, y, z, w."""
    scale: float | Vector
    """One number, or three along the object's own axes."""
    visible: bool
    opacity: float
    """0 to 1."""
    tint: Vector
    """Multiplies the colours."""


class Arranging(Staged):
    """A scene's objects."""

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects as they stand; none in a scene of one file.

        Of each ``name``, ``file``, ``count``, ``position``, ``rotation`` (x, y, z, w), ``scale``,
        ``visible``, ``opacity``, ``tint``, ``bounds``, ``generator``.
        """
        objects = self._engine.objects
        return [] if objects is None else objects.now()

    def set_object(self, name: str, **changes: Unpack[Changes]) -> None:
        """Move an object, or change how it is drawn; what is not given stays.

        Parameters
        ----------
        name : str
        position : (3,) float
            World units.
        rotation : (4,) float
            A quaternion x, y, z, w.
        scale : float or (3,) float
            Above 0; three go along the object's own axes.
        visible : bool
        opacity : float
            0 to 1.
        tint : (3,) float
            Multiplies the colours; 1 leaves them.

        Raises
        ------
        InputError
            No such object, or a value that cannot be; then nothing has changed.
        """
        self._arranged(f"object {name!r}").set(name, plain(changes))
        self._tell("object", {"name": name})

    def save_scene(self) -> str:
        """The text of a scene.toml with the objects as they stand.

        Raises
        ------
        InputError
            The scene has no objects.
        """
        return self._arranged("save").to_toml()

    def _arranged(self, what: str) -> Objects:
        objects = self._engine.objects
        if objects is None:
            raise InputError(f"{what}: the scene has no objects; load several files")
        return objects
