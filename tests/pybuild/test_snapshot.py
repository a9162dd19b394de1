"""What a page starts Python from: everything that the engine imports is in it."""

from __future__ import annotations

import ast
import gzip
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import brotli
import pytest

from pybuild import snapshot
from pybuild.archive import NOT_IN_THE_PAGE, engine_archive
from pybuild.pyodide import PyodideMissing, fetch_pyodide
from pybuild.snapshot import PageStart, page_start

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("hosts/page", "hosts/page_view", "hosts/page_file", "hosts/page_objects")
CHECK = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const [core, folder, home, given] = process.argv.slice(2);
const { fromSnapshot } = await import(pathToFileURL(home).href);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const facts = JSON.parse(readFileSync(`${folder}/facts.json`, "utf8"));
const file = readFileSync(`${folder}/raw`);
const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
const python = await loadPyodide({
  indexURL: `${core}/`, stdLibURL: `${folder}/${facts.empty}`,
  lockFileContents: { info: facts.info, packages: {} },
  ...fromSnapshot(pathToFileURL(`${core}/`), facts.memory_bytes, Promise.resolve(bytes)),
});
python.globals.set("given", given);
console.log(python.runPython(`
import importlib, json
missing = []
for name in given.split():
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(f"{name}: {error}")
try:
    raise ValueError("the line of an error")
except ValueError:
    import traceback
    told = traceback.format_exc()
from pyengine.shaders import assemble
json.dumps({"missing": missing, "told": told, "shader": len(assemble("splat/splat.wgsl"))})`));
process.exit(0);
"""


@pytest.fixture(scope="module")
def start() -> PageStart:
    """As a build takes it."""
    return page_start(fetch_pyodide(), engine_archive())


def module_names() -> dict[str, Path]:
    """The engine's modules that the page may have, by their full names."""
    paths = {
        path.relative_to(ROOT).as_posix(): path
        for path in sorted((ROOT / "pyengine").rglob("*.py"))
    }
    return {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path
        for name, path in paths.items()
        if name not in NOT_IN_THE_PAGE
    }


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere but for types."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        waiting += ast.iter_child_nodes(node)
    return found


def reached() -> set[str]:
    """All that the page's hosts can ever import: modules, and names of what is in them."""
    known = module_names()
    found: set[str] = set()
    waiting = [name for name in known if name.startswith("pyengine.hosts.page")]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name in known:
            waiting += [
                other
                for other in imported(known[name])
                if other in known or other.split(".")[0] in sys.stdlib_module_names
            ]
    return found


def test_all_that_the_engine_imports_is_in_the_snapshot(start: PageStart, tmp_path: Path) -> None:
    """Python from the snapshot has no other file to import from; errors are told with lines."""
    names = sorted(name for name in reached() if is_module(name))
    assert {f"pyengine.{name.replace('/', '.')}" for name in NEEDED} <= set(names)
    assert {"json", "re", "dataclasses"} <= set(names)
    answer = asked(start, tmp_path, [*names, "no_such_module"])
    assert answer["missing"] == ["no_such_module: No module named 'no_such_module'"]
    assert "line 10, in <module>" in answer["told"]
    assert answer["shader"] > 1000


def is_module(name: str) -> bool:
    """Whether a name is that of a module, and not of a part of one."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError):
        return False


def asked(start: PageStart, folder: Path, names: list[str]) -> dict[str, object]:
    """Import modules in a Python that starts from the snapshot."""
    for name in ("facts.json", start.facts["empty"]):
        shutil.copyfile(start.folder / str(name), folder / str(name))
    packed = (start.folder / str(start.facts["snapshot"])).read_bytes()
    (folder / "raw").write_bytes(gzip.decompress(packed))
    script = folder / "check.mjs"
    script.write_text(CHECK)
    places = (fetch_pyodide(), folder, ROOT / "web" / "snapshot.mjs", " ".join(names))
    done = subprocess.run(
        ["node", str(script), *map(str, places)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def test_the_files(start: PageStart) -> None:
    """Bytecode alone, much less than all of Pyodide's; one content, packed in two ways."""
    with zipfile.ZipFile(start.folder / str(start.facts["library"])) as library:
        names = library.namelist()
    with zipfile.ZipFile(fetch_pyodide() / "python_stdlib.zip") as whole:
        assert len(names) < len(whole.namelist()) / 3
    assert {Path(name).suffix for name in names} == {".pyc"}
    assert "json/__init__.pyc" in names
    assert "unittest/__init__.pyc" not in names
    packed = start.folder / str(start.facts["snapshot"])
    sibling = packed.with_name(f"{packed.name}.br")
    assert gzip.decompress(packed.read_bytes()) == brotli.decompress(sibling.read_bytes())
    with zipfile.ZipFile(start.folder / str(start.facts["empty"])) as empty:
        assert empty.namelist() == []
    assert page_start(fetch_pyodide(), engine_archive()) == start


def test_a_machine_without_node_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build goes on with the public CDN."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PyodideMissing, match=r"Node\.js is not installed"):
        page_start(tmp_path, b"engine")


def test_what_node_says_is_told(tmp_path: Path) -> None:
    """In one line, and nothing stays."""
    with pytest.raises(PyodideMissing, match=r"could not prepare the page's Python \(.+\)"):
        page_start(tmp_path, b"engine")
    assert list(tmp_path.iterdir()) == []


def test_old_snapshots_are_forgotten(tmp_path: Path) -> None:
    """The cache does not grow with every change of the engine."""
    for number in range(snapshot.KEPT + 2):
        folder = tmp_path / f"start-{number}"
        folder.mkdir()
        (folder / "facts.json").write_text("{}")
        os.utime(folder, (number, number))
    snapshot._forget(tmp_path)
    assert len(list(tmp_path.iterdir())) == snapshot.KEPT
    assert not (tmp_path / "start-0").exists()
