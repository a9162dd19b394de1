"""A scene to draw here: a bundle as it is, or what ``vitrine build`` takes, built in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pybuild import formats
from pybuild.assembling import assemble_scene
from pybuild.bundle import bundle_folder, read_bundle
from pybuild.filters.bundle import make_filters, read_filtering
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import Made, make_generator
from pybuild.generators.given import read_given
from pybuild.networks import Network, read_network
from pybuild.options import BuildOptions, GeneratorOptions, posed
from pybuild.pack import Report
from pybuild.render import in_memory
from pybuild.scene_file import SceneFile, is_scene_file, read_scene_file
from pybuild.site import is_model
from pyengine.bundle import Scene
from pyengine.contract import Contract
from pyengine.errors import InputError
from pyengine.passes.filter import Filtering

__all__ = ["Opened", "is_bundle", "model_of", "must_exist", "open_scene"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A scene to draw, with what its generator and its filters need.

    Attributes
    ----------
    scene : Scene
    load : callable
        Bytes of a buffer by its name.
    network : Network, optional
    time_s : float, optional
        When the generator is, if that was said.
    inputs : mapping
        Values of the generator's inputs that were given, by name.
    contract : Contract, optional
        Of a generator that was compiled for this.
    folder : Path, optional
        That holds scene.json, of a bundle.
    """

    scene: Scene
    load: Callable[[str], bytes]
    network: Network | None = None
    time_s: float | None = None
    inputs: Mapping[str, object] = field(default_factory=dict)
    contract: Contract | None = None
    folder: Path | None = None

    def filtering(self, text: str, shown: tuple[int, int]) -> tuple[Filtering, Mapping[str, bytes]]:
        """A filter for an image of so many pixels, and the content of its buffers' files.

        Parameters
        ----------
        text : str
            The name of one that the bundle has, or a model as ``--filter`` takes it.
        shown : (width, height)

        Raises
        ------
        InputError
            There is neither, or the model is no filter.
        """
        if self.folder is not None and any(spec.name == text for spec in self.scene.filters):
            return read_filtering(self.folder, self.scene, text, shown)
        (made,) = make_filters([text], shown)
        return made.filtering(), made.files()


def open_scene(
    source: Path | Gaussians | SceneFile,
    options: BuildOptions | None = None,
    report: Report | None = None,
) -> Opened:
    """Read a scene, or the bundle of one; nothing is written.

    Parameters
    ----------
    source : Path, Gaussians or SceneFile
        A scene file, a generator's model or a scene.toml; the folder of a bundle or of a site; a
        cloud in PLY axes; or several objects.
    options : BuildOptions, optional
        Its filters and its title have no use here.
    report : callable, optional
        Told what is being done, and how much of the whole is done.

    Raises
    ------
    InputError
        It cannot be read, or an option has no use for it.
    """
    options = options or BuildOptions()
    if isinstance(source, Path) and is_scene_file(source):
        source = read_scene_file(source)
    if isinstance(source, SceneFile):
        return _objects(source, options, report)
    if isinstance(source, Gaussians):
        _refuse(options.generator, "a cloud is no generator")
        return _cloud(source, options, report)
    must_exist(source)
    if is_model(source):
        made = make_generator(source, options, report)
        return _generated(made.scene, _nothing, made)
    if is_bundle(source):
        if options.up:
            raise InputError(f"{source}: --up is for scene files; this one is built")
        return _bundle(source, options)
    _refuse(options.generator, f"{source}: is no generator")
    if report:
        report(f"reading {source.name}", 0.0)
    return _cloud(formats.read(source, options.up), options, report)


def is_bundle(path: Path) -> bool:
    """Whether a path is a folder, and not that of an unpacked SOG."""
    return path.is_dir() and not (path / "meta.json").is_file()


def model_of(source: Path | SceneFile) -> Path:
    """The generator's file, of a source that has one."""
    if isinstance(source, Path):
        return source
    assert source.generator is not None
    return source.generator.path


def must_exist(path: Path) -> None:
    """Raise InputError where nothing is at a path."""
    if not path.exists():
        raise InputError(f"{path}: no such file")


def _cloud(gaussians: Gaussians, options: BuildOptions, report: Report | None) -> Opened:
    scene, load = in_memory(gaussians, report)
    return Opened(_seen(scene, options), load)


def _objects(source: SceneFile, options: BuildOptions, report: Report | None) -> Opened:
    assembled = assemble_scene(source, options, report)
    load = assembled.composed.load
    if assembled.made is None:
        return Opened(assembled.scene, load)
    return _generated(assembled.scene, load, assembled.made)


def _generated(scene: Scene, load: Callable[[str], bytes], made: Made) -> Opened:
    given = made.given
    return Opened(scene, load, made.network, given.time_s, given.values, made.contract)


def _bundle(source: Path, options: BuildOptions) -> Opened:
    scene, load = read_bundle(source)
    scene, folder = _seen(scene, options), bundle_folder(source)
    made = options.generator
    if scene.generator is None:
        _refuse(made, f"{source}: is no generator")
        return Opened(scene, load, folder=folder)
    for option, value in (("--instances", made.instances), ("--track", made.tracks)):
        if value:
            raise InputError(f"{source}: is built; {option} belongs to vitrine build")
    given = read_given(made, scene.generator)
    network = read_network(folder, scene)
    return Opened(scene, load, network, given.time_s, given.values, folder=folder)


def _seen(scene: Scene, options: BuildOptions) -> Scene:
    """A scene with the first camera and the background that were asked for."""
    pose = posed(scene.pose, options.eye, options.target, options.fov_deg)
    return replace(scene, pose=pose, background=options.background or scene.background)


def _refuse(options: GeneratorOptions, why: str) -> None:
    given = options.given()
    if given:
        raise InputError(f"{why}; leave out {given}")


def _nothing(name: str) -> bytes:
    raise KeyError(name)
