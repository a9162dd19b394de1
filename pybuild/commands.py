"""What the verbs of the command line do, after their arguments were read."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pybuild import formats, report
from pybuild.assembling import assemble_scene
from pybuild.bundle import bundle_folder, describe, read_bundle
from pybuild.generators.describe import contract_lines
from pybuild.inspection import folder_bytes, gpu_buffers, packing_errors, pixel_bytes
from pybuild.networks import Network, read_network
from pybuild.opening import is_bundle, model_of, must_exist
from pybuild.options import BuildOptions
from pybuild.pack import pack
from pybuild.scene_file import SceneFile, is_scene_file, read_scene_file
from pybuild.server import bind, serve_forever
from pybuild.site import build_site, recorded_options
from pybuild.terminal import notice, progress
from pyengine.bundle import Scene
from pyengine.errors import InputError

__all__ = ["build", "inspect", "serve"]

_MAGIC_BYTES = 1 << 16


def build(scene: Path | SceneFile, out: Path, options: BuildOptions, served: bool = False) -> None:
    """Make a site and say what it holds; and how to look at it, unless it is served at once."""
    if isinstance(scene, Path):
        must_exist(scene)
    start = time.perf_counter()
    with progress() as tell:
        site = build_site(scene, out, options, tell)
    seconds = time.perf_counter() - start
    for text in site.notices:
        notice(text)
    raw, sent = report.transfer(site.sizes)
    if site.generator is not None:
        print(f"{model_of(scene)}: a generator")
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
            kept = replace(options or BuildOptions(), offline=False)  # it ends with the server
            build(source, site, kept, served=True)
            serve_forever(site, sock, lambda text: print(text, flush=True))
        return
    if options and options != BuildOptions():
        raise InputError(f"{source}: is no scene file; options of a build have no use for a site")
    command: list[str] = []
    if watch:
        must_exist(watch)
        recorded = recorded_options(source) or BuildOptions()
        sock = bind(host, port)  # before the build: a taken port is told at once
        build(watch, source, recorded)
        command = ["build", str(watch), "-o", str(source), *recorded.flags()]
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


def inspect(source: Path, as_json: bool, up: str | None) -> None:
    """Print a report on a scene file or a site."""
    must_exist(source)
    if is_scene_file(source):
        facts = _objects_facts(source, up)
    else:
        facts = _folder_facts(source, up) if is_bundle(source) else _file_facts(source, up)
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


def _is_scene(path: Path) -> bool:
    """Whether a path is a file to build from, or the folder of an unpacked SOG."""
    return path.is_file() or (path / "meta.json").is_file()
