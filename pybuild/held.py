"""Files for pages that no server helps: of one file (`pybuild.export`), in a notebook (`vitrine`).

A folder with ``vitrine/`` and ``scene/`` as in a site, and with what web/held/ needs besides.
"""

from __future__ import annotations

import html
import re
import shutil
import zlib
from pathlib import Path

from pybuild.atomic import unwritable, write_bytes
from pybuild.bundle import read_bundle
from pybuild.gaussians import Gaussians
from pybuild.options import BuildOptions
from pybuild.pack import Report
from pybuild.page import WEB_FOLDER
from pybuild.poster import read_poster
from pybuild.publishing import read_record
from pybuild.scene_file import SceneFile
from pybuild.site import write_engine, write_scene
from pyengine.bundle import Scene
from pyengine.errors import InputError

__all__ = ["held_script", "joined_modules", "packed", "write_held_engine", "write_held_scene"]

HELD = WEB_FOLDER / "held"
SHELL = "held/worker.js"
"""What a worker begins with, among the modules."""
WORKLET = "view-mel-worklet.mjs"
SOG_FILE = "meta.json"
"""Of a scene that is a folder itself."""
WORTH = 0.97
"""A gzip stream is kept when it has at most this share of the file's bytes."""
_RELATIVE_IMPORT = re.compile(r"""^import [^;]*? from "\./[\w.-]+";\n""", re.MULTILINE)
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


def write_held_scene(
    source: Path | Gaussians | SceneFile,
    folder: Path,
    options: BuildOptions,
    report: Report,
    notices: list[str],
) -> tuple[Scene, str]:
    """Fill ``scene/`` of a folder; returns the scene and its title.

    Parameters
    ----------
    source : Path, Gaussians or SceneFile
        As `pybuild.site.build_site` takes it; or the folder of a built site.

    Raises
    ------
    InputError
        The scene cannot be read, or an option has no use for it.
    """
    if isinstance(source, Path) and source.is_dir() and not (source / SOG_FILE).is_file():
        return _copied_scene(source, folder / "scene", options)
    scene, _ = write_scene(source, folder / "scene", options, report, notices)
    return scene, options.title or _name_of(source)


def write_held_engine(folder: Path, notices: list[str]) -> bool:
    """Fill ``vitrine/`` of a folder; whether Pyodide is in it."""
    engine = folder / "vitrine"
    there = write_engine(engine, True, notices, hashed=False).pyodide
    _write_joined(engine)
    return there


def _write_joined(engine: Path) -> None:
    """Modules that run where a page from disk may import nothing: a worker, an audio worklet."""
    shell = joined_modules(HELD / "modules.mjs", HELD / "worker.mjs")
    worklet = joined_modules(WEB_FOLDER / "view-mel.mjs", WEB_FOLDER / WORKLET)
    with unwritable(engine):
        (engine / SHELL).parent.mkdir()
    write_bytes(engine / SHELL, shell.replace("\nexport ", "\n").encode())
    write_bytes(engine / WORKLET, worklet.encode())


def _copied_scene(site: Path, bundle: Path, options: BuildOptions) -> tuple[Scene, str]:
    if read_record(site) is None or not (site / "scene").is_dir():
        raise InputError(f"{site}: is no site; give a scene file, or what vitrine build made")
    if options != BuildOptions().with_page_of(options):
        raise InputError(f"{site}: is built already; give its options to vitrine build")
    poster = read_poster(Path(options.poster)) if options.poster else None
    scene, _ = read_bundle(site / "scene")
    with unwritable(bundle):
        shutil.copytree(site / "scene", bundle, ignore=shutil.ignore_patterns("*.br"))
    if poster:
        write_bytes(bundle / "poster.webp", poster)
    found = _TITLE.search((site / "index.html").read_text(encoding="utf-8"))
    return scene, options.title or (html.unescape(found[1]) if found else site.name)


def packed(data: bytes) -> tuple[bytes, bool]:
    """The gzip stream of ``data`` and True, or what it was where that is not worth it."""
    work = zlib.compressobj(9, wbits=31)
    stream = work.compress(data) + work.flush()
    worth = len(stream) <= WORTH * len(data)
    return (stream, True) if worth else (data, False)


def held_script(name: str) -> str:
    """The module of a page that holds its files, with all that it imports: a file of web/held/."""
    return joined_modules(*(HELD / part for part in ("modules.mjs", "files.mjs", name)))


def joined_modules(*paths: Path) -> str:
    """Modules as one text; each may import from those before it, and from nothing else."""
    texts = (path.read_text(encoding="utf-8") for path in paths)
    return "\n".join(_RELATIVE_IMPORT.sub("", text) for text in texts)


def _name_of(source: Path | Gaussians | SceneFile) -> str:
    if isinstance(source, SceneFile):
        return source.title
    name = source.name.split(".")[0] if isinstance(source, Path) else ""
    return name or "Vitrine"
