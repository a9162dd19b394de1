"""What `pybuild.snapshot` runs under Pyodide: compiles sources, imports the engine, tidies memory.

Standard library only; `snapshot_node.mjs` calls one of these functions after the other.
"""

from __future__ import annotations

import dis
import gc
import importlib
import importlib.util
import json
import linecache
import marshal
import re
import sys
import traceback
import zipfile
import zipimport
from collections.abc import Iterator
from importlib.abc import FileLoader
from types import CodeType

__all__ = ["compile_archive", "prepare"]

_UNCHECKED = (1).to_bytes(4, "little") + bytes(8)
"""Of a .pyc's header: named by a hash of its source, which nobody compares."""
_DATE = (1980, 1, 1, 0, 0, 0)
_CODECS = ("ascii", "latin_1", "utf_8", "utf_16", "utf_32")
"""Text encodings that are imported when they are first asked for."""
_HOST = r"pyengine/hosts/page"


def compile_archive(source: str, target: str) -> None:
    """Copy a zip with bytecode for each ``.py``, without asserts and docstrings.

    Of the standard library, what Python cannot compile (templates, files of tests) is left out.
    """
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w") as made:
        for name in sorted(given.namelist()):
            data = given.read(name)
            if name.endswith(".py"):
                try:
                    code = compile(data, f"/{name}", "exec", dont_inherit=True, optimize=2)
                except (SyntaxError, ValueError):
                    if name.startswith("pyengine/"):
                        raise
                    continue
                data = importlib.util.MAGIC_NUMBER + _UNCHECKED + marshal.dumps(code)
                name += "c"
            made.writestr(zipfile.ZipInfo(name, _DATE), data)


def prepare(folder: str, archive: str) -> str:
    """Import what the page may need of the engine, and leave little else in memory.

    Parameters
    ----------
    folder : str
        With the engine's bytecode and its shaders.
    archive : str
        The zip of the standard library that Python was started from.

    Returns
    -------
    str
        JSON: files of the archive that modules came from, sorted.
    """
    sys.path.insert(0, folder)
    with zipfile.ZipFile(archive) as files:
        known = set(files.namelist())
    _import_all(_hosts(folder))
    for codec in _CODECS:
        importlib.import_module(f"encodings.{codec}")
    try:
        raise ValueError("to import what tells of errors")
    except ValueError:
        traceback.format_exc()
    importlib.import_module("pyengine.shaders").keep_texts()
    sys.path.remove(folder)
    used = {
        str(getattr(module, "__file__", "")).removeprefix(f"{archive}/")
        for module in list(sys.modules.values())
    }
    _tidy()
    return json.dumps(sorted(used & known))


def _hosts(folder: str) -> list[str]:
    """Full names of the modules that JavaScript may ask for."""
    with zipfile.ZipFile(f"{folder}.zip") as files:
        names = [name.removesuffix(".pyc") for name in files.namelist()]
    return sorted(name.replace("/", ".") for name in names if re.match(_HOST, name))


def _import_all(names: list[str]) -> None:
    """Import modules, and what functions of the engine's import when they are called."""
    done: set[str] = set()
    while names:
        for name in names:
            importlib.import_module(name)
        new = [name for name in sys.modules if name.startswith("pyengine") and name not in done]
        done.update(new)
        names = sorted({late for name in new for late in _late_imports(name)} - set(sys.modules))


def _late_imports(name: str) -> Iterator[str]:
    """Full names of modules that functions of a module import."""
    spec = sys.modules[name].__spec__
    code = spec.loader.get_code(name) if spec and isinstance(spec.loader, FileLoader) else None
    waiting = [part for part in code.co_consts if isinstance(part, CodeType)] if code else []
    while waiting:
        code = waiting.pop()
        waiting += [part for part in code.co_consts if isinstance(part, CodeType)]
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                yield str(step.argval)


def _tidy() -> None:
    """Drop caches: they only make the snapshot larger."""
    sys.path_importer_cache.clear()
    vars(zipimport)["_zip_directory_cache"].clear()
    re.purge()
    linecache.clearcache()
    gc.collect()
