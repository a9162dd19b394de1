"""What the verbs of the command line do, after their arguments were read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pybuild import formats, report
from pybuild.bundle import describe, read_bundle
from pybuild.inspection import folder_bytes, gpu_buffers, packing_errors, pixel_bytes
from pybuild.options import BuildOptions, posed
from pybuild.pack import pack
from pybuild.render import in_memory, write_image
from pybuild.render import render as draw
from pybuild.server import bind, serve_forever
from pybuild.site import build_site, recorded_options
from pybuild.terminal import notice, progress
from pyengine.bundle import Scene
from pyengine.errors import InputError, ViewError
from pyengine.view import WORLD_UP, View

__all__ = ["Camera", "build", "inspect", "render", "serve"]

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


def build(scene: Path, out: Path, options: BuildOptions) -> None:
    """Make a site and say what it holds."""
    _must_exist(scene)
    start = time.perf_counter()
    with progress() as tell:
        site = build_site(scene, out, options, tell)
    seconds = time.perf_counter() - start
    for text in site.notices:
        notice(text)
    raw, sent = report.transfer(site.sizes)
    print(
        f"{out}: {site.scene.count:,} Gaussians in {seconds:.1f} s; {report.megabytes(raw)}, "
        f"{report.megabytes(sent)} to download. Show it: vitrine serve {out}"
    )


def serve(folder: Path, host: str, port: int, watch: Path | None) -> None:
    """Serve a site; under ``watch`` build it first."""
    command: list[str] = []
    if watch:
        _must_exist(watch)
        options = recorded_options(folder) or BuildOptions()
        sock = bind(host, port)  # before the build: a taken port is told at once
        build(watch, folder, options)
        command = ["build", str(watch), "-o", str(folder), *_flags(options)]
    else:
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; make a site with: vitrine build SCENE -o DIR"
            )
        if not (folder / "index.html").is_file():
            raise InputError(
                f"{folder}: has no index.html; make a site with: vitrine build SCENE -o DIR"
            )
        sock = bind(host, port)
    serve_forever(
        folder, sock, lambda text: print(text, flush=True), (watch, command) if watch else None
    )


def render(
    source: Path, out: Path, camera: Camera, background: Vector | None, up: str | None
) -> None:
    """Draw one image."""
    if out.suffix.lower() != ".png":
        raise InputError(f"{out}: the image is a PNG; name it something.png")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} is missing; make it first")
    with progress() as tell:
        scene, load = _opened(source, up, tell)
        view = camera.for_scene(scene)
        if tell:
            tell("drawing", 0.9)
        image = draw(scene, load, view, background)
        write_image(out, image)
    print(f"{out}: {view.width}x{view.height} px, {scene.count:,} Gaussians")


def inspect(source: Path, as_json: bool, up: str | None) -> None:
    """Print a report on a scene file or a site."""
    _must_exist(source)
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


def _folder_facts(folder: Path, up: str | None) -> dict[str, Any]:
    if up:
        raise InputError(f"{folder}: --up is for scene files; this one is built")
    scene, load = read_bundle(folder)
    for name in scene.buffers:
        load(name)
    return {
        "source": str(folder),
        "format": "Vitrine bundle",
        **_scene_facts(scene),
        "disk_bytes": folder_bytes(folder),
    }


def _scene_facts(scene: Scene) -> dict[str, Any]:
    return {
        "count": scene.count,
        "sh_degree": scene.sh_degree,
        "antialiased": scene.antialiased,
        "bounds": scene.bounds,
        "pose": asdict(scene.pose),
        "gpu_buffers": [asdict(buffer) for buffer in gpu_buffers(scene)],
        "gpu_pixel_bytes": pixel_bytes(scene),
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


def _opened(
    source: Path, up: str | None, tell: Callable[[str, float], None] | None
) -> tuple[Scene, Callable[[str], bytes]]:
    """A bundle as it is, or a scene file packed in memory."""
    _must_exist(source)
    if _is_bundle(source):
        if up:
            raise InputError(f"{source}: --up is for scene files; this one is built")
        return read_bundle(source)
    if tell:
        tell(f"reading {source.name}", 0.0)
    return in_memory(formats.read(source, up), tell)


def _is_bundle(path: Path) -> bool:
    return path.is_dir() and not (path / "meta.json").is_file()


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")


def _flags(options: BuildOptions) -> list[str]:
    """The command line that gives these options."""
    flags: list[str] = []
    for name, value in options.to_dict().items():
        text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        flags += [f"--{name.removesuffix('_deg')}={text}"]
    return flags
