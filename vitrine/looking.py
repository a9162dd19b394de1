"""The camera of a scene, its bookmarks and paths, how splats are drawn, and links."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

from pyengine.camera_rig import Rig
from pyengine.camera_shot import Shot
from pyengine.engine import Engine
from pyengine.errors import ViewError
from pyengine.object_spec import nearest
from pyengine.passes.modes import checked_mode
from pyengine.view import View
from vitrine.cameras import Camera, CameraLike, CameraPath, Vector
from vitrine.staged import Staged
from vitrine.values import plain, size_px

__all__ = ["Look", "Looking", "State", "look_asked"]

_CAMERA_KEYS = ("eye", "target", "fov")
_LOOK_KEYS = {
    "background": "background",
    "sh_degree": "shDegree",
    "splat_scale": "splatScale",
    "antialiasing": "antialiasing",
}
"""Names of a look here, and in the page."""


class Look(TypedDict, total=False):
    """How splats are drawn."""

    background: str | Vector | None
    """``"#rrggbb"``, or three numbers, display-referred, 0 to 1."""
    sh_degree: int | None
    """0 to 3; at most what the scene has."""
    splat_scale: float | None
    """Multiplies every sigma, 0 to 10."""
    antialiasing: str | None
    """``classic`` or ``mip``."""


class State(TypedDict):
    """Where the camera is, what moves it, and how the scene is drawn."""

    camera: dict[str, Any]
    mode: str
    moving: str
    turn: float
    bookmarks: list[str]
    path: dict[str, Any]
    look: dict[str, Any]


def look_asked(look: Mapping[str, object]) -> dict[str, Any]:
    """A look by the page's names.

    Raises
    ------
    ViewError
        A name that is none.
    """
    for key in look:
        if key not in _LOOK_KEYS:
            raise ViewError(f"look: unknown key {key!r}{nearest(key, list(_LOOK_KEYS))}")
    return {_LOOK_KEYS[key]: value for key, value in look.items()}


class Looking(Staged):
    """A scene's view."""

    _mode = ""

    @property
    def camera(self) -> Camera:
        """Where the camera is; set it to go there at once. Of an exact view the upright camera
        nearest to it.
        """
        return Camera.of_shot(self._rig.shot)

    @camera.setter
    def camera(self, camera: CameraLike) -> None:
        rig = self._rig_at(camera)
        if rig.fixed is not None:
            self._rig.set_view(rig.fixed)
        else:
            self._rig.go(rig.shot, 0.0)
        self._tell_news()

    @property
    def mode(self) -> str:
        """What is drawn: ``colour``, ``depth``, ``normals``, ``outlines`` or ``overdraw``.

        A filter that is on waits until it is ``colour`` again. The camera's mode is that of
        `set_mode`.

        Raises
        ------
        InputError
            When it is set: there is no such mode.
        """
        return self._mode or "colour"

    @mode.setter
    def mode(self, mode: str) -> None:
        mode = checked_mode(mode)
        if mode != self._mode:
            self._mode = mode
            self._tell("mode", {"mode": self.mode})

    def view(
        self,
        camera: CameraLike | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
    ) -> View:
        """The exact camera of an image: what `render` of the same arguments draws.

        Returns
        -------
        View
            Size and pinhole in pixels, and world to camera, 16 numbers, column-major.

        Raises
        ------
        ViewError
            No camera can be made of it, or no image is so large.
        """
        if camera is None:
            return self._rig.view(*_sized(width, height, self._size))
        rig = self._rig_at(camera)
        own = rig.fixed
        return rig.view(*_sized(width, height, (own.width, own.height) if own else self._size))

    def set_camera(
        self,
        *,
        eye: Vector | None = None,
        target: Vector | None = None,
        fov: float | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Go to a camera; what is not given stays as it is.

        Parameters
        ----------
        eye, target : (3,) float, optional
            World units, PLY axes.
        fov : float, optional
            Degrees over the shorter side, 1 to 170.
        seconds : float
            Of a smooth flight, which `advance` and films go through; 0 is at once.

        Raises
        ------
        ViewError
            A value that is none, or eye and target are one point.
        """
        self._ask("camera", eye=eye, target=target, fov=fov, seconds=seconds)

    def set_view(self, view: View | Mapping[str, Any]) -> None:
        """Show exactly this view until the camera is told to go elsewhere.

        Parameters
        ----------
        view : View or mapping
            ``width, height, fx, fy, cx, cy`` in pixels and ``view``, world to camera, 16 numbers,
            column-major, as of ``vitrine render --view``.

        Raises
        ------
        ViewError
            It is no view.
        """
        found = view if isinstance(view, View) else View.from_json(plain(view), "view")
        self._rig.set_view(found)
        self._tell_news()

    def set_mode(self, mode: str, *, speed: float | None = None) -> None:
        """The camera's mode.

        Parameters
        ----------
        mode : str
            ``orbit``, ``fly`` or ``turntable``, which `advance` and films turn.
        speed : float, optional
            Of the turntable, degrees a second; negative turns the other way.

        Raises
        ------
        ViewError
            No such mode, or a speed that is none.
        """
        self._ask("mode", mode=mode, speed=speed)

    def set_look(self, **look: Unpack[Look]) -> None:
        """How splats are drawn; None gives back what the scene says.

        Parameters
        ----------
        background : str or (3,) float
            ``"#rrggbb"``, or display-referred, 0 to 1.
        sh_degree : int
            0 to 3; at most what the scene has.
        splat_scale : float
            Multiplies every sigma, 0 to 10.
        antialiasing : str
            ``classic`` or ``mip``.

        Raises
        ------
        ViewError
            A name or a value that is none.
        """
        self._ask_look(look)

    def get_state(self) -> State:
        """Where the camera is, what moves it, its bookmarks, and how the scene is drawn."""
        _, state = self._ask("state")
        own = {name: key for key, name in _LOOK_KEYS.items()}
        look = {own[name]: value for name, value in state["look"].items()}
        return State(**{**state, "look": look})  # type: ignore[typeddict-item]

    def reset(self) -> None:
        """Back to the first view."""
        self._rig.reset()
        self._tell_news()

    def stop(self) -> None:
        """End what moves the camera by itself, where it is."""
        self._ask("stop")

    def add_bookmark(self, name: str = "") -> str:
        """Keep where the camera is; without a name under a number.

        Returns
        -------
        str
            Its name.

        Raises
        ------
        ViewError
            There are 99 already.
        """
        return str(self._ask("add", name=name)[0])

    def rename_bookmark(self, index: int, name: str) -> None:
        """Call a bookmark otherwise; the first has the index 0."""
        self._ask("rename", index=index, name=name)

    def delete_bookmark(self, index: int) -> None:
        """Forget a bookmark."""
        self._ask("delete", index=index)

    def go_to(self, index: int, *, seconds: float = 0.0) -> None:
        """Go to a bookmark.

        Parameters
        ----------
        index : int
        seconds : float
            Of a smooth flight; 0 is at once. A page takes 1.2 unless told.

        Raises
        ------
        ViewError
            There is none of that number.
        """
        self._ask("go", index=index, seconds=seconds)

    def play_path(self, *, seconds: float | None = None, loop: bool | None = None) -> None:
        """Go along the path through all bookmarks, as `advance` lets time pass.

        Parameters
        ----------
        seconds : float, optional
            Of all of it; 3 from a bookmark to the next unless told.
        loop : bool, optional
            Whether it goes on from the last to the first, again and again.

        Raises
        ------
        ViewError
            Fewer than two bookmarks, or a duration that is none.
        """
        self._ask("path", play=True, seconds=seconds, loop=loop)

    def camera_path(self, cameras: Iterable[CameraLike], *, loop: bool = False) -> CameraPath:
        """A path through cameras, for `frames`; the bookmarks are left alone.

        Parameters
        ----------
        cameras : iterable of Camera, View or mapping
            What a mapping leaves out is as the scene's camera has it; views are taken as upright.
        loop : bool
            Go on from the last to the first.

        Raises
        ------
        ViewError
            Fewer than two, or one that is no camera.
        """
        found = tuple(Camera.of_shot(self._shot_at(camera)) for camera in cameras)
        if len(found) < 2:
            raise ViewError(f"camera path: wanted two cameras or more, got {len(found)}")
        return CameraPath(found, loop)

    def _ask_look(self, look: Mapping[str, object], engine: Engine | None = None) -> None:
        """Draw so from now on; errors have the names that look has here."""
        asked = look_asked(look)
        try:
            self._ask("look", engine=engine, **asked)
        except ViewError as error:
            told = str(error)
            for name, pages in _LOOK_KEYS.items():
                told = told.replace(pages, name)
            raise ViewError(f"look: {told}") from None

    def _shot_at(self, camera: CameraLike) -> Shot:
        return self._rig_at(camera).shot

    def _rig_at(self, camera: CameraLike) -> Rig:
        """A rig that stands at a camera, while the scene's stays where it is."""
        rig = copy.copy(self._rig)
        if isinstance(camera, Camera):
            camera = {"eye": camera.eye, "target": camera.target, "fov": camera.fov}
        if isinstance(camera, View):
            rig.set_view(camera)
        elif not isinstance(camera, Mapping):
            raise ViewError(
                f"camera: wanted a Camera, a View or a mapping with some of "
                f"{', '.join(_CAMERA_KEYS)}, got {camera!r}"
            )
        elif "view" in camera:
            rig.set_view(View.from_json(plain(camera), "camera"))
        else:
            for key in camera:
                if key not in _CAMERA_KEYS:
                    raise ViewError(f"camera: unknown key {key!r}{nearest(key, _CAMERA_KEYS)}")
            self._ask("camera", rig=rig, **camera)
        return rig


def _sized(width: int | None, height: int | None, whole: tuple[int, int]) -> tuple[int, int]:
    """Pixels: of one side that is given the other follows."""
    ratio = whole[0] / whole[1]
    if width is None and height is None:
        return whole
    if width is None:
        width = max(1, round(size_px(height, "height") * ratio))
    if height is None:
        height = max(1, round(size_px(width, "width") / ratio))
    return size_px(width, "width"), size_px(height, "height")
