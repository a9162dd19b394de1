"""Stands in for Pyodide and the snapshot, so that tests of sites need neither network nor Node."""

from __future__ import annotations

from pathlib import Path

import brotli
import pytest

from pybuild import site
from pybuild.pyodide import CORE_FILES
from pybuild.snapshot import PageStart

FACTS = {
    "snapshot": "python-0123456789ab.bin",
    "library": "library-0123456789ab.zip",
    "empty": "no-files.zip",
    "memory_bytes": 65536,
    "info": {},
}


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let sites take a few small files of a folder."""
    start = PageStart(folder, FACTS)
    for name in (*CORE_FILES, *start.files):
        (folder / name).write_bytes(name.encode() * 100)
        (folder / f"{name}.br").write_bytes(brotli.compress(name.encode() * 100))
    monkeypatch.setattr(site, "fetch_pyodide", lambda: folder)
    monkeypatch.setattr(site, "page_start", lambda _core, _engine: start)
