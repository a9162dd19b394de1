"""What the verbs of the command line do, after their arguments were read."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pybuild import formats, report
from pybuild.assembling import assemble_scene
from pybuild.bundle import bundle_folder, describe, read_bundle
from pybuild.filters.bundle import make_filters, read_filtering
from pybuild.generators.bundle import make_generator
from pybuild.generators.describe import contract_lines, goes_by_names
from pybuild.generators.given import read_given
from pybuild.inspection import folder_bytes, gpu_buffers, packing_errors, pixel_bytes
from pybuild.networks import Network, read_network
from pybuild.options import BuildOptions, GeneratorOptions, posed
from pybuild.pack import pack
from pybuild.render import in_memory, write_image
from pybuild.render import render as draw
from pybuild.scene_file import SceneFile, is_scene_file, read_scene_file
from pybuild.server import bind, serve_forever
from pybuild.site import build_site, is_model, recorded_options
from pybuild.terminal import notice, progress
from pyengine.bundle import Scene
from pyengine.contract import Contract
from pyengine.errors import InputError, ViewError
from pyengine.passes.filter import Filtering
from pyengine.passes.modes import checked_mode
from pyengine.view import WORLD_UP, View

__all__ = ["Camera", "Drawing", "build", "inspect", "render", "serve"]

Vector = tuple[float, float, float]
DEFAULT_SIZE = (1280, 720)
_MAGIC_BYTES = 1 << 16


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
        return View.look_at(pose.eye, pose.target, WORLD_UP, pose.fov_deg, *size)


@dataclass(frozen=True, slots=True)
class Drawing:
    """The options of ``render`` that are not the camera's."""

    background: Vector | None = None
    up: str | None = None
    generator: GeneratorOptions = field(default_factory=GeneratorOptions)
    filter: str | None = None
    mode: str = "colour"


def build(scene: Path | SceneFile, out: Path, options: BuildOptions, served: bool = False) -> None:
    """Make a site and say what it holds; and how to look at it, unless it is served at once."""
    if isinstance(scene, Path):
        _must_exist(scene)
    start = time.perf_counter()
    with progress() as tell:
        site = build_site(scene, out, options, tell)
    seconds = time.perf_counter() - start
    for text in site.notices:
        notice(text)
    raw, sent = report.transfer(site.sizes)
    if site.generator is not None:
        print(f"{_model_of(scene)}: a generator")
        print("\n".join(contract_lines(site.generator.contract)))
    for item in site.scene.objects:
        print(f"object {item.name}: {item.count:,} Gaussians of {item.file}")
    for spec in site.scene.filters:
        sizes = ", ".join(f"{w}x{h}" for w, h in (rung.output for rung in spec.rungs))
        print(f"filter {spec.name}: {sizes}")
    print(
        f"{scene if served else out}: {site.scene.count:,} Gaussians in {seconds:.1f} s; "
        f"{report.megabytes(raw)}, {report.megabytes(sent)} to download."
        + ("" if served else f" Show it: vitrine serve {out}")
    )


def serve(
    source: Path | SceneFile,
    host: str,
    port: int,
    watch: Path | None,
    options: BuildOptions | None = None,
) -> None:
    """Serve a site; under ``watch`` build it first. A scene file or a model is built to be served.

    Parameters
    ----------
    options : BuildOptions, optional
        Of a scene file or a model; a site was built with its own.
    """
    if isinstance(source, SceneFile) or _is_scene(source):
        if watch:
            raise InputError(f"{source}: is a scene file; --watch wants the folder of a site")
        sock = bind(host, port)
        with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
            site = Path(folder) / "site"
            build(source, site, options or BuildOptions(), served=True)
            serve_forever(site, sock, lambda text: print(text, flush=True))
        return
    if options and options != BuildOptions():
        raise InputError(f"{source}: is no scene file; options of a build have no use for a site")
    command: list[str] = []
    if watch:
        _must_exist(watch)
        recorded = recorded_options(source) or BuildOptions()
        sock = bind(host, port)  # before the build: a taken port is told at once
        build(watch, source, recorded)
        command = ["build", str(watch), "-o", str(source), *_flags(recorded)]
    else:
        if not source.is_dir():
            raise InputError(
                f"{source}: no such folder; make a site with: vitrine build SCENE -o DIR"
            )
        if not (source / "index.html").is_file():
            raise InputError(
                f"{source}: has no index.html; make a site with: vitrine build SCENE -o DIR"
            )
        sock = bind(host, port)
    serve_forever(
        source, sock, lambda text: print(text, flush=True), (watch, command) if watch else None
    )


def render(source: Path | SceneFile, out: Path, camera: Camera, drawing: Drawing) -> None:
    """Draw one image."""
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: the image is a PNG; name it something.png")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} is missing; make it first")
    mode = checked_mode(drawing.mode)
    if mode and drawing.filter is not None:
        raise InputError(f"--mode {mode}: a filter takes colours; leave out --filter or --mode")
    with progress() as tell:
        opened = _opened(source, drawing, tell)
        scene = opened.scene
        view = camera.for_scene(scene)
        filtering, files = _filtering(source, scene, drawing.filter, (view.width, view.height))
        if tell:
            tell("drawing", 0.9)
        image = draw(
            scene,
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
        told = f"{_model_of(source)}: understood by its names"
        print("\n".join([told, *contract_lines(opened.contract)]))
    print(f"{out}: {view.width}x{view.height} px, {scene.count:,} Gaussians")


def _filtering(
    source: Path | SceneFile, scene: Scene, text: str | None, shown: tuple[int, int]
) -> tuple[Filtering | None, Mapping[str, bytes]]:
    """The filter that was asked for: one of a built scene by its name, or a model."""
    if text is None:
        return None, {}
    if isinstance(source, Path) and any(spec.name == text for spec in scene.filters):
        return read_filtering(bundle_folder(source), scene, text, shown)
    (made,) = make_filters([text], shown)
    return made.filtering(), made.files()


def inspect(source: Path, as_json: bool, up: str | None) -> None:
    """Print a report on a scene file or a site."""
    _must_exist(source)
    if is_scene_file(source):
        facts = _objects_facts(source, up)
    else:
        facts = _folder_facts(source, up) if _is_bundle(source) else _file_facts(source, up)
    print(json.dumps(facts, indent=1) if as_json else report.text(facts))


def _file_facts(path: Path, up: str | None) -> dict[str, Any]:
    with progress() as tell:
        gaussians = formats.read(path, up)
        packed = pack(gaussians, tell)
        scene = describe(packed, gaussians, packed.buffers())
        errors = [asdict(error) for error in packing_errors(gaussians, packed)]
    return {
        "source": str(path),
        "format": _format_name(path),
        "sh_degree_stored": gaussians.sh_degree,
        **_scene_facts(scene),
        "disk_bytes": _disk_bytes(path),
        "packing_errors": errors,
    }


def _objects_facts(path: Path, up: str | None) -> dict[str, Any]:
    source = read_scene_file(path)
    with progress() as tell:
        made = assemble_scene(source, BuildOptions(up=up), tell)
    return {
        "source": str(path),
        "format": "several objects",
        **_scene_facts(made.scene, made.network),
        "disk_bytes": {
            entry.file: entry.path.stat().st_size
            for entry in source.entries
            if entry.path.is_file()
        },
    }


def _folder_facts(folder: Path, up: str | None) -> dict[str, Any]:
    if up:
        raise InputError(f"{folder}: --up is for scene files; this one is built")
    scene, load = read_bundle(folder)
    for name in scene.buffers:
        load(name)
    network = read_network(bundle_folder(folder), scene)
    return {
        "source": str(folder),
        "format": "Vitrine bundle" + " of a generator" * (network is not None),
        **_scene_facts(scene, network),
        "disk_bytes": folder_bytes(folder),
    }


def _scene_facts(scene: Scene, network: Network | None = None) -> dict[str, Any]:
    spec = scene.generator
    generator = {} if spec is None else {"generator": spec.to_dict()}
    filters = [item.to_dict() for item in scene.filters]
    objects = [item.to_dict() for item in scene.objects]
    return {
        **({"objects": objects} if objects else {}),
        **generator,
        **({"filters": filters} if filters else {}),
        "count": scene.count,
        "sh_degree": scene.sh_degree,
        "antialiased": scene.antialiased,
        "bounds": scene.bounds,
        "pose": asdict(scene.pose),
        "gpu_buffers": [asdict(buffer) for buffer in gpu_buffers(scene, network)],
        "gpu_pixel_bytes": pixel_bytes(scene, network),
    }


def _format_name(path: Path) -> str:
    if path.is_dir() or path.suffix == ".json":
        return "SOG, unpacked"
    with path.open("rb") as file:
        start = file.read(_MAGIC_BYTES)
    found = [item for item in formats.FORMATS if item.recognises(start)]
    found += [item for item in formats.FORMATS if path.name.lower().endswith(item.suffix)]
    return found[0].name


def _disk_bytes(path: Path) -> dict[str, int]:
    if path.is_file() and path.suffix != ".json":
        return {path.name: path.stat().st_size}
    return folder_bytes(path if path.is_dir() else path.parent)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A scene to draw, with what its generator needs."""

    scene: Scene
    load: Callable[[str], bytes]
    network: Network | None = None
    time_s: float | None = None
    inputs: Mapping[str, object] = field(default_factory=dict)
    contract: Contract | None = None


def _opened(
    source: Path | SceneFile, drawing: Drawing, tell: Callable[[str, float], None] | None
) -> _Opened:
    """A bundle as it is, or a scene file, objects or a generator's model built in memory."""
    up, options = drawing.up, drawing.generator
    if isinstance(source, SceneFile):
        return _opened_objects(source, BuildOptions(up=up, generator=options), tell)
    _must_exist(source)
    if is_model(source):
        made = make_generator(source, BuildOptions(up=up, generator=options), tell)
        given = made.given
        return _Opened(
            made.scene, _nothing, made.network, given.time_s, given.values, made.contract
        )
    if _is_bundle(source):
        if up:
            raise InputError(f"{source}: --up is for scene files; this one is built")
        return _opened_bundle(source, options)
    if options.given():
        raise InputError(f"{source}: is no generator; leave out {options.given()}")
    if tell:
        tell(f"reading {source.name}", 0.0)
    return _Opened(*in_memory(formats.read(source, up), tell))


def _opened_objects(
    source: SceneFile, options: BuildOptions, tell: Callable[[str, float], None] | None
) -> _Opened:
    assembled = assemble_scene(source, options, tell)
    scene, load, made = assembled.scene, assembled.composed.load, assembled.made
    if made is None:
        return _Opened(scene, load)
    given = made.given
    return _Opened(scene, load, made.network, given.time_s, given.values, made.contract)


def _opened_bundle(source: Path, options: GeneratorOptions) -> _Opened:
    scene, load = read_bundle(source)
    if scene.generator is None:
        if options.given():
            raise InputError(f"{source}: is no generator; leave out {options.given()}")
        return _Opened(scene, load)
    for option, value in (("--instances", options.instances), ("--track", options.tracks)):
        if value:
            raise InputError(f"{source}: is built; {option} belongs to vitrine build")
    given = read_given(options, scene.generator)
    network = read_network(bundle_folder(source), scene)
    return _Opened(scene, load, network, given.time_s, given.values)


def _model_of(source: Path | SceneFile) -> Path:
    """The generator's file."""
    if isinstance(source, Path):
        return source
    assert source.generator is not None
    return source.generator.path


def _nothing(name: str) -> bytes:
    raise KeyError(name)


def _is_scene(path: Path) -> bool:
    """Whether a path is a file to build from, or the folder of an unpacked SOG."""
    return path.is_file() or (path / "meta.json").is_file()


def _is_bundle(path: Path) -> bool:
    return path.is_dir() and not (path / "meta.json").is_file()


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")


def _flags(options: BuildOptions) -> list[str]:
    """The command line that gives these options."""
    flags: list[str] = []
    for name, value in options.to_dict().items():
        if name not in ("generator", "filters"):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            flags += [f"--{name.removesuffix('_deg')}={text}"]
    flags += [f"--filter={text}" for text in options.filters]
    return flags + options.generator.flags()
