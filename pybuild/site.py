"""A scene to a folder that any static host can serve: the page, the bundle, the engine, Pyodide.

The site is made in a staging folder inside the target and then moved into place file by file, the
page last; ``vitrine/files.json`` lists what the build wrote, so that the next one removes exactly
that and leaves the user's own files alone.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pybuild import formats
from pybuild.archive import engine_archive
from pybuild.atomic import STAGING_PREFIX, staging_folder, unwritable, write_bytes
from pybuild.bundle import read_bundle, write_bundle
from pybuild.compress import FAST_QUALITY, write_sibling
from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import Made, write_generator
from pybuild.options import BuildOptions
from pybuild.pack import Report
from pybuild.page import WEB_FOLDER, imported_modules, index_html
from pybuild.poster import write_generator_poster, write_poster
from pybuild.programs import PROGRAM_FILE
from pybuild.pyodide import CDN_URL, CORE_FILES, VERSION, PyodideMissing, fetch_pyodide
from pyengine.bundle import Scene
from pyengine.errors import InputError

__all__ = ["RECORD", "Site", "build_site", "is_model", "recorded_options"]

RECORD = "vitrine/files.json"
PYODIDE_FOLDER = f"pyodide-{VERSION}"
"""Named by its version, so that browsers may keep it for good."""
PRELOADED = ("pyodide.asm.wasm", "python_stdlib.zip")
_LAST = ("scene/scene.json", "index.html")
_LEVELS = {"read": 0.15, "pack": 0.45, "poster": 0.55, "Pyodide": 0.8, "compress": 0.85, "move": 1}


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
    source: Path | Gaussians,
    out: Path,
    options: BuildOptions | None = None,
    report: Report | None = None,
    *,
    pyodide: bool = True,
) -> Site:
    """Build a site, or build it anew.

    Parameters
    ----------
    source : Path or Gaussians
        A scene file or a generator's model, or a cloud in PLY axes.
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
    old = _old_files(out)
    title = options.title or "Vitrine"
    if isinstance(source, Path):
        title = options.title or source.name.split(".")[0] or "Vitrine"
    with _folder(out), staging_folder(out) as staging:
        bundle = staging / "scene"
        made = None
        if isinstance(source, Path) and is_model(source):
            made = write_generator(source, bundle, options, _part(tell, "", 0.0, _LEVELS["pack"]))
            scene = made.scene
            tell("rendering the poster", _LEVELS["pack"])
            moment = made.given.time_s
            inputs = made.given.values
            notices += write_generator_poster(
                bundle / "poster.webp", scene, made.network, inputs, moment
            )
        else:
            scene = _write_cloud(source, bundle, options, tell, notices)
        tell("Pyodide (fetched once)", _LEVELS["poster"])
        home = _write_engine(staging / "vitrine", pyodide, notices)
        _write_page(staging, title, scene, home, made)
        tell("compressing", _LEVELS["Pyodide"])
        for path in _files(staging):
            if path.suffix not in (".br", ".webp") and PYODIDE_FOLDER not in path.parts:
                write_sibling(path, FAST_QUALITY if path.suffix == ".bin" else None)
        tell("moving into place", _LEVELS["compress"])
        names = [path.relative_to(staging).as_posix() for path in _files(staging)]
        _publish(staging, out, names, old, options)
        tell("done", 1.0)
        sizes = {name: (out / name).stat().st_size for name in sorted(names)}
    return Site(out, scene, sizes, tuple(notices), made)


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
    record = _record(folder)
    options = record.get("options") if record else None
    if not isinstance(options, dict):
        return None
    return BuildOptions.from_dict(options, str(folder / RECORD))


def _write_engine(folder: Path, pyodide: bool, notices: list[str]) -> str:
    """Fill ``vitrine/``; returns where the page finds Pyodide, relative to it."""
    with unwritable(folder):
        folder.mkdir()
        for path in sorted(WEB_FOLDER.glob("*")):
            if path.suffix in (".mjs", ".css"):
                shutil.copyfile(path, folder / path.name)
    write_bytes(folder / "engine.zip", engine_archive())
    home = CDN_URL
    if pyodide:
        try:
            core = fetch_pyodide()
        except PyodideMissing as error:
            notices.append(f"{error}; the page will load Pyodide from {CDN_URL}")
        else:
            home = f"./{PYODIDE_FOLDER}/"
            _copy_pyodide(core, folder / PYODIDE_FOLDER)
    config = {"pyodide": home, "version": VERSION}
    write_bytes(folder / "config.json", (json.dumps(config, indent=1) + "\n").encode())
    return home


def _copy_pyodide(core: Path, folder: Path) -> None:
    with unwritable(folder):
        folder.mkdir()
        for name in CORE_FILES:
            for file in (core / name, core / f"{name}.br"):
                if file.is_file():
                    shutil.copyfile(file, folder / file.name)


def _write_page(staging: Path, title: str, scene: Scene, home: str, made: Made | None) -> None:
    modules = imported_modules(staging / "vitrine" / "vitrine-view.mjs")
    fetched = ["vitrine/engine.zip", "scene/scene.json"]
    if home.startswith("./"):
        fetched += [f"vitrine/{home[2:]}{name}" for name in PRELOADED]
    fetched += [f"scene/{buffer.file}" for buffer in scene.buffers.values()]
    if made is not None and scene.generator is not None:
        files = [PROGRAM_FILE, *made.network.files]
        fetched += [f"scene/{scene.generator.program}/{name}" for name in files]
        fetched += [f"scene/{name}" for name in made.tracks]
    text = index_html(title, scene.background, [f"vitrine/{name}" for name in modules], fetched)
    write_bytes(staging / "index.html", text.encode())


def _publish(
    staging: Path, out: Path, names: Sequence[str], old: Sequence[str], options: BuildOptions
) -> None:
    """Move every file into place, the page last, and remove what only the old site had."""
    _write_record(out, sorted({*names, *old}), options)
    for name in [name for name in names if name not in _LAST] + list(_LAST):
        source, target = staging / name, out / name
        if target.is_file() and filecmp.cmp(source, target, shallow=False):
            continue  # keeps its date, which the server makes its ETag of
        with unwritable(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    for name in set(old) - set(names):
        with unwritable(out / name):
            (out / name).unlink(missing_ok=True)
            folder = (out / name).parent
            while folder != out and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent
    _write_record(out, sorted(names), options)


def _write_record(out: Path, names: Sequence[str], options: BuildOptions) -> None:
    path = out / RECORD
    with unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    record = {"vitrine": 1, "options": options.to_dict(), "files": list(names)}
    write_bytes(path, (json.dumps(record, indent=1) + "\n").encode())


def _old_files(out: Path) -> list[str]:
    """Files that an earlier build wrote into ``out``; refuses a folder that is something else."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; -o wants a folder")
    record = _record(out)
    if record is not None:
        files = record.get("files")
        names = [name for name in files if isinstance(name, str)] if isinstance(files, list) else []
        return [name for name in names if _inside(name)]
    with unwritable(out):
        others = [path.name for path in out.iterdir()] if out.is_dir() else []
    others = [name for name in others if not name.startswith(STAGING_PREFIX)]
    if others:
        raise InputError(
            f"{out}: is not empty and no Vitrine site (it holds {sorted(others)[0]!r}); "
            "give an empty folder or a new name"
        )
    return []


def _inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts


def _record(folder: Path) -> dict[str, object] | None:
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("vitrine") == 1 else None


@contextmanager
def _folder(out: Path) -> Iterator[None]:
    """The target folder; one that was made for a build that failed goes with it."""
    new = not out.exists()
    with unwritable(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(out, ignore_errors=True)
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _part(tell: Report, prefix: str, low: float, high: float) -> Report:
    return lambda what, done: tell(prefix + what, low + (high - low) * done)
