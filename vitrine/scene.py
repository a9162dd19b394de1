"""A scene in a script: loaded, moved, drawn to numpy arrays; no browser, no page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import TracebackType
from typing import TypedDict

from pybuild.filters.given import parse_filter
from pybuild.opening import open_scene
from pybuild.rendering import DEFAULT_SIZE
from pyengine.errors import InputError
from vitrine.cameras import Vector
from vitrine.filming import Filming
from vitrine.linking import Linking
from vitrine.sources import GivenInputs, Source, arrays_of, options_of, source_given

__all__ = ["Info", "Scene", "load"]


class Info(TypedDict):
    """Figures of a scene."""

    count: int
    """Gaussians; of a generator at most."""
    sh_degree: int
    adapter: str
    """The name of the GPU."""
    gpu_bytes: int
    """Of the buffers that draw its colours, without those of an image's size."""


class Scene(Filming, Linking):
    """A scene on this machine's GPU, made by `vitrine.load`.

    Members have the names of the page's element in snake_case, and mean the same
    (docs/embedding.md); docs/python.md has examples. Nothing waits: what is a promise there is done
    when the method returns, and time passes in `advance` and in films alone. A scene is for one
    thread.
    """

    @property
    def info(self) -> Info:
        """Figures of the scene."""
        engine, renderer = self._engine, self._renderers.colours
        return Info(
            count=engine.scene.count,
            sh_degree=engine.scene.sh_degree,
            adapter=str(renderer.host.adapter.info["device"]),
            gpu_bytes=sum(buffer.size_bytes for buffer in renderer.plan.buffers),
        )

    def __enter__(self) -> Scene:
        """For ``with``."""
        self._live()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Dispose of it."""
        self.dispose()

    def __repr__(self) -> str:
        """What it is, shortly."""
        state = "disposed of" if self._closed else f"{self._size[0]}x{self._size[1]} px"
        return f"<vitrine.Scene of {self._opened.scene.count:,} Gaussians, {state}>"


def load(
    *source: Source,
    size: tuple[int, int] = DEFAULT_SIZE,
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
) -> Scene:
    """Load a scene to draw it here. Nothing is written to the disk.

    Parameters
    ----------
    source : path, Gaussians or SceneFile
        What ``vitrine build`` takes: a scene file, several of them, a generator's model, a
        scene.toml; the folder of a built site or bundle; or a cloud in memory.
    size : (width, height)
        Pixels of an image, where nothing else is said.
    up, eye, target, fov, background
        As the options of ``vitrine build``: the file's axis that points up; where the camera
        begins, ``fov`` in degrees; display-referred, 0 to 1.
    filters : sequence of str
        As ``--filter``, a text each, or the name of one that a built scene has; the first is on.
        Those of a built scene are there anyway.
    settings, tracks, instances
        Of generators: ``--set``, ``--track``, ``--instances``.
    inputs : mapping, optional
        What inputs are set to from the start, by name: a number, an array, or a file as of
        ``--input``.

    Returns
    -------
    Scene
        To be disposed of, best by ``with``.

    Raises
    ------
    InputError
        The scene cannot be read, or an option has no use for it.
    DeviceError
        No adapter, or the scene is beyond its limits.
    """
    given = source_given(source, "load")
    options = options_of(
        up, eye, target, fov, background, filters, settings, tracks, instances, inputs
    )
    opened = open_scene(given, options)
    built = {spec.name: spec.name for spec in opened.scene.filters}
    texts = _named(filters, built)
    first = next(iter(texts), None)
    if first is None:
        first = next((spec.name for spec in opened.scene.filters if spec.first), None)
    scene = Scene(opened, size, {**texts, **built})
    try:
        for name, values in {**opened.inputs, **arrays_of(inputs)}.items():
            scene.set_input(name, values)  # type: ignore[arg-type]
        if first is not None:
            scene.set_filter(first)
    except BaseException:
        scene.dispose()
        raise
    return scene


def _named(texts: Sequence[str], built: Collection[str]) -> dict[str, str]:
    """Texts of filters by the names that they will have; a text may be that of a built one."""
    found: dict[str, str] = {}
    for text in texts:
        is_built = text in built
        name = text if is_built else " + ".join(stage.name for stage in parse_filter(text))
        if name in found or (name in built and not is_built):
            raise InputError(f"filter {text!r}: the name {name!r} is there twice; add @name=...")
        found[name] = text
    return found
