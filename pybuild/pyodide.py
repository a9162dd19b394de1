"""Pyodide's core, the Python that runs in the page: fetched once with npm, checked, cached.

The version is pinned and the archive's hash is ours, not the registry's. The cache lies outside
every site: $VITRINE_CACHE, or ~/.cache/vitrine. ``python -m pybuild.snapshot`` fills it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from pybuild.atomic import staging_folder, unwritable
from pybuild.compress import BEST_QUALITY, write_sibling
from pyengine.errors import InputError, VitrineError

__all__ = ["CDN_URL", "CORE_FILES", "VERSION", "PyodideMissing", "cache_folder", "fetch_pyodide"]

VERSION = "314.0.7"
INTEGRITY = "sha512-" + (
    "0YvXxEhfEdpLfb/XkM2BFAeMROq0iMUX2bzzH9pOttyMcWkwq+HbE5uyuGD82LN7y2q+SNvi/6V5JEsOlD2R1A=="
)
CDN_URL = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"
CORE_FILES = (
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
)
MAX_FILE_BYTES = 64 << 20
NPM_TIMEOUT_S = 300


class PyodideMissing(VitrineError):
    """npm is not there or reaches no registry; the page can still use the public CDN."""


def cache_folder() -> Path:
    """Where the core files of the pinned version lie, or will."""
    root = os.environ.get("VITRINE_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "vitrine") / f"pyodide-{VERSION}"


def fetch_pyodide(folder: Path | None = None) -> Path:
    """Folder with the core files and their Brotli siblings; fetches them if they are not there.

    Parameters
    ----------
    folder : Path, optional
        `cache_folder` unless given.

    Raises
    ------
    PyodideMissing
        npm is missing or failed.
    InputError
        The archive is not the one that was pinned, or the cache cannot be written.
    """
    folder = folder or cache_folder()
    if all((folder / name).is_file() for name in CORE_FILES):
        return folder
    with unwritable(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with staging_folder(folder.parent) as staging:
        archive = _npm_pack(staging)
        check_integrity(archive, INTEGRITY)
        core = staging / "core"
        extract_core(archive, core)
        for name in CORE_FILES:
            write_sibling(core / name, BEST_QUALITY)
        with unwritable(folder):
            if folder.exists():  # an incomplete one
                folder.rename(staging / "old")
            try:
                core.rename(folder)
            except OSError:
                if not all((folder / name).is_file() for name in CORE_FILES):
                    raise  # else another process was quicker, and its files are as good
    return folder


def check_integrity(archive: Path, wanted: str) -> None:
    """Compare a file with a Subresource Integrity string (SHA-512).

    Raises
    ------
    InputError
        They differ.
    """
    digest = hashlib.sha512(archive.read_bytes()).digest()
    got = "sha512-" + base64.b64encode(digest).decode()
    if got != wanted:
        raise InputError(
            f"{archive.name}: not the Pyodide that Vitrine pins: wanted {wanted}, got {got}; "
            "check what npm is configured to download from"
        )


def extract_core(archive: Path, folder: Path) -> None:
    """Write the core files of the npm archive into a new folder, and nothing else of it.

    Names are compared with ours, so that no path of the archive is ever used.

    Raises
    ------
    InputError
        One is missing, no plain file, or too large.
    """
    folder.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for name in CORE_FILES:
                try:
                    member = tar.getmember(f"package/{name}")
                except KeyError:
                    raise InputError(f"{archive.name}: {name} is missing") from None
                content = tar.extractfile(member) if member.isfile() else None
                if content is None or member.size > MAX_FILE_BYTES:
                    raise InputError(f"{archive.name}: {name} is no plain file, or too large")
                with content, (folder / name).open("wb") as target:
                    shutil.copyfileobj(content, target)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{archive.name}: cannot be unpacked: {error}") from None


def _npm_pack(folder: Path) -> Path:
    """Download the archive with the user's npm, in a folder without a project around it."""
    npm = shutil.which("npm")
    if npm is None:
        raise PyodideMissing("npm is not installed")
    command = [npm, "pack", f"pyodide@{VERSION}", "--pack-destination", str(folder), "--silent"]
    with tempfile.TemporaryDirectory(prefix="vitrine-npm-") as empty:
        try:
            done = subprocess.run(
                command,
                cwd=empty,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=NPM_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PyodideMissing(f"npm failed: {error}") from None
    archive = folder / f"pyodide-{VERSION}.tgz"
    if done.returncode or not archive.is_file():
        reason = next(
            (line for line in done.stderr.splitlines() if " code " in line or "rror" in line),
            f"exit status {done.returncode}",
        )
        raise PyodideMissing(f"npm could not fetch pyodide@{VERSION} ({reason.strip()})")
    return archive
