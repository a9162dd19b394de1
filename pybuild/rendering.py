"""What ``vitrine render`` does: one image of a scene, from a camera that its options say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pybuild.generators.describe import contract_lines, goes_by_names
from pybuild.opening import Opened, model_of, open_scene
from pybuild.options import BuildOptions, GeneratorOptions, posed
from pybuild.render import render as draw
from pybuild.render import write_image
from pybuild.scene_file import SceneFile
from pybuild.terminal import progress
from pyengine.bundle import Scene
from pyengine.camera_shot import Shot
from pyengine.errors import InputError, ViewError
from pyengine.passes.filter import Filtering
from pyengine.passes.modes import checked_mode
from pyengine.view import View

__all__ = ["DEFAULT_SIZE", "Camera", "Drawing", "render"]

Vector = tuple[float, float, float]
DEFAULT_SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class Camera:
    """The camera options of ``render`` as they were given."""

    eye: Vector | None = None
    target: Vector | None = None
    fov_deg: float | None = None
    view: View | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.view and (self.eye or self.target or self.fov_deg):
            raise ViewError("--view is a whole camera; leave out --eye, --target and --fov")

    def for_scene(self, scene: Scene) -> View:
        """The view that the options ask for; the scene's first camera fills the gaps."""
        if self.view:
            return self.view.scaled(*self.size) if self.size else self.view
        pose = posed(scene.pose, self.eye, self.target, self.fov_deg)
        size = self.size or DEFAULT_SIZE
        return Shot.of_pose(pose).view(*size)


@dataclass(frozen=True, slots=True)
class Drawing:
    """The options of ``render`` that are not the camera's."""

    background: Vector | None = None
    up: str | None = None
    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    filter: str | None = None
    mode: str = "colour"


def render(source: Path | SceneFile, out: Path, camera: Camera, drawing: Drawing) -> None:
    """Draw one image.

    Raises
    ------
    InputError
        The scene cannot be read, an option has no use for it, or the image cannot be written.
    DeviceError
        No adapter, or the image or the scene is beyond its limits.
    """
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: the image is a PNG; name it something.png")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} is missing; make it first")
    mode = checked_mode(drawing.mode)
    if mode and drawing.filter is not None:
        raise InputError(f"--mode {mode}: a filter takes colours; leave out --filter or --mode")
    options = BuildOptions(up=drawing.up, generator=drawing.generator)
    with progress() as tell:
        opened = open_scene(source, options, tell)
        view = camera.for_scene(opened.scene)
        filtering, files = _filtering(opened, drawing.filter, view)
        if tell:
            tell("drawing", 0.9)
        image = draw(
            opened.scene,
            opened.load,
            view,
            drawing.background,
            opened.network,
            opened.time_s,
            opened.inputs,
            filtering,
            files,
            mode,
        )
        write_image(out, image)
    if opened.contract is not None and goes_by_names(opened.contract):
        told = f"{model_of(source)}: understood by its names"
        print("\n".join([told, *contract_lines(opened.contract)]))
    print(f"{out}: {view.width}x{view.height} px, {opened.scene.count:,} Gaussians")


def _filtering(
    opened: Opened, text: str | None, view: View
) -> tuple[Filtering | None, Mapping[str, bytes]]:
    return (None, {}) if text is None else opened.filtering(text, (view.width, view.height))
