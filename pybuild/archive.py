"""The engine as one archive: pyengine and the shaders, for Pyodide to unpack in the page.

The same sources give the same bytes: entries are sorted and dated alike.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pyengine
from pyengine.shaders import SHADER_FOLDER

__all__ = ["NOT_IN_THE_PAGE", "engine_archive"]

NOT_IN_THE_PAGE = ("pyengine/hosts/native.py", "pyengine/hosts/null.py")
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def engine_archive() -> bytes:
    """A zip of ``pyengine/**.py`` without the hosts of other places, and ``shaders/**.wgsl``."""
    package = Path(pyengine.__file__).parent
    files = {
        f"pyengine/{file.relative_to(package).as_posix()}": file for file in package.rglob("*.py")
    }
    files |= {
        f"shaders/{file.relative_to(SHADER_FOLDER).as_posix()}": file
        for file in SHADER_FOLDER.rglob("*.wgsl")
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            if name in NOT_IN_THE_PAGE:
                continue
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = _MODE
            archive.writestr(entry, files[name].read_bytes(), compresslevel=9)
    return buffer.getvalue()
