"""Picking in the page: the plan for it, and what the word that it reads back means.

web/picks.mjs asks for the plan at the first click and builds it beside the one that draws. A click
is `aim`, the plan's passes, four bytes read back, `found`; labels are `places`, the passes for many
of them at once, as many words read back, `hidden`. A frame makes no use of this file.
Places are those of the canvas, 0 to 1 from its top left corner.
"""

from __future__ import annotations

import json
import math

from pyengine.errors import ViewError, VitrineError
from pyengine.fields import document
from pyengine.hosts.page import Display
from pyengine.passes.pick import POINTS, Ray, pick_plan
from pyengine.plan import Adapter
from pyengine.scene_plan import scene_plan
from pyengine.structs import Frame

__all__ = ["PickHost"]

BEHIND_SHARE = 0.02
"""A label is hidden by what is nearer than this share of its depth: the splats that it was put on
are some way before or behind it from other sides."""


class PickHost:
    """Picking in what a display shows."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._aimed: Ray | None = None
        self._probed: list[tuple[Ray, float]] = []

    def open_pick(self, adapter_text: str) -> str:
        """Plan picking in the scene that is shown.

        Parameters
        ----------
        adapter_text : str
            JSON of `pyengine.plan.Adapter`.

        Returns
        -------
        str
            JSON: ``plan``, and ``points``, how many places are picked at once; or ``error``.
        """
        stage = self._display.stage
        scene = stage.engine.scene
        try:
            adapter = Adapter(**json.loads(adapter_text))
            plan = pick_plan(scene_plan(scene, adapter, stage.program, stage.shaders), scene)
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        return json.dumps({"plan": plan.to_dict(), "points": POINTS})

    def aim(self, x: float, y: float) -> None:
        """Remember the camera of the picture that is there, for the next `found`."""
        self._aimed = Ray(self._display.stage.engine.drawn_frame, x, y)

    def found(self, word: int) -> str:
        """What the plan found where `aim` pointed.

        Returns
        -------
        str
            JSON: ``position`` (world), ``distance`` from the camera, of a scene with objects
            ``object``, a name; or null.
        """
        objects = self._display.stage.engine.scene.objects
        picked = self._ray().found(word, len(objects))
        if picked is None:
            return "null"
        told: dict[str, object] = {"position": picked.position, "distance": picked.distance}
        if picked.object is not None:
            told["object"] = objects[picked.object].name
        return json.dumps(told)

    def places(self, points_text: str) -> str:
        """Where points of the world are on the canvas, in the picture that is there.

        Parameters
        ----------
        points_text : str
            JSON: a list of (x, y, z).

        Returns
        -------
        str
            JSON: a list of (x, y, depth), or null for what is behind the camera or beside the
            canvas; or ``error``.
        """
        try:
            points = document(points_text, "points", "a list of points")
            if not isinstance(points, list) or not all(map(_is_point, points)):
                raise ViewError("points: wanted a list of three numbers each")
        except VitrineError as error:
            return json.dumps({"error": str(error)})
        frame = self._display.stage.engine.drawn_frame
        places = [_place(frame, point) for point in points]
        self._probed = [(Ray(frame, x, y), depth) for x, y, depth in filter(None, places)]
        return json.dumps(places)

    def hidden(self, words_text: str) -> str:
        """Whether what was found at places hides the points there.

        Parameters
        ----------
        words_text : str
            JSON: a word for each point of the last `places` that is on the canvas.

        Returns
        -------
        str
            JSON: a list of true and false.
        """
        words = json.loads(words_text)
        rows = zip(self._probed, words, strict=True)
        picked = [(ray.found(word), depth) for (ray, depth), word in rows]
        return json.dumps(
            [hit is not None and hit.depth < depth * (1 - BEHIND_SHARE) for hit, depth in picked]
        )

    def _ray(self) -> Ray:
        if self._aimed is None:
            raise ViewError("aim first")
        return self._aimed


def _is_point(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(x, int | float) and math.isfinite(x) for x in value)
    )


def _place(frame: bytes | bytearray, point: list[float]) -> tuple[float, float, float] | None:
    m = Frame.unpack(frame, "view")
    x, y, z = (sum(m[4 * k + row] * point[k] for k in range(3)) + m[12 + row] for row in range(3))
    if z <= 0:
        return None
    (fx, fy), (cx, cy) = Frame.unpack(frame, "focal_px"), Frame.unpack(frame, "principal_px")
    width, height = Frame.unpack(frame, "viewport_px")
    across, down = (fx * x / z + cx) / width, (fy * y / z + cy) / height
    return (across, down, z) if 0 <= across < 1 and 0 <= down < 1 else None
