"""The host in the page: Python plans, JavaScript executes.

web/display.mjs makes a `Display` for each element, calls `Display.open_scene` once and hands the
plan to web/executor.mjs. A frame is ONE call, `Display.frame`: numbers come in, the index of the
schedule to replay comes out, and JavaScript reads the uniforms straight from the memory of
`Display.uniforms`, a bytearray whose address it knows. A generator's inputs lie in another,
`Display.inputs`, into which JavaScript may write too. Nothing here holds a JavaScript object, so a
frame cannot call back. `pyengine.hosts.page_filter` puts filters on, `pyengine.hosts.page_file`
shows files that were dropped.
"""

from __future__ import annotations

import json
import math
from typing import Protocol

from pyengine.bundle import Scene
from pyengine.camera_rig import MOVES
from pyengine.engine import Engine
from pyengine.errors import DeviceError, FormatError, PlanError, ViewError, VitrineError
from pyengine.fields import document
from pyengine.hosts.page_budget import MEGABYTE, fitted
from pyengine.hosts.page_scene import told
from pyengine.hosts.page_stage import IDLE, STATUS, Stage, staged
from pyengine.plan import Adapter
from pyengine.program import Program
from pyengine.scene_plan import required_limits, scene_plan
from pyengine.view import View

__all__ = ["HELD", "IDLE", "Display", "JsBytes"]

HELD = -2
"""What `Display.frame` returns when the picture is to be renewed, but not in this frame."""


class JsBytes(Protocol):
    """A Uint8Array, as Pyodide shows it."""

    length: int

    def subarray(self, start: int, end: int) -> JsBytes:
        """A view of a part."""

    def to_bytes(self) -> bytes:
        """A copy."""


class Display:
    """What one element of the page shows; the elements of a page share this Python.

    Parameters
    ----------
    budget_mb : float
        What its scene may take of the GPU's memory, in 1,000,000 bytes; 0 is as much as there is.

    Attributes
    ----------
    shown : Stage or None
        What frames draw.
    opened : Stage or None
        What is planned to be shown next; JavaScript is building it.
    """

    def __init__(self, budget_mb: float = 0.0) -> None:
        self.budget_bytes = round(budget_mb * MEGABYTE)
        self.shown: Stage | None = None
        self.opened: Stage | None = None
        self._faults: list[tuple[int, str]] = []

    @property
    def stage(self) -> Stage:
        """What is shown.

        Raises
        ------
        ViewError
            Nothing is.
        """
        if self.shown is None:
            raise ViewError("the scene is not loaded yet")
        return self.shown

    def open_scene(
        self, scene_text: str, adapter_text: str, program_text: str = "", shaders_text: str = ""
    ) -> str:
        """Plan a scene.

        Parameters
        ----------
        scene_text : str
            scene.json.
        adapter_text : str
            JSON of `pyengine.plan.Adapter`.
        program_text : str
            program.json of the generator, from the folder that scene.json names.
        shaders_text : str
            JSON: text of each of the program's shaders by its name.

        Returns
        -------
        str
            JSON: ``plan``, ``files`` of the buffers,
            ``uploads`` of each schedule (names of buffers to write before it is replayed),
            ``structs`` offsets, ``info``; of a generator also ``generator``: its ``feeds`` as in
            scene.json with ``offset_bytes`` and ``size_bytes`` in `inputs`, ``clip`` and ``rate``.
            ``info`` has what may be picked as ``filters``: ``name``, ``strength``, ``stages``
            (labels), ``inputs`` and ``first``. ``cut``, of a scene that does with less SH than its
            file has: by the buffer, bytes of a row in the file, and of those that are taken. Or
            ``error``, a message for the visitor, and the ``code`` that the page tells it under.
        """
        try:
            scene = Scene.from_json(scene_text)
            adapter = Adapter(**json.loads(adapter_text))
            program, shaders = _network(scene, program_text, shaders_text)
            found = fitted(
                scene,
                lambda scene: scene_plan(scene, adapter, program, shaders),
                self.budget_bytes,
            )
            scene, plan = found.scene, found.plan
            required_limits(plan, adapter)  # or refuse it
        except VitrineError as error:
            code = "limits" if isinstance(error, DeviceError) else "download"
            return json.dumps({"error": str(error), "code": code})
        self.shown = staged(scene, plan, self.shown, program, shaders)
        return told(scene, plan, program, cut=found.cut)

    def uniforms(self) -> bytearray:
        """The bytes of the frame's struct; JavaScript keeps a view of this memory."""
        return self.stage.engine.frame_bytes

    def inputs(self) -> bytearray:
        """The bytes of the buffer `INPUTS`; JavaScript keeps a view of this memory, and tells
        `frame` when it wrote into it. Empty where the scene has no generator.
        """
        generator = self.stage.engine.generator
        return bytearray() if generator is None else generator.input_bytes

    def object_bytes(self) -> bytearray:
        """The bytes of the buffer of objects, of which JavaScript keeps a view; or none."""
        objects = self.stage.engine.objects
        return bytearray() if objects is None else objects.object_bytes

    def object_faults(self) -> str:
        """JSON: ``[id, message]`` of each change of objects that the last frame could not make."""
        return json.dumps(self._faults)

    def status(self) -> bytearray:
        """Six i32 that `frame` leaves: a schedule to replay before the one that it returns, or
        `IDLE`; the step down the ladder of sizes that the filter should be shown at; in how many
        frames its picture is renewed once; what moves the camera by itself, an index of `MOVES`;
        whether the buffer of objects is to be uploaded first; and how many changes of objects could
        not be made: `pyengine.hosts.page_objects`.
        """
        return self.stage.status

    def frame(
        self,
        seconds: float,
        width: int,
        height: int,
        orbit_x: float,
        orbit_y: float,
        pan_x: float,
        pan_y: float,
        look_x: float,
        look_y: float,
        zoom: float,
        move_x: float,
        move_y: float,
        move_z: float,
        changed: int = 0,
        asked: str = "",
    ) -> int:
        """One frame: apply the visitor's input and draw if anything changed.

        Parameters
        ----------
        seconds : float
            Since the last frame.
        width, height : int
            Canvas, device pixels.
        orbit_x, orbit_y, pan_x, pan_y, look_x, look_y : float
            Drags since the last frame, canvas heights.
        zoom : float
            Natural-log steps; positive is closer.
        move_x, move_y, move_z : float
            Held fly axes, -1 to 1.
        changed : int
            1 where JavaScript wrote into `inputs`.
        asked : str
            What is to change of the scene's objects; see `pyengine.hosts.page_objects`.

        Returns
        -------
        int
            Index of the schedule to replay, `IDLE`, or `HELD`: ask again.
        """
        stage = self.stage
        camera = stage.camera
        if orbit_x or orbit_y:
            camera.orbit(orbit_x, orbit_y)
        if look_x or look_y:
            camera.look(look_x, look_y)
        if pan_x or pan_y:
            camera.pan(pan_x, pan_y)
        if zoom:
            camera.zoom(zoom)
        if move_x or move_y or move_z:
            camera.fly(move_x, move_y, move_z, seconds)
        camera.advance(seconds)
        stage.host.rest()
        if changed and stage.engine.generator is not None:
            stage.engine.generator.touch()
        self._faults = _move(stage.engine, asked) if asked else []
        stage.engine.advance(seconds)
        ran = stage.engine.draw(camera.view(width, height))
        held = stage.engine.held and not ran
        level = _governed(stage, seconds if ran or held else 0.0)
        shown = stage.engine.filter
        every, moving = shown.every if shown else 1, MOVES.index(camera.moving)
        host = stage.host
        faults = len(self._faults)
        STATUS.pack_into(stage.status, 0, host.before, level, every, moving, host.moved, faults)
        return HELD if held else host.pending

    def bands(self, there: int) -> None:
        """Draw with SH or without: its coefficients, most of a scene's bytes, may come last."""
        self.stage.engine.bands_there = bool(there)

    def redraw(self) -> None:
        """Draw the next frame whatever it is: the canvas is new, or statistics were asked for."""
        self.stage.engine.redraw()

    def reset(self) -> None:
        """The camera goes back to its first view."""
        self.stage.camera.reset()

    def set_view(self, text: str) -> str:
        """Show a view (JSON); returns an empty string or what is wrong with it."""
        try:
            self.stage.camera.set_view(View.from_json(text, "view"))
        except VitrineError as error:
            return str(error)
        return ""

    def play(self, on: int) -> None:
        """Let the timeline go on, or pause it."""
        timeline = self.stage.engine.timeline
        if on:
            timeline.play()
        else:
            timeline.pause()

    def seek(self, seconds: float) -> None:
        """Go to a time; what is no finite number is passed over."""
        if math.isfinite(seconds):
            self.stage.engine.timeline.seek(seconds)

    def set_speed(self, speed: float) -> None:
        """Times real time; what is no finite number is passed over."""
        if math.isfinite(speed):
            self.stage.engine.timeline.set_speed(speed)

    def set_loop(self, on: int) -> None:
        """Whether the clip begins again at its end."""
        self.stage.engine.timeline.loop = bool(on)

    def set_input(self, name: str, text: str) -> str:
        """Give an input its values, JSON of numbers; null gives back what fills it otherwise.

        Returns
        -------
        str
            Empty, or what is wrong.
        """
        try:
            values = document(text, f"input {name!r}", "an array of numbers")
            engine = self.stage.engine
            shown = engine.filter
            if shown is not None and not _generates(engine, name):
                shown.set_input(name, values)
            else:
                engine.set_input(name, values)
        except VitrineError as error:
            return str(error)
        return ""

    def set_track(self, name: str, data: JsBytes) -> str:
        """The file of an input's track; returns an empty string or what is wrong with it."""
        generator = self.stage.engine.generator
        try:
            if generator is None:
                raise FormatError(f"input {name!r}: the scene has no generator")
            generator.set_track(name, data.to_bytes())
        except VitrineError as error:
            return str(error)
        return ""

    def reset_state(self) -> None:
        """A generator with state begins anew with the next frame."""
        generator = self.stage.engine.generator
        if generator is not None:
            generator.reset_state()


def _network(
    scene: Scene, program_text: str, shaders_text: str
) -> tuple[Program | None, dict[str, str]]:
    """The program and the shaders that JavaScript has downloaded."""
    if scene.generator is None:
        return None, {}
    program = Program.parse(program_text, f"{scene.generator.program}/program.json")
    shaders = document(shaders_text, "shaders", "an object of texts")
    if not isinstance(shaders, dict) or not shaders.keys() >= program.shaders.keys():
        raise PlanError("shaders of the program are missing")
    return program, shaders


def _move(engine: Engine, asked: str) -> list[tuple[int, str]]:
    from pyengine.hosts.page_objects import move  # a scene of one file need not compile it

    return move(engine, asked)


def _governed(stage: Stage, seconds: float) -> int:
    """The step down the ladder that suits the frames so far, one of which took so long."""
    shown, governor = stage.engine.filter, stage.governor
    if shown is None or governor is None:
        return 0
    if governor.frame(seconds):
        shown.every = governor.every
    return governor.level


def _generates(engine: Engine, name: str) -> bool:
    """Whether the generator has an input of a name, which then goes before a filter's."""
    spec = engine.scene.generator
    return spec is not None and any(feed.name == name for feed in spec.feeds)
