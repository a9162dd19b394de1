"""A scene to a folder that any static host can serve: the page, the bundle, the engine, Pyodide.

The site is made in a staging folder inside the target and then moved into place: see
`pybuild.publishing`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pybuild import formats
from pybuild.archive import engine_archive
from pybuild.assembling import assemble_scene, write_assembled, write_objects_poster
from pybuild.atomic import staging_folder, unwritable, write_bytes
from pybuild.bundle import read_bundle, write_bundle
from pybuild.compress import FAST_QUALITY, write_sibling
from pybuild.filters.bundle import add_filters, make_filters
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import Made, write_generator
from pybuild.offline import OFFLINE_FILE, write_offline
from pybuild.options import BuildOptions
from pybuild.pack import Report
from pybuild.page import POSTER, WEB_FOLDER, About, Shared, imported_modules, index_html
from pybuild.poster import read_poster, size_of, write_generator_poster, write_poster
from pybuild.programs import PROGRAM_FILE
from pybuild.publishing import (
    RECORD,
    files_in,
    old_files,
    publish,
    read_record,
    target_folder,
)
from pybuild.pyodide import CDN_URL, VERSION, PyodideMissing, fetch_pyodide
from pybuild.scene_file import SceneFile, is_scene_file, read_scene_file
from pybuild.snapshot import page_start
from pyengine.bundle import Scene
from pyengine.errors import InputError

__all__ = [
    "RECORD",
    "EngineFiles",
    "Site",
    "build_site",
    "compress_site",
    "is_model",
    "recorded_options",
    "write_engine",
    "write_page",
    "write_scene",
]

PYODIDE_FOLDER = f"pyodide-{VERSION}"
"""Named by its version, so that browsers may keep it for good."""
PYODIDE_FILES = ("pyodide.asm.wasm", "pyodide.asm.mjs", "pyodide.mjs")
"""Of Pyodide's core, what a page loads: the standard library and the engine are in a snapshot."""
ELEMENT_FILE, WORKER_FILE = "vitrine-view.mjs", "worker.mjs"
TYPES_FILE = "vitrine-view.d.mts"
_LEVELS = {"read": 0.15, "pack": 0.45, "poster": 0.55, "Pyodide": 0.8, "compress": 0.85, "move": 1}


@dataclass(frozen=True, slots=True)
class EngineFiles:
    """What a page is told of ``vitrine/``; names are relative to it.

    Attributes
    ----------
    modules : tuple of str
        The element's module, then those that it imports.
    early : tuple of str
        What the worker loads in every start.
    pyodide : bool
        Whether Pyodide is there; otherwise the page uses the public CDN.
    """

    modules: tuple[str, ...]
    early: tuple[str, ...]
    pyodide: bool


@dataclass(frozen=True, slots=True)
class Site:
    """What was built.

    Attributes
    ----------
    folder : Path
    scene : Scene
    sizes : dict
        Bytes of each file by its path in the site; ``.br`` siblings are listed like the others.
    notices : tuple of str
        What the user should know: splats dropped, no npm, no adapter.
    generator : Made, optional
        What the scene was made of, where a network makes its Gaussians.
    """

    folder: Path
    scene: Scene
    sizes: dict[str, int]
    notices: tuple[str, ...]
    generator: Made | None = None


def build_site(
    source: Path | Gaussians | SceneFile,
    out: Path,
    options: BuildOptions | None = None,
    report: Report | None = None,
    *,
    pyodide: bool = True,
) -> Site:
    """Build a site, or build it anew.

    Parameters
    ----------
    source : Path, Gaussians or SceneFile
        A scene file, a generator's model or a scene.toml; a cloud in PLY axes; or several objects.
    out : Path
        Made if it is missing; otherwise empty, or a site that Vitrine built.
    options : BuildOptions, optional
    report : callable, optional
        Told what is being done, and how much of the whole is done.
    pyodide : bool
        Copy Pyodide into the site; otherwise the page uses the public CDN.

    Raises
    ------
    InputError
        The scene cannot be read, or ``out`` is something else or cannot be written.
    """
    options = options or BuildOptions()
    tell = report or (lambda _what, _done: None)
    notices: list[str] = []
    old = old_files(out)
    with target_folder(out), staging_folder(out) as staging:
        bundle = staging / "scene"
        scene, made = write_scene(source, bundle, options, tell, notices)
        tell("Pyodide (fetched once)", _LEVELS["poster"])
        engine = write_engine(staging / "vitrine", pyodide, notices)
        title = options.title or _name_of(source)
        offline = options.offline and engine.pyodide
        about = About(options.description, options.url, size_of(bundle / "poster.webp"))
        needed = write_page(staging, title, scene, made, engine, offline=offline, about=about)
        write_offline(staging, _named(staging) if offline else None, needed)
        tell("compressing", _LEVELS["Pyodide"])
        compress_site(staging)
        tell("moving into place", _LEVELS["compress"])
        names = publish(staging, out, old, {"options": options.to_dict()})
        tell("done", 1.0)
        sizes = {name: (out / name).stat().st_size for name in names}
    return Site(out, scene, sizes, tuple(notices), made)


def write_scene(
    source: Path | Gaussians | SceneFile,
    bundle: Path,
    options: BuildOptions,
    report: Report,
    notices: list[str],
) -> tuple[Scene, Made | None]:
    """The bundle of a scene file, a cloud, a generator's model or objects, with its poster.

    What the user should know is added to ``notices``.

    Raises
    ------
    InputError
        The scene cannot be read, or an option has no use for it.
    """
    given = read_poster(Path(options.poster)) if options.poster else None
    filters = make_filters(options.filters, report=_part(report, "", 0.0, _LEVELS["read"]))
    scene, made = _write_scene(source, bundle, options, report, notices)
    if filters:
        scene = add_filters(bundle, filters)
    if given:
        write_bytes(bundle / "poster.webp", given)
    return scene, made


def _write_scene(
    source: Path | Gaussians | SceneFile,
    bundle: Path,
    options: BuildOptions,
    report: Report,
    notices: list[str],
) -> tuple[Scene, Made | None]:
    if isinstance(source, Path) and is_scene_file(source):
        source = read_scene_file(source)
    if isinstance(source, SceneFile):
        return _write_objects(source, bundle, options, report, notices)
    if not (isinstance(source, Path) and is_model(source)):
        return _write_cloud(source, bundle, options, report, notices), None
    made = write_generator(source, bundle, options, _part(report, "", 0.0, _LEVELS["pack"]))
    if not options.poster:
        report("rendering the poster", _LEVELS["pack"])
        net, given = made.network, made.given
        poster = bundle / "poster.webp"
        notices += write_generator_poster(poster, made.scene, net, given.values, given.time_s)
    return made.scene, made


def _write_objects(
    source: SceneFile, bundle: Path, options: BuildOptions, report: Report, notices: list[str]
) -> tuple[Scene, Made | None]:
    """The bundle of several objects, with its poster."""
    assembled = assemble_scene(source, options, _part(report, "", 0.0, _LEVELS["pack"]))
    write_assembled(assembled, bundle)
    if not options.poster:
        report("rendering the poster", _LEVELS["pack"])
        notices += write_objects_poster(bundle / "poster.webp", assembled)
    return assembled.scene, assembled.made


def is_model(path: Path) -> bool:
    """Whether a path is that of an ONNX model, by its name alone."""
    return path.suffix.lower() == ".onnx"


def _write_cloud(
    source: Path | Gaussians,
    bundle: Path,
    options: BuildOptions,
    tell: Report,
    notices: list[str],
) -> Scene:
    """The bundle of a scene file, with its poster."""
    given = options.generator.given()
    if given:
        raise InputError(f"{given} is for generators (ONNX models); leave it out for a scene file")
    if isinstance(source, Gaussians):
        cloud = source
    else:
        reading = _part(tell, "", 0.0, _LEVELS["read"])
        name = f"reading {source.name}"
        reading(name, 0.0)
        cloud = formats.read(source, options.up, lambda done: reading(name, done))
    tell("packing", _LEVELS["read"])
    scene = write_bundle(
        cloud,
        bundle,
        pose=options.pose(cloud),
        background=options.background or (0.0, 0.0, 0.0),
        report=_part(tell, "packing: ", _LEVELS["read"], _LEVELS["pack"]),
    )
    if not options.poster:
        tell("rendering the poster", _LEVELS["pack"])
        notices += write_poster(bundle / "poster.webp", scene, read_bundle(bundle)[1], cloud)
    return scene


def recorded_options(folder: Path) -> BuildOptions | None:
    """Options of the build that made a site; None where there is no site.

    Raises
    ------
    InputError
        The record is damaged.
    """
    record = read_record(folder)
    options = record.get("options") if record else None
    if not isinstance(options, dict):
        return None
    return BuildOptions.from_dict(options, str(folder / RECORD))


def write_engine(
    folder: Path, pyodide: bool, notices: list[str], *, hashed: bool = True
) -> EngineFiles:
    """Fill ``vitrine/``: modules and their configuration in a folder named by what is in it.

    So browsers may keep all of it for good. A module of a fixed name leads other pages there.

    Parameters
    ----------
    hashed : bool
        Otherwise they are in ``vitrine/`` itself.
    """
    files = {
        path.name: path.read_bytes()
        for path in sorted(WEB_FOLDER.glob("*"))
        if path.suffix in (".mjs", ".css")
    }
    files["engine.zip"] = engine = engine_archive()
    with unwritable(folder):
        folder.mkdir()
    config: dict[str, object] = {"pyodide": CDN_URL, "version": VERSION}
    early: list[str] = []
    if pyodide:
        try:
            facts, early = _write_pyodide(folder / PYODIDE_FOLDER, engine)
            config |= {"pyodide": f"{'..' if hashed else '.'}/{PYODIDE_FOLDER}/", **facts}
        except PyodideMissing as error:
            notices.append(f"{error}; the page will load Pyodide from {CDN_URL}")
    files["config.json"] = (json.dumps(config, indent=1) + "\n").encode()
    app = folder / f"app-{_hash_of(files)}" if hashed else folder
    if hashed:
        with unwritable(app):
            app.mkdir()
        entry = f'export * from "./{app.name}/{ELEMENT_FILE}";\n'
        write_bytes(folder / ELEMENT_FILE, entry.encode())
    types = WEB_FOLDER / "types" / TYPES_FILE
    write_bytes(folder / TYPES_FILE, types.read_bytes())
    for name, data in files.items():
        write_bytes(app / name, data)
    modules = imported_modules(app / ELEMENT_FILE)
    own = ["config.json", *([] if early else ["engine.zip"]), *imported_modules(app / WORKER_FILE)]
    prefix = f"{app.name}/" if hashed else ""
    return EngineFiles(
        tuple(prefix + name for name in modules),
        (*early, *(prefix + name for name in own if name not in modules)),
        "snapshot" in config,
    )


def _hash_of(files: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, data in files.items():
        found.update(f"{name} {len(data)} ".encode() + data)
    return found.hexdigest()[:12]


def _write_pyodide(folder: Path, engine: bytes) -> tuple[dict[str, object], list[str]]:
    """Pyodide and what Python starts from.

    Returns
    -------
    dict
        What config.json says of them.
    list of str
        Those that every start loads, the largest first.

    Raises
    ------
    PyodideMissing
        They are not there and cannot be made here.
    """
    core = fetch_pyodide()
    start = page_start(core, engine)
    sources = [*(core / name for name in PYODIDE_FILES), *(start.folder / n for n in start.files)]
    with unwritable(folder):
        folder.mkdir()
        for source in sources:
            for file in (source, source.with_name(f"{source.name}.br")):
                if file.is_file():
                    shutil.copyfile(file, folder / file.name)
    wasm, *modules = PYODIDE_FILES
    return start.facts, [f"{folder.name}/{name}" for name in (wasm, *start.first, *modules)]


def write_page(
    folder: Path,
    title: str,
    scene: Scene,
    made: Made | None,
    engine: EngineFiles,
    shared: Shared | None = None,
    *,
    offline: bool = False,
    about: About | None = None,
) -> list[str]:
    """Write the index.html of a folder with a ``scene/``.

    Parameters
    ----------
    engine : EngineFiles
        Of `write_engine`.
    shared : Shared, optional
        Of a page that shares its engine with others; otherwise it is in the folder's ``vitrine/``.
    offline : bool
        Whether a service worker is beside the folder of the engine.
    about : About, optional

    Returns
    -------
    list of str
        What each start asks for, the page first, relative to the folder.
    """
    base = shared.engine if shared else "vitrine/"
    fetched = [f"{base}{name}" for name in engine.early] + ["scene/scene.json"]
    fetched += [f"scene/{buffer.file}" for buffer in scene.buffers.values()]
    if made is not None and scene.generator is not None:
        files = [PROGRAM_FILE, *made.network.files]
        fetched += [f"scene/{scene.generator.program}/{name}" for name in files]
        fetched += [f"scene/{name}" for name in made.tracks]
    modules = [f"{base}{name}" for name in engine.modules]
    objects = bool(scene.objects)
    keeper = f"{shared.back if shared else ''}{OFFLINE_FILE}" if offline else None
    text = index_html(title, scene.background, modules, fetched, shared, objects, keeper, about)
    write_bytes(folder / "index.html", text.encode())
    return ["index.html", POSTER, *modules, *fetched]


def compress_site(folder: Path) -> None:
    """A ``.br`` sibling for every file that shrinks; Pyodide came with its own."""
    for path in files_in(folder):
        if path.suffix not in (".br", ".webp") and PYODIDE_FOLDER not in path.parts:
            write_sibling(path, FAST_QUALITY if path.suffix == ".bin" else None)


def _named(folder: Path) -> dict[str, Path]:
    """Files of a folder by their names in it."""
    return {path.relative_to(folder).as_posix(): path for path in files_in(folder)}


def _name_of(source: Path | Gaussians | SceneFile) -> str:
    if isinstance(source, SceneFile):
        return source.title
    name = source.name.split(".")[0] if isinstance(source, Path) else ""
    return name or "Vitrine"


def _part(tell: Report, prefix: str, low: float, high: float) -> Report:
    return lambda what, done: tell(prefix + what, low + (high - low) * done)
