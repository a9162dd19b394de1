"""Many demos in one folder, each a click away: ``python -m pybuild.gallery TABLE OUT``.

::

    index.html              a card for each demo: its poster, title and sentence
    vitrine/                engine, modules, the pages' styles and Pyodide, once
    NAME/                   index.html and scene/ of a demo

A demo is built again only when what it is made of has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import pybuild
import pyengine
from pybuild.atomic import staging_folder, write_bytes
from pybuild.demos import Demo, read_demos
from pybuild.gallery_page import Card, gallery_html
from pybuild.offline import write_offline
from pybuild.page import POSTER, WEB_FOLDER, About, Shared
from pybuild.poster import size_of, write_filtered_poster
from pybuild.programs import file_name
from pybuild.publishing import files_in, old_files, publish, read_record, target_folder
from pybuild.site import EngineFiles, compress_site, write_engine, write_page, write_scene
from pybuild.terminal import guarded, notice
from pyengine.errors import InputError
from pyengine.shaders import SHADER_FOLDER

__all__ = ["Gallery", "build_gallery"]

TITLE = "Vitrine"
PLACES_FILE = "places.npy"
PAGE_ENDINGS = ("index.html", "/scene.json", "/poster.webp")
"""Of the files that each demo's page shows at once."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """What was built.

    Attributes
    ----------
    built, kept : tuple of str
        Names of the demos that were made anew, and of those that were up to date.
    notices : tuple of str
        What the user should know: a demo without its model, no npm, no adapter.
    """

    folder: Path
    built: tuple[str, ...]
    kept: tuple[str, ...]
    notices: tuple[str, ...]


def build_gallery(table: Path, out: Path, *, pyodide: bool = True) -> Gallery:
    """Build all demos of a table, or what changed of them.

    Parameters
    ----------
    table : Path
        See `pybuild.demos`.
    out : Path
        Made if it is missing; otherwise empty, or something that Vitrine built.
    pyodide : bool
        Copy Pyodide into the folder; otherwise the pages use the public CDN.

    Raises
    ------
    InputError
        A fault of the table or of a model, or ``out`` is something else or cannot be written.
    """
    demos = read_demos(table)
    old, known = old_files(out), _known(out)
    notices: list[str] = []
    keys: dict[str, str] = {}
    built: list[str] = []
    kept: dict[str, list[str]] = {}
    with target_folder(out), staging_folder(out) as staging:
        engine = write_engine(staging / "vitrine", pyodide, notices)
        parts = _write_parts(staging / "vitrine")
        named = " ".join((*engine.modules, *engine.early, *parts.values()))
        code = _digest([*_code(), named.encode()])
        for demo in demos:
            lacking = demo.lacking()
            if lacking:
                notices.append(f"the demo {demo.name!r} is left out: {lacking}")
                continue
            keys[demo.name] = _digest([code.encode(), repr(demo).encode(), *_contents(demo)])
            mine = [name for name in old if name.startswith(f"{demo.name}/")]
            if known.get(demo.name) == keys[demo.name] and _all_there(out, mine):
                kept[demo.name] = mine
                continue
            try:
                _write_demo(staging / demo.name, demo, engine, parts["demo.css"], notices)
            except InputError as error:
                raise InputError(f"the demo {demo.name!r}: {error}") from None
            built.append(demo.name)
        cards = [Card(d.name, d.title, d.text, d.family) for d in demos if d.name in keys]
        style, script = (f"vitrine/{parts[name]}" for name in ("cards.css", "cards.mjs"))
        page = gallery_html(TITLE, cards, style, script)
        write_bytes(staging / "index.html", page.encode())
        _write_offline(staging, out, kept, engine)
        compress_site(staging)
        publish(
            staging, out, old, {"demos": keys}, [name for names in kept.values() for name in names]
        )
    return Gallery(out, tuple(built), tuple(kept), tuple(notices))


def _write_parts(folder: Path) -> dict[str, str]:
    """What the gallery's own pages need, named by its content; those names by the plain ones."""
    names = {}
    for path in sorted((WEB_FOLDER / "gallery").glob("*.*")):
        data = path.read_bytes()
        names[path.name] = file_name(f"gallery-{path.stem}", data, path.suffix)
        write_bytes(folder / names[path.name], data)
    return names


def _write_offline(
    staging: Path, out: Path, kept: Mapping[str, Sequence[str]], engine: EngineFiles
) -> None:
    """The service worker: keeps the engine and every page, and of demos what was looked at."""
    files = {name: out / name for names in kept.values() for name in names}
    files |= {path.relative_to(staging).as_posix(): path for path in files_in(staging)}
    needed = {f"vitrine/{name}" for name in (*engine.modules, *engine.early)}
    needed |= {name for name in files if name.endswith(PAGE_ENDINGS) or "/gallery-" in name}
    write_offline(staging, files if engine.pyodide else None, needed)


def _write_demo(
    folder: Path, demo: Demo, engine: EngineFiles, style: str, notices: list[str]
) -> None:
    """The page and the scene of a demo, in a folder beside the engine."""
    folder.mkdir()
    options = demo.options
    places = folder / PLACES_FILE
    if demo.places:
        np.save(places, _matrices(demo.places))
        options = replace(options, generator=replace(options.generator, instances=str(places)))
    told: list[str] = []
    scene, made = write_scene(demo.source, folder / "scene", options, _silent, told)
    places.unlink(missing_ok=True)
    if scene.filters:
        generator = (made.network, made.given.values, made.given.time_s) if made else ()
        told += write_filtered_poster(folder / "scene", *generator)
    notices += [f"{demo.name}: {text}" for text in told]
    shared = Shared("../vitrine/", "../", demo.text, style)
    about = About(demo.text, poster_px=size_of(folder / POSTER))
    write_page(folder, demo.title, scene, made, engine, shared, offline=engine.pyodide, about=about)


def _matrices(
    places: Sequence[tuple[float, float, float, float]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Model to world, row by row: turned about the vertical axis, then moved."""
    matrices = np.tile(np.eye(4), (len(places), 1, 1))
    for matrix, (x, y, z, turn_deg) in zip(matrices, places, strict=True):
        cos, sin = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
        matrix[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
        matrix[:3, 3] = x, y, z
    return matrices


def _known(out: Path) -> Mapping[str, object]:
    """Of what each demo was made, by the last build."""
    record = read_record(out) or {}
    demos = record.get("demos")
    return demos if isinstance(demos, dict) else {}


def _all_there(out: Path, names: Sequence[str]) -> bool:
    return bool(names) and all((out / name).is_file() for name in names)


def _contents(demo: Demo) -> Iterable[bytes]:
    return (path.read_bytes() for path in demo.files())


def _code() -> Iterable[bytes]:
    """Whatever a bundle and its page depend on beside the model."""
    yield " ".join(sorted(path.name for path in WEB_FOLDER.glob("*.mjs"))).encode()
    for package in (pybuild, pyengine):
        folder = Path(str(package.__file__)).parent
        yield from (path.read_bytes() for path in sorted(folder.rglob("*.py")))
    yield from (path.read_bytes() for path in sorted(SHADER_FOLDER.rglob("*.wgsl")))


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()[:16]


def _silent(_what: str, _done: float) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and say what was built."""
    parser = argparse.ArgumentParser(
        prog="python -m pybuild.gallery", description="Build a folder of demos."
    )
    parser.add_argument("table", type=Path, help="a TOML file such as assets/demos.toml")
    parser.add_argument("out", type=Path, help="the folder, made or built again")
    given = parser.parse_args(arguments)

    def build() -> int:
        began = time.perf_counter()
        gallery = build_gallery(given.table, given.out)
        for text in gallery.notices:
            notice(text)
        seconds = time.perf_counter() - began
        print(
            f"{gallery.folder}: {len(gallery.built)} demos built, {len(gallery.kept)} up to date, "
            f"in {seconds:.1f} s. Show them: vitrine serve {gallery.folder}"
        )
        return 0

    return guarded(build)


if __name__ == "__main__":
    sys.exit(main())
