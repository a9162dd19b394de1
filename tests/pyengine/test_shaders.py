"""Assembling WGSL; and naga compiles every shader and pipeline that a plan can hold.

tests/page/test_shaders.py has Tint compile the same ones.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pyengine.errors import PlanError
from pyengine.hosts.native import NativeHost
from pyengine.shaders import SHADER_FOLDER, assemble
from pyengine.structs import Frame, Splat
from tests.pyengine.plans import every_pipeline, real_plans

ENTRY = re.compile(r"^@(compute|vertex|fragment)\b", re.MULTILINE)
INCLUDE = re.compile(r'^// #include "(.+)"$', re.MULTILINE)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes a WGSL file into a folder of its own, and gives the folder."""

    def write_(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return tmp_path

    return write_


def test_constants_come_first_and_sorted(write: Any) -> None:
    """A bool is a bool, an int is u32, a float is f32; True is an int in Python and must not be."""
    folder = write("a.wgsl", "fn f() {}\n")
    constants = {"WIDTH": 8, "IS_ON": True, "IS_OFF": False, "SCALE": 0.5, "TINY": 1e-9}
    assert assemble("a.wgsl", constants, folder).splitlines() == [
        "// a.wgsl",
        "const IS_OFF: bool = false;",
        "const IS_ON: bool = true;",
        "const SCALE: f32 = 0.5f;",
        "const TINY: f32 = 1e-09f;",
        "const WIDTH: u32 = 8u;",
        "fn f() {}",
    ]


def test_includes_are_taken_once_in_order(write: Any) -> None:
    """From the shaders folder, not from the file's own, however deep they stand."""
    write("b/one.wgsl", "// one\n")
    write("b/two.wgsl", '// #include "b/one.wgsl"\n// two\n')
    folder = write("a.wgsl", '// #include "b/two.wgsl"\n//#include "b/one.wgsl"\n// three\n')
    lines = assemble("a.wgsl", folder=folder).split()
    assert [word for word in lines if word in ("one", "two", "three")] == ["one", "two", "three"]


def test_a_cycle_of_includes_ends(write: Any) -> None:
    """A file that is included by what it includes stands once, as any other."""
    write("b.wgsl", '// #include "a.wgsl"\n// text of b\n')
    folder = write("a.wgsl", '// #include "b.wgsl"\n// #include "a.wgsl"\n// text of a\n')
    text = assemble("a.wgsl", folder=folder)
    assert text.count("text of a") == text.count("text of b") == 1


def test_structs_are_declared_once(write: Any) -> None:
    """Also when an included file names one that the file has."""
    write("b.wgsl", "// #struct Splat Frame\n")
    folder = write("a.wgsl", '// #struct Frame\n// #include "b.wgsl"\n')
    text = assemble("a.wgsl", folder=folder)
    assert text.count(Frame.wgsl()) == text.count(Splat.wgsl()) == 1
    assert text.index("struct Frame") < text.index("struct Splat")


def test_only_a_line_of_its_own_is_a_directive(write: Any) -> None:
    """Prose that mentions one stays prose."""
    text = '  // #include "none.wgsl"\nlet x = 1; // #struct None\n'
    folder = write("a.wgsl", text)
    assert assemble("a.wgsl", folder=folder) == "// a.wgsl\n" + text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('// #include "none.wgsl"', r"^shader 'none\.wgsl' is not in "),
        ('// #include "../out.wgsl"', r"^shader '\.\./out\.wgsl' is not in "),
        ('// #include "b"', r"^shader 'b' is not in "),
        ("// #struct Frame Nothing", r"^a\.wgsl: struct 'Nothing' is not declared in structs\.py$"),
    ],
)
def test_errors(write: Any, text: str, message: str) -> None:
    """A missing file, a file outside of the folder that is there, a folder, an unknown struct."""
    folder = write("shaders/a.wgsl", text + "\n") / "shaders"
    write("out.wgsl", "// outside\n")
    write("shaders/b/c.wgsl", "// inside\n")
    with pytest.raises(PlanError, match=message):
        assemble("a.wgsl", folder=folder)


def test_a_missing_file() -> None:
    """The root is looked for like an include."""
    with pytest.raises(PlanError, match=r"^shader 'sort/none\.wgsl' is not in .*shaders$"):
        assemble("sort/none.wgsl")


def files() -> dict[str, str]:
    """Every WGSL file of the project by its name in `assemble`."""
    paths = sorted(SHADER_FOLDER.rglob("*.wgsl"))
    return {path.relative_to(SHADER_FOLDER).as_posix(): path.read_text() for path in paths}


def test_every_shader_is_reached_by_a_plan() -> None:
    """A file with an entry point is some plan's shader, so that the compilers see it.

    Extend `plans.real_plans` when a new stage fails here.
    """
    used = {
        text.splitlines()[0].removeprefix("// ")
        for _, plan in real_plans()
        for text in plan.shaders.values()
        if ".wgsl" in text.splitlines()[0]  # programs bring kernels of their own
    }
    assert {name for name, text in files().items() if ENTRY.search(text)} == used


def test_every_other_shader_is_included() -> None:
    """No WGSL without a use; functions of programs are called by their name.

    tests/pybuild/onnx/test_functions.py has each of those.
    """
    included = {name for text in files().values() for name in INCLUDE.findall(text)}
    parts = {name for name, text in files().items() if not ENTRY.search(text)}
    assert {name for name in parts if not name.startswith("program/functions/")} == included


def test_headers_tell_what_a_shader_does() -> None:
    """Purpose and shape of the work, in the first lines of each entry file (STYLE.md, WGSL)."""
    for name, text in files().items():
        assert text.startswith("// "), name
        if ENTRY.search(text):
            header = text[: text.index("\n\n")]
            assert "// Purpose: " in header, name
            assert "Dispatch: " in header or "Draw: " in header or "dispatch: " in header, name


@pytest.mark.gpu
def test_naga_compiles_every_pipeline(adapter: Any) -> None:
    """Modules and pipelines; wgpu-py raises with naga's message at the first that fails.

    With WebGPU's default limits, so that no shader needs more lanes or workgroup memory.
    """
    plan = every_pipeline([plan for _, plan in real_plans()])
    assert len(plan.compute) > 20
    host = NativeHost(8, 8, adapter)
    host.build(plan)
    host.close()
