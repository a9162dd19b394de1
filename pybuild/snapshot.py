"""What a page starts Python from: its memory with the engine in it, and a small standard library.

Pyodide compiles its standard library from source at every start. Here its own Python, run by Node,
does that once: it imports the engine, and its memory becomes a file (``web/snapshot.mjs`` has the
layout), with which a page starts in a quarter of the work. It is gzip inside, for servers that
compress nothing; its Brotli sibling is of the content, which the page can tell apart. Browsers that
cannot take the memory start from a zip of the modules that were imported, as bytecode; the page
says so.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import brotli

from pybuild.archive import engine_archive
from pybuild.atomic import staging_folder, unwritable, write_bytes
from pybuild.page import WEB_FOLDER
from pybuild.pyodide import CDN_URL, VERSION, PyodideMissing, cache_folder, fetch_pyodide
from pyengine.errors import VitrineError

__all__ = ["NO_FILES", "PageStart", "main", "page_start"]

NO_FILES = "no-files.zip"
"""An empty zip, the standard library of a page whose modules are in its memory."""
KEPT = 8
"""Of so many engines the snapshots stay in the cache."""
NODE_TIMEOUT_S = 600
QUALITY = 9
"""Of Brotli: 11 takes ten times as long for a twentieth less."""
_HERE = Path(__file__).parent
_SCRIPT, _INSIDE = _HERE / "snapshot_node.mjs", _HERE / "snapshot_inside.py"
_LAYOUT = WEB_FOLDER / "snapshot.mjs"
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PageStart:
    """Files for a page to start Python from.

    Attributes
    ----------
    folder : Path
        Has them all.
    facts : dict
        ``snapshot``, ``library`` and ``empty``, names of files; ``memory_bytes``, the size of the
        memory that the snapshot is of; ``info``, what Pyodide wants to know of its packages.
    """

    folder: Path
    facts: dict[str, object]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files."""
        return tuple(str(self.facts[name]) for name in ("snapshot", "library", "empty"))

    @property
    def first(self) -> tuple[str, ...]:
        """Names of those that every start wants."""
        return tuple(str(self.facts[name]) for name in ("snapshot", "empty"))


def page_start(core: Path, engine: bytes) -> PageStart:
    """Files that fit a Pyodide and an engine; made if they are not in the cache.

    Parameters
    ----------
    core : Path
        Of `pybuild.pyodide.fetch_pyodide`; the files are kept in folders of it.
    engine : bytes
        Of `pybuild.archive.engine_archive`.

    Raises
    ------
    PyodideMissing
        Node is not there or failed.
    InputError
        The cache cannot be written.
    """
    folder = core / f"start-{_key(engine, _INSIDE, _SCRIPT, Path(__file__), _LAYOUT)}"
    if not (folder / "facts.json").is_file():
        _make(core, engine, folder)
        _forget(core)
    return PageStart(folder, json.loads((folder / "facts.json").read_bytes()))


def _key(data: bytes, *sources: Path) -> str:
    """What something is made of, beside Pyodide."""
    found = hashlib.sha256(data)
    for source in sources:
        found.update(source.read_bytes())
    return found.hexdigest()[:16]


def _make(core: Path, engine: bytes, folder: Path) -> None:
    known = core / f"library-{_key(b'', _INSIDE)}.zip"
    with unwritable(core), staging_folder(core) as staging:
        archive, library = staging / "engine-source.zip", staging / "library.zip"
        write_bytes(archive, engine)
        if known.is_file():
            shutil.copyfile(known, library)
        _node(core, archive, staging)
        made = staging / "made"
        made.mkdir()
        raw = (staging / "snapshot.raw").read_bytes()
        told = json.loads(raw[4 : 4 + int.from_bytes(raw[:4], "little")])
        names = json.loads((staging / "modules.json").read_bytes())
        snapshot = _named(made, "python", ".bin", gzip.compress(raw, 9, mtime=0))
        write_bytes(made / f"{snapshot}.br", brotli.compress(raw, quality=QUALITY, lgwin=24))
        write_bytes(made / NO_FILES, b"PK\5\6" + bytes(18))
        facts = {
            "snapshot": snapshot,
            "library": _named(made, "library", ".zip", _part_of(library, names)),
            "empty": NO_FILES,
            "memory_bytes": told["memory_bytes"],
            "info": told["info"],
        }
        write_bytes(made / "facts.json", (json.dumps(facts, indent=1) + "\n").encode())
        library.replace(known)
        try:
            made.rename(folder)
        except OSError:
            if not (folder / "facts.json").is_file():
                raise  # else another process was quicker, and its files are as good


def _node(core: Path, engine: Path, out: Path) -> None:
    node = shutil.which("node")
    if node is None:
        raise PyodideMissing("Node.js is not installed")
    try:
        done = subprocess.run(
            [node, str(_SCRIPT), str(core), str(engine), str(out), str(_LAYOUT)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=NODE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PyodideMissing(f"Node.js failed: {error}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if re.match(r"[\w. ]*Error\b", line)]
        reason = lines[-1].strip()[:200] if lines else f"exit status {done.returncode}"
        raise PyodideMissing(f"Node.js could not prepare the page's Python ({reason})")


def _named(folder: Path, stem: str, suffix: str, data: bytes) -> str:
    """Write a file named by its content; returns the name."""
    name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}{suffix}"
    write_bytes(folder / name, data)
    return name


def _part_of(library: Path, names: list[str]) -> bytes:
    """A zip of some files of another."""
    target = library.with_name("part.zip")
    with zipfile.ZipFile(library) as given, zipfile.ZipFile(target, "w") as made:
        for name in names:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, given.read(name), compresslevel=9)
    return target.read_bytes()


def _forget(core: Path) -> None:
    """Remove the files of engines that are long gone."""
    found = sorted(core.glob("start-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in found[:-KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Fill the cache for this engine; a missing npm or Node is told but is no failure."""
    try:
        if not cache_folder().is_dir():
            print(
                f"Pyodide {VERSION}: fetching and compressing, once; about half a minute",
                flush=True,
            )
        core = fetch_pyodide()
        print(f"Pyodide {VERSION}: {core}")
        print("The page's Python: importing the engine once; some seconds", flush=True)
        print(f"The page's Python: {page_start(core, engine_archive()).folder}")
    except PyodideMissing as error:
        print(f"The page's Python: {error}; pages will load it from {CDN_URL}", file=sys.stderr)
    except VitrineError as error:
        print(f"vitrine: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
