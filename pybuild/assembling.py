"""A scene of several objects from its files: read, compiled, composed, written as a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pybuild import formats, reference
from pybuild.atomic import unwritable
from pybuild.bundle import remove_stale, write_buffers, write_description
from pybuild.composing import Composed, GeneratorPart, Part, compose
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import Made, make_generator, write_made
from pybuild.networks import Network
from pybuild.options import BuildOptions, posed
from pybuild.poster import ORACLE_SIZE, SIZE, start_view
from pybuild.render import render, write_image
from pybuild.scene_file import Entry, SceneFile
from pyengine.bundle import Scene
from pyengine.errors import DeviceError, InputError

__all__ = ["Assembled", "assemble_scene", "write_assembled", "write_objects_poster"]

Report = Callable[[str, float], None]
_READ = 0.5
"""Of the whole: what reading and compiling take."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A scene of objects that is ready to be drawn or written.

    Attributes
    ----------
    composed : Composed
    made : Made, optional
        The generator, with the scene of all objects.
    """

    composed: Composed
    made: Made | None = None

    @property
    def scene(self) -> Scene:
        """Of all objects."""
        return self.composed.scene

    @property
    def network(self) -> Network | None:
        """Of the generator."""
        return self.made.network if self.made else None


def assemble_scene(
    source: SceneFile, options: BuildOptions | None = None, report: Report | None = None
) -> Assembled:
    """Read the files of a scene and compile its generator.

    Parameters
    ----------
    source : SceneFile
    options : BuildOptions, optional
        ``up`` is for files that have none of their own; ``generator`` for the one generator.
    report : callable, optional
        Told what is being done, and how much of the whole is done.

    Raises
    ------
    InputError
        A file that cannot be read, objects that do not fit together, or an option of generators
        where there is none.
    """
    options = options or BuildOptions()
    tell = report or (lambda _what, _done: None)
    given = options.generator.given()
    model = source.generator
    if given and model is None:
        raise InputError(f"{source}: none of its objects is a generator; leave out {given}")
    clouds: dict[tuple[Path, str | None], Gaussians] = {}
    parts, part = [], None
    for index, entry in enumerate(source.entries):
        tell(f"reading {entry.path.name}", _READ * index / len(source.entries))
        if not entry.is_model:
            parts.append(_part(entry, options, clouds))
    made = None
    if model is not None:
        made = make_generator(model.path, BuildOptions(generator=options.generator))
        part = GeneratorPart(model.name, model.file, made.scene, model.placement)
    composed = compose(
        parts, part, lambda what, done: tell(what, _READ + (1 - _READ) * done), options.background
    )
    pose = posed(composed.scene.pose, options.eye, options.target, options.fov_deg)
    composed = replace(composed, scene=replace(composed.scene, pose=pose))
    if made is not None:
        made = replace(made, scene=composed.scene)
    return Assembled(composed, made)


def _part(
    entry: Entry, options: BuildOptions, clouds: dict[tuple[Path, str | None], Gaussians]
) -> Part:
    """An object of a file, which is read once however many objects it makes."""
    up = entry.up or options.up
    key = entry.path, up
    if key not in clouds:
        clouds[key] = formats.read(entry.path, up)
    return Part(entry.name, entry.file, clouds[key], entry.placement, up)


def write_assembled(assembled: Assembled, folder: Path) -> None:
    """Write the bundle into a folder, which is made if it is missing.

    The description is written last, as in `pybuild.bundle.write_bundle`.

    Raises
    ------
    InputError
        The folder cannot be written; or values of all instances together, which are not kept.
    """
    with unwritable(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_buffers(folder, assembled.scene, assembled.composed.buffers)
    if assembled.made is not None:
        write_made(assembled.made, folder)
    else:
        write_description(folder, assembled.scene)
    remove_stale(folder, assembled.scene)


def write_objects_poster(path: Path, assembled: Assembled) -> list[str]:
    """Draw the scene from its first camera; by the oracle, small and without what a generator
    makes, where there is no adapter.

    Returns
    -------
    list of str
        What the user should know.
    """
    scene, made = assembled.scene, assembled.made
    time_s, inputs = (made.given.time_s, made.given.values) if made else (None, {})
    load = assembled.composed.load
    try:
        view = start_view(scene, *SIZE)
        image = render(scene, load, view, network=assembled.network, time_s=time_s, inputs=inputs)
        notices = []
    except DeviceError as error:
        width, height = ORACLE_SIZE
        view = start_view(scene, width, height)
        seen = assembled.composed.ellipsoids()
        image = reference.to_uint8(reference.render(seen, view, scene.background))
        left_out = ", without its generator" if made else ""
        notices = [f"the poster is {width}x{height} px, drawn without a GPU{left_out}: {error}"]
    write_image(path, image)
    return notices
