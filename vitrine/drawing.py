"""Images of a scene, and what is seen at a place of one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pybuild.atomic import write_bytes
from pyengine.engine import Engine
from pyengine.errors import InputError, ViewError
from pyengine.passes.modes import checked_mode
from pyengine.view import View
from vitrine.cameras import CameraLike, Vector
from vitrine.playing import Playing

__all__ = ["Drawing", "Drawn", "Image8", "Picked"]

Image8 = NDArray[np.uint8]
_OPAQUE = ("depth", "normals", "overdraw")
"""Modes that draw over all that is behind."""
_LOOK = ("background", "sh_degree", "splat_scale", "antialiased")
"""Of an engine."""
_ENCODERS = {"image/png": "PNG", "image/webp": "WEBP", "image/jpeg": "JPEG"}
_ENDINGS = {
    ".png": "image/png",
    ".webp": "image/webp",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


class Drawn(TypedDict, total=False):
    """How an image or a film is drawn; what is left out is as the scene stands."""

    mode: str | None
    """``colour``, ``depth``, ``normals``, ``outlines`` or ``overdraw``."""
    filter: str | None
    """Name of a filter, ``"none"`` for none."""
    strength: float | None
    """Of the filter, 0 to 1."""
    split: float | None
    """Share of the width, from the left, that is shown as it was, 0 to 1."""
    background: str | Vector | None
    """``"#rrggbb"``, or three numbers, display-referred, 0 to 1."""
    sh_degree: int | None
    """0 to 3."""
    splat_scale: float | None
    """Multiplies every sigma, 0 to 10."""
    antialiasing: str | None
    """``classic`` or ``mip``."""
    transparent: bool
    """Without the background: a fourth channel has the coverage. Of colours and outlines only."""


@dataclass(frozen=True, slots=True)
class Picked:
    """What is seen at a place.

    Attributes
    ----------
    position : (3,) float
        World units: the point of the pixel's ray at the depth of the splat's centre.
    distance : float
        From the camera, world units.
    object : str or None
        Name of the object, in a scene of several.
    """

    position: tuple[float, float, float]
    distance: float
    object: str | None = None


class Drawing(Playing):
    """A scene's images."""

    def render(
        self,
        camera: CameraLike | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        time: float | None = None,
        **drawn: Unpack[Drawn],
    ) -> Image8:
        """Draw an image.

        The camera and all of ``drawn`` are for this image alone; the scene stays as it is.

        Parameters
        ----------
        camera : Camera, View or mapping, optional
            The scene's own unless given. What a mapping leaves out is as the scene's has it.
        width, height : int, optional
            Pixels, 1 to 16384; the size of a View, or `size`, unless given. Of one side that is
            given the other follows.
        time : float, optional
            Seconds: the clip goes there first and stays there, as by `seek`. A generator with a
            state does its steps from its beginning.
        mode : str, optional
            ``colour``, ``depth``, ``normals``, ``outlines`` or ``overdraw``; not through a filter.
        filter : str, optional
            Name of a filter, ``"none"`` for none.
        strength, split : float, optional
            Of the filter, 0 to 1.
        background : str or (3,) float, optional
            ``"#rrggbb"``, or display-referred, 0 to 1.
        sh_degree : int, optional
            0 to 3.
        splat_scale : float, optional
            Multiplies every sigma, 0 to 10.
        antialiasing : str, optional
            ``classic`` or ``mip``.
        transparent : bool
            Without the background; of colours and outlines, without a filter.

        Returns
        -------
        (height, width, 3) uint8
            The blended colour as it is, rows from the top. Transparent: (height, width, 4), the
            last channel is the coverage, and colours are not multiplied by it.

        Raises
        ------
        InputError
            A value that cannot be, or a filter that makes numbers that are not finite.
        DeviceError
            The image is beyond what the adapter offers.
        """
        view = self.view(camera, width=width, height=height)
        return self._image(view, time, True, **drawn)

    def screenshot(
        self,
        path: str | PathLike[str] | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        type: str | None = None,
        quality: float | None = None,
        transparent: bool = False,
    ) -> bytes:
        """Draw an image as the bytes of a file.

        Parameters
        ----------
        path : path, optional
            Where it is written too; whole or not at all.
        width, height : int, optional
            Pixels; see `render`.
        type : str, optional
            ``image/png``, ``image/webp`` or ``image/jpeg``; as the ending of ``path`` says, or PNG
            without one, unless given.
        quality : float, optional
            Of WebP and JPEG, 0 to 1.
        transparent : bool
            Without the background.

        Returns
        -------
        bytes

        Raises
        ------
        InputError
            A value that cannot be, or the file cannot be written.
        """
        file = None if path is None else Path(path)
        kind = _type_of(file) if type is None else type
        if kind not in _ENCODERS:
            raise ViewError(f"type: wanted one of {', '.join(_ENCODERS)}, got {kind!r}")
        if transparent and kind == "image/jpeg":
            raise ViewError("type: a JPEG has no transparency; take image/png or image/webp")
        if quality is not None and not 0 <= quality <= 1:
            raise ViewError(f"quality: wanted a number from 0 to 1, got {quality!r}")
        image = self.render(width=width, height=height, transparent=transparent)
        made = io.BytesIO()
        more = {} if quality is None or kind == "image/png" else {"quality": round(100 * quality)}
        Image.fromarray(image).save(made, _ENCODERS[kind], **more)
        if file is not None:
            write_bytes(file, made.getvalue())
        return made.getvalue()

    def pick(self, x: float, y: float) -> Picked | None:
        """What is seen at a place of the image that `render` draws.

        Parameters
        ----------
        x, y : float
            Pixels of an image of `size`, from its top left corner.

        Returns
        -------
        Picked or None
            None where the splats cover less than half of the pixel.

        Raises
        ------
        ViewError
            The place is outside of the image.
        """
        width, height = self._size
        if not (0 <= x < width and 0 <= y < height):
            raise ViewError(f"pick: ({x}, {y}) is outside of the image of {width}x{height} px")
        self._live()
        renderer = self._renderers.of(self._size)
        renderer.draw(self.view())
        found = renderer.pick(x / width, y / height)
        if found is None:
            return None
        objects = self._opened.scene.objects
        name = None if found.object is None else objects[found.object].name
        return Picked(found.position, found.distance, name)

    def focus_at(
        self, x: float | None = None, y: float | None = None, *, seconds: float = 0.0
    ) -> None:
        """Look at what is seen at a place, from as far as it is now; at the middle unless told.

        Nothing happens where nothing is seen.

        Parameters
        ----------
        x, y : float, optional
            Pixels of an image of `size`.
        seconds : float
            Of a smooth flight; 0 is at once. A page takes 1.2.

        Raises
        ------
        ViewError
            The place is outside of the image.
        """
        width, height = self._size
        found = self.pick(width / 2 if x is None else x, height / 2 if y is None else y)
        if found is not None:
            self._ask("focus", position=found.position, seconds=seconds)

    def _image(
        self,
        view: View,
        time: float | None,
        check: bool,
        *,
        mode: str | None = None,
        filter: str | None = None,
        strength: float | None = None,
        split: float | None = None,
        transparent: bool = False,
        **look: object,
    ) -> Image8:
        drawn = self._mode if mode is None else checked_mode(mode)
        name = self._filter if filter is None else "" if filter == "none" else filter
        if drawn and name and filter is not None:
            raise InputError(f"mode {drawn!r}: a filter takes colours; leave out filter or mode")
        name = "" if drawn else name
        if (strength is not None or split is not None) and not name:
            raise InputError("strength, split: no filter is on; name one")
        if transparent and (name or drawn in _OPAQUE):
            raise InputError(f"transparent: not with {name or drawn!r}; only colours and outlines")
        if time is not None:
            self.seek(time)
        self._live()
        renderer = self._renderers.of((view.width, view.height), drawn, name)
        given = {key: value for key, value in look.items() if value is not None}
        with _unchanged(renderer.engine) as engine:
            if given:
                self._ask_look(given, engine)
            if engine.filter is not None:
                engine.filter.set_shown(strength, split)
            image = renderer.draw(view, time, transparent)
            if check:
                renderer.check()
        self._tell_news()
        return image


def _type_of(file: Path | None) -> str:
    """The type of a picture by its file's name."""
    if file is None:
        return "image/png"
    if file.suffix.lower() not in _ENDINGS:
        raise ViewError(
            f"{file}: wanted a name that ends with one of {', '.join(_ENDINGS)}, or a type"
        )
    return _ENDINGS[file.suffix.lower()]


@contextmanager
def _unchanged(engine: Engine) -> Iterator[Engine]:
    """An engine that afterwards draws as it did before."""
    look = {name: getattr(engine, name) for name in _LOOK}
    shown = engine.filter
    strength, split = (shown.strength, shown.split) if shown else (None, None)
    try:
        yield engine
    finally:
        for name, value in look.items():
            setattr(engine, name, value)
        if shown is not None:
            shown.set_shown(strength, split)
