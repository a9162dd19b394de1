"""A scene below a notebook's cell: an anywidget around the element (web/held/widget.mjs)."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from pybuild.held import held_script, write_held_scene
from pybuild.terminal import notice
from pyengine.errors import InputError
from vitrine.cameras import Vector
from vitrine.files import engine, pieces
from vitrine.inputs import Inputs, sent
from vitrine.looking import Look, look_asked
from vitrine.sources import GivenInputs, Source, arrays_of, options_of, source_given
from vitrine.values import plain

__all__ = ["SceneWidget", "show"]

Listener = Callable[[str, dict[str, Any]], None]
EVENTS = ("ready", "play", "pause", "filter", "camera", "error")


class SceneWidget(anywidget.AnyWidget):
    """A scene that can be seen, moved and asked from Python.

    Traits follow the visitor, and the visitor's view follows them; ``observe`` tells of changes.
    Methods have the names of `vitrine.Scene` and do the same, in the page.

    Attributes
    ----------
    camera : dict
        ``eye``, ``target`` (world units, PLY axes) and ``fov`` (degrees, of the shorter side).
    mode : str
        ``orbit``, ``fly`` or ``turntable``.
    time : float
        Seconds into the clip; told four times a second while it plays.
    playing : bool
    speed : float
        Times real time.
    filter : str or None
        Empty for none; None for the scene's own choice.
    strength, split : float or None
        Of the filter, 0 to 1.
    look : dict
        ``background``, ``sh_degree``, ``splat_scale``, ``antialiasing``; what is left out is as
        the scene says.
    height : int or str
        Pixels, or a CSS length.
    controls : bool
        Whether the toolbar is there.
    label : str
        What the scene shows, for a screen reader.
    ready : bool
        Whether the first frame is on screen.
    info : dict
        ``count``, ``sh_degree``, ``adapter``, ``gpu_bytes``.
    duration : float
        Of the clip, seconds; 0 where there is none.
    """

    _esm = held_script("widget.mjs")
    _engine = t.Unicode().tag(sync=True)
    _scene = t.Unicode().tag(sync=True)
    _inputs = t.Dict().tag(sync=True)
    camera = t.Dict().tag(sync=True)
    mode = t.Unicode("").tag(sync=True)
    time = t.Float(0.0).tag(sync=True)
    playing = t.Bool(False).tag(sync=True)
    speed = t.Float(1.0).tag(sync=True)
    filter = t.Unicode(None, allow_none=True).tag(sync=True)
    strength = t.Float(None, allow_none=True, min=0.0, max=1.0).tag(sync=True)
    split = t.Float(None, allow_none=True, min=0.0, max=1.0).tag(sync=True)
    look = t.Dict().tag(sync=True)
    height = t.Union([t.Int(), t.Unicode()], default_value=480).tag(sync=True)
    controls = t.Bool(True).tag(sync=True)
    label = t.Unicode("").tag(sync=True)
    ready = t.Bool(False).tag(sync=True)
    info = t.Dict().tag(sync=True)
    duration = t.Float(0.0).tag(sync=True)

    def __init__(self, folder: tempfile.TemporaryDirectory[str], **traits: Any) -> None:
        """Show the ``scene/`` of a folder; see `show`."""
        self._folder = folder
        self._engine_folder = engine()
        self._asked: dict[str, Future[bytes]] = {}
        self._listeners: list[Listener] = []
        super().__init__(_engine=self._engine_folder.name, _scene=uuid.uuid4().hex, **traits)
        self.on_msg(self._take)

    @property
    def inputs(self) -> Inputs:
        """Values of the generator's inputs, and of the filter's: ``inputs["lift"] = 0.7``."""
        return Inputs(lambda: self._inputs, lambda values: self.set_trait("_inputs", values))

    @inputs.setter
    def inputs(self, values: Mapping[str, ArrayLike]) -> None:
        self._inputs = {name: sent(name, value) for name, value in values.items()}

    @property
    def paused(self) -> bool:
        """Whether time stands still."""
        return not self.playing

    def play(self) -> None:
        """Let time go on."""
        self.playing = True

    def pause(self) -> None:
        """Stop time."""
        self.playing = False

    def seek(self, seconds: float) -> None:
        """Go to a time of the clip, playing or not."""
        self._do("seek", seconds=float(seconds))

    def restart(self) -> None:
        """Time 0, and the first state of a generator that has one."""
        self._do("restart")

    def reset(self) -> None:
        """Back to the first view."""
        self._do("reset")

    def stop(self) -> None:
        """End a flight or the turntable where it is."""
        self._do("stop")

    def set_camera(
        self,
        *,
        eye: Vector | None = None,
        target: Vector | None = None,
        fov: float | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Go to a camera, at once or smoothly in so many seconds; what is not given stays."""
        given = {"eye": eye, "target": target, "fov": fov}
        camera = {name: plain(value) for name, value in given.items() if value is not None}
        self._do("camera", seconds=seconds, **camera)

    def fly_to(
        self,
        eye: Vector | None = None,
        target: Vector | None = None,
        fov: float | None = None,
        seconds: float = 1.2,
    ) -> None:
        """Go to a camera smoothly: `set_camera` that takes its time."""
        self.set_camera(eye=eye, target=target, fov=fov, seconds=seconds)

    def set_mode(self, mode: str) -> None:
        """The camera's mode: ``orbit``, ``fly`` or ``turntable``; the same as the trait."""
        self.mode = mode

    def set_look(self, **look: Unpack[Look]) -> None:
        """How splats are drawn; None gives back what the scene says. See `vitrine.Scene`."""
        look_asked(look)
        changed = {**self.look, **plain(look)}
        self.look = {name: value for name, value in changed.items() if value is not None}

    def set_input(self, name: str, values: ArrayLike | None) -> None:
        """Give an input its values, None back to what fills it otherwise; as `inputs` does."""
        if values is not None:
            self.inputs[name] = np.asarray(values)
        elif name in self.inputs:
            del self.inputs[name]

    def set_filter(
        self, name: str | None, *, strength: float | None = None, split: float | None = None
    ) -> None:
        """Put a filter on; None, ``""`` or ``"none"`` takes it off. The numbers are 0 to 1."""
        with self.hold_sync():
            if strength is not None:
                self.strength = strength
            if split is not None:
                self.split = split
            self.filter = "" if name in (None, "none") else name

    def screenshot(
        self,
        path: str | PathLike[str] | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        transparent: bool = False,
    ) -> Future[bytes]:
        """Take a picture of what is seen: PNG, of the canvas's size unless told.

        A kernel hears of the picture when the cell that asked for it has ended: look at the
        result in the next cell.

        Parameters
        ----------
        path : path, optional
            Where it is written when it comes.
        width, height : int, optional
            Pixels.
        transparent : bool
            Without the background.

        Returns
        -------
        Future of bytes
            The file's; ``result(timeout=0)`` raises what went wrong.
        """
        asked = {"width": width, "height": height, "transparent": transparent or None}
        given = {name: value for name, value in asked.items() if value is not None}
        future = self._do("screenshot", **given)
        if path is not None:
            file = Path(path).absolute()
            future.add_done_callback(lambda done: _write(file, done))
        return future

    def on(self, name: str, hear: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
        """Call a function with the detail of each event of a name; gives one that ends it.

        Names are those of `on_event`; `InputError` for another.
        """
        if name not in EVENTS:
            raise InputError(f"event {name!r}: wanted one of {', '.join(EVENTS)}")

        def listen(told: str, detail: dict[str, Any]) -> None:
            if told == name:
                hear(detail)

        self._listeners.append(listen)
        return lambda: self._listeners.remove(listen) if listen in self._listeners else None

    def on_event(self, listen: Listener) -> None:
        """Call ``listen(name, detail)`` for what happens.

        Names are ``ready``, ``play``, ``pause``, ``filter``, ``camera`` and ``error``, as of the
        element's events (docs/embedding.md).
        """
        self._listeners.append(listen)

    def dispose(self) -> None:
        """Take the scene out of the page: `close`."""
        self.close()

    def close(self) -> None:
        """Take the scene out of the page, and its files from the disk."""
        super().close()
        for future in self._asked.values():
            future.cancel()
        self._folder.cleanup()

    def _do(self, command: str, **given: Any) -> Future[bytes]:
        name, future = uuid.uuid4().hex, Future[bytes]()
        self._asked[name] = future
        self.send({"kind": "do", "id": name, "command": command, "given": given})
        return future

    def _take(self, _: Any, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """A message of the page."""
        match content.get("kind"):
            case "file":
                self._send_file(content["id"], str(content["path"]))
            case "done":
                future = self._asked.pop(content["id"], None)
                if future is not None and "error" in content:
                    future.set_exception(RuntimeError(content["error"]))
                elif future is not None:
                    future.set_result(bytes(buffers[0]) if buffers else b"")
            case "event":
                for listen in [*self._listeners]:
                    listen(content["name"], dict(content.get("detail") or {}))

    def _send_file(self, number: int, path: str) -> None:
        of_engine = path.startswith("vitrine/")
        root = self._engine_folder.keeper if of_engine else self._folder
        message = {"kind": "file", "id": number}
        try:
            for piece in pieces(Path(root.name), path):
                told = {**message, "packing": piece.packing, "last": piece.last}
                self.send(told, [piece.data])
        except OSError as error:
            self.send({**message, "error": str(error)})


def _write(file: Path, done: Future[bytes]) -> None:
    if not done.cancelled() and done.exception() is None:
        file.write_bytes(done.result())


def show(
    *source: Source,
    height: int | str = 480,
    up: str | None = None,
    eye: Vector | None = None,
    target: Vector | None = None,
    fov: float | None = None,
    background: Vector | None = None,
    filters: Sequence[str] = (),
    settings: Sequence[str] = (),
    tracks: Sequence[str] = (),
    instances: int | str | None = None,
    inputs: GivenInputs | None = None,
    **traits: Any,
) -> SceneWidget:
    """Show a scene below the cell.

    Parameters
    ----------
    source : path, Gaussians or SceneFile
        What ``vitrine build`` takes: a scene file, several of them, a generator's model, a
        scene.toml; a built site; or a cloud in memory.
    height : int or str
        Pixels, or a CSS length.
    up, eye, target, fov, background, filters
        As the options of ``vitrine build``; ``filters`` as ``--filter``, a text each.
    settings, tracks, instances
        Of generators: ``--set``, ``--track``, ``--instances``.
    inputs : mapping, optional
        What inputs are set to from the start: numbers, arrays, or files as of ``--input``.
    **traits
        What else `SceneWidget` begins with: ``playing=True``, ``look={"background": "#fff"}`` ...

    Raises
    ------
    InputError
        The scene cannot be read.
    ValueError
        An input is no number.
    """
    given = source_given(source, "show")
    options = options_of(
        up, eye, target, fov, background, filters, settings, tracks, instances, inputs
    )
    values = {name: sent(name, value) for name, value in arrays_of(inputs).items()}
    folder = tempfile.TemporaryDirectory(prefix="vitrine-")
    notices: list[str] = []
    try:
        _, title = write_held_scene(given, Path(folder.name), options, _quiet, notices)
        traits = {"label": title, **traits}
        scene = SceneWidget(folder, height=height, _inputs=values, **traits)
    except BaseException:
        folder.cleanup()
        raise
    for text in notices:
        notice(text)
    return scene


def _quiet(what: str, done: float) -> None:
    """Progress that nobody sees."""
