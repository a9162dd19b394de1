"""Vitrine in scripts and notebooks.

``vitrine.load("scene.ply")`` draws scenes to numpy arrays (docs/python.md), and
``vitrine.show("scene.ply")`` shows them below a notebook's cell (docs/publishing.md).

The rest is in `pybuild`, which makes bundles, and `pyengine`, which draws them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyengine.errors import DeviceError, InputError
from pyengine.view import View
from vitrine.cameras import Camera, CameraPath
from vitrine.drawing import Picked
from vitrine.film import Film
from vitrine.scene import Scene, load

if TYPE_CHECKING:
    from vitrine.widget import SceneWidget

__all__ = [
    "Camera",
    "CameraPath",
    "DeviceError",
    "Film",
    "InputError",
    "Picked",
    "Scene",
    "View",
    "load",
    "show",
]


def show(*source: Any, **options: Any) -> SceneWidget:
    """Show a scene below the cell; see `vitrine.widget.show`.

    Raises
    ------
    ImportError
        anywidget is not installed.
    pyengine.errors.InputError
        The scene cannot be read.
    """
    try:
        from vitrine import widget
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "traitlets"):
            raise
        raise ImportError(
            "vitrine.show needs anywidget, which is not installed here: "
            "pip install anywidget, then restart the kernel"
        ) from None
    return widget.show(*source, **options)
