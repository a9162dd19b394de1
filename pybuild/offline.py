"""The service worker of a site, so that a page that was opened once opens without its server.

It is a script at the root of the site, because that is what it may answer for: the list of the
site's files, and then the text of web/offline/service-worker.mjs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pybuild.atomic import write_bytes
from pybuild.compress import rewrite
from pybuild.page import WEB_FOLDER

__all__ = [
    "OFFLINE_FILE",
    "clearing_script",
    "is_lasting",
    "offline_script",
    "renew_offline",
    "write_offline",
]

OFFLINE_FILE = "vitrine-offline.js"
PAGE = "index.html"
LARGE_BYTES = 32 << 20
"""Browsers' HTTP caches leave out files that are larger, or not by much: to keep such a one at the
first visit would be to download it twice. It is kept when it is asked for again."""
_LIST = re.compile(r"self\.SITE = (.*);\n")
_SOURCE = WEB_FOLDER / "offline" / "service-worker.mjs"
_LASTING = re.compile(
    r"(.*/)?(pyodide-\d+(\.\d+)+|(app|filter|generator)-[0-9a-f]{12})/.+"
    r"|(.*/)?[\w.-]+-[0-9a-f]{12}\.(bin|css|mjs)"
)
_NEVER = (".br", ".gz", ".d.mts")
"""Siblings of what is asked for by another name, and what no page asks for."""


def is_lasting(name: str) -> bool:
    """Whether a file's path in the site changes with its content."""
    return _LASTING.fullmatch(name) is not None


def offline_script(files: Mapping[str, Path], needed: Iterable[str]) -> bytes:
    """The service worker of a site.

    Parameters
    ----------
    files : mapping
        Paths of the site's files by their names in it.
    needed : iterable of str
        Names that every start asks for. Of these the ones that do not last are kept with the
        page; other files that do not last come from the server alone.
    """
    sizes = {name: files[name].stat().st_size for name in needed if name in files}
    wanted = {name for name, size in sizes.items() if size <= LARGE_BYTES}
    pages = {name for name in files if name.rpartition("/")[2] == PAGE and name in wanted}
    found = hashlib.sha256()
    asked = sorted(name for name in wanted if not is_lasting(name))
    for name in asked:
        data = files[name].read_bytes()
        found.update(f"{name} {len(data)} ".encode() + data)
    lasting = [name for name in sorted(files) if is_lasting(name) and not name.endswith(_NEVER)]
    wanted |= {name for name in lasting if name.endswith(".mjs")}  # some come when they are used
    site = {
        "version": found.hexdigest()[:12],
        "asked": [name.removesuffix(PAGE) if name in pages else name for name in asked],
        "needed": [name for name in lasting if name in wanted],
        "others": [name for name in lasting if name not in wanted],
    }
    return _script(json.dumps(site, separators=(",", ":")))


def clearing_script() -> bytes:
    """A service worker that removes what an earlier one keeps, and then itself."""
    return _script("null")


def write_offline(folder: Path, files: Mapping[str, Path] | None, needed: Iterable[str]) -> None:
    """Write the service worker of a site; one that clears up after others where there is none.

    Parameters
    ----------
    folder : Path
        The root of the site.
    files : mapping, optional
        As `offline_script` takes it; None: pages are to be opened from the server alone.
    needed : iterable of str
    """
    script = clearing_script() if files is None else offline_script(files, needed)
    write_bytes(folder / OFFLINE_FILE, script)


def renew_offline(folder: Path, names: Iterable[str]) -> None:
    """Write the service worker of a built site again, some of whose files are new.

    Parameters
    ----------
    folder : Path
        The root of the site; one without a service worker is left as it is.
    names : iterable of str
        All files of the site.
    """
    path = folder / OFFLINE_FILE
    found = _LIST.match(path.read_text(encoding="utf-8")) if path.is_file() else None
    site = json.loads(found[1]) if found else None
    if site is None:
        return
    asked = [f"{name}{PAGE}" if not name or name.endswith("/") else name for name in site["asked"]]
    files = {name: folder / name for name in names if (folder / name).is_file()}
    rewrite(path, offline_script(files, [*asked, *site["needed"]]))


def _script(site: str) -> bytes:
    return f"self.SITE = {site};\n\n{_SOURCE.read_text(encoding='utf-8')}".encode()
