"""Imports run one way: shells, pybuild, pyengine; and inside pyengine as DESIGN.md draws it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ONLY_IN = {"js": "pyengine/hosts/page.py", "wgpu": "pyengine/hosts/native.py"}
"""Modules that one file alone may import; pyodide's goes with js."""

SINCE_3_14 = ("compression",)
"""Of the standard library too, as Pyodide has it."""

LAYERS = (
    ("errors", "structs"),
    ("plan", "shaders", "view", "camera_inputs", "fields", "contract", "timeline"),
    (
        *("bundle", "object_spec", "objects", "scene_toml", "gizmo"),
        *("feeds", "generator_spec", "filter_spec"),
        *("camera", "camera_path", "camera_rig", "camera_shot", "sources", "framing"),
        *("share", "share_text"),
    ),
    ("passes", "program", "tuning"),
    ("inputs", "generator", "filter", "governor"),
    ("scene_plan", "engine", "film", "drop"),
    ("hosts",),
)
"""Of pyengine: a layer imports from itself and from those before it."""


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Full names that a file imports, and where."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module, node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def sources(package: str) -> list[Path]:
    """Files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources("pyengine"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_engine_imports_the_standard_library_and_itself(path: Path) -> None:
    """It runs under Pyodide without a package; only a host touches what lies beyond."""
    name = path.relative_to(ROOT).as_posix()
    for module, line in imports(path):
        top = module.split(".")[0]
        allowed = top in (*sys.stdlib_module_names, *SINCE_3_14) or top == "pyengine"
        allowed |= ONLY_IN.get("js" if top == "pyodide" else top) == name
        assert allowed, f"{name}:{line} imports {module}"


@pytest.mark.parametrize("path", sources("pyengine"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_layers_of_the_engine(path: Path) -> None:
    """No module imports from a layer above its own."""
    rank = {name: index for index, layer in enumerate(LAYERS) for name in layer}
    part = path.relative_to(ROOT / "pyengine").parts[0].removesuffix(".py")
    if part == "__init__":
        return
    assert part in rank, f"{part} has no layer; give it one in {Path(__file__).name}"
    for module, line in imports(path):
        if module.startswith("pyengine."):
            other = module.split(".")[1]
            assert rank[other] <= rank[part], f"{path.name}:{line} imports {module} from above"


@pytest.mark.parametrize("path", sources("vitrine"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_scripts_need_no_notebook(path: Path) -> None:
    """Only the widget imports its libraries; nothing imports a device's."""
    for module, line in imports(path):
        top = module.split(".")[0]
        ours = ("pyengine", "pybuild", "vitrine", "numpy", "PIL")
        allowed = (*sys.stdlib_module_names, *ours)
        if path.name == "widget.py":
            allowed = (*allowed, "anywidget", "traitlets")
        assert top in allowed, f"{path}:{line} imports {module}"


@pytest.mark.parametrize("path", sources("pybuild"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_build_never_touches_a_device_itself(path: Path) -> None:
    """Only the native host imports wgpu; the build has no page, and needs no notebook."""
    for module, line in imports(path):
        top = module.split(".")[0]
        assert top not in (*ONLY_IN, "pyodide", "build", "server", "vitrine"), (
            f"{path}:{line} imports {module}"
        )
