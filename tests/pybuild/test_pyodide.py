"""The Pyodide cache: only what was pinned enters it, and only the core files."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from pybuild import pyodide
from pybuild.pyodide import CORE_FILES, PyodideMissing, fetch_pyodide
from pyengine.errors import InputError


def archive(path: Path, *, leave_out: str = "", link: str = "") -> str:
    """Write a small archive like npm's, with a trap; returns its integrity string."""
    with tarfile.open(path, "w:gz") as tar:
        for name in (*CORE_FILES, "../../escaped"):
            if name == leave_out:
                continue
            entry = tarfile.TarInfo(f"package/{name}")
            if name == link:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(entry)
                continue
            data = b"content of " + name.encode() + b" " * 5000
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    digest = hashlib.sha512(path.read_bytes()).digest()
    return "sha512-" + base64.b64encode(digest).decode()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that hands out the archive beside it; returns that archive's path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    source = folder / "archive.tgz"
    script = folder / "npm"
    name = f"pyodide-{pyodide.VERSION}.tgz"
    script.write_text(
        "#!/bin/sh\n"
        f'[ "$1 $2 $3" = "pack pyodide@{pyodide.VERSION} --pack-destination" ] || exit 9\n'
        f'cp {source} "$4/{name}"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("VITRINE_CACHE", str(tmp_path / "cache"))
    return source


def test_fetches_the_core_files_and_nothing_else(
    npm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With Brotli siblings; no name of the archive is followed; the second call is free."""
    monkeypatch.setattr(pyodide, "INTEGRITY", archive(npm))
    folder = fetch_pyodide()
    assert folder == tmp_path / "cache" / f"pyodide-{pyodide.VERSION}"
    expected = {*CORE_FILES, *(f"{name}.br" for name in CORE_FILES)}
    assert {path.name for path in folder.iterdir()} == expected
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert not list(tmp_path.rglob("escaped"))
    npm.unlink()
    assert fetch_pyodide() == folder


def test_another_archive_is_refused(npm: Path, tmp_path: Path) -> None:
    """The hash is ours: whatever the registry says, nothing of it stays."""
    archive(npm)
    with pytest.raises(InputError, match="not the Pyodide that Vitrine pins: wanted sha512-0YvX"):
        fetch_pyodide()
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("fault", ["leave_out", "link"])
def test_a_missing_or_linked_file_is_refused(
    npm: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str
) -> None:
    """Even inside an archive with the right hash."""
    monkeypatch.setattr(pyodide, "INTEGRITY", archive(npm, **{fault: "pyodide.asm.wasm"}))
    with pytest.raises(InputError, match=r"pyodide\.asm\.wasm is"):
        fetch_pyodide()
    assert list((tmp_path / "cache").iterdir()) == []


def test_npm_that_fails_is_told(npm: Path) -> None:
    """Offline, or the version is not there: the build goes on with the CDN."""
    with pytest.raises(PyodideMissing, match="npm could not fetch"):
        fetch_pyodide()


def test_no_npm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Node can build, too."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PyodideMissing, match="npm is not installed"):
        fetch_pyodide(tmp_path / "cache")
