"""What is installed is all that is there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
BUILD = """
import sys
sys.path.insert(0, sys.argv[1])
from pybuild.cli import main
import pybuild
assert pybuild.__file__.startswith(sys.argv[1]), pybuild.__file__
sys.exit(main(sys.argv[2:]))
"""


def test_every_package_is_installed() -> None:
    """The list was without the filters; in a checkout nobody noticed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("pybuild", "pyengine", "vitrine")
        for path in (ROOT / top).rglob("__init__.py")
    }
    elsewhere = project["tool"]["setuptools"]["package-dir"].keys()
    assert set(project["tool"]["setuptools"]["packages"]) == found | elsewhere


def test_an_installation_makes_the_same_site(tmp_path: Path) -> None:
    """A wheel has the modules of the page and the shaders; names of files tell what is in them."""
    source = tmp_path / "source"  # what pip leaves beside the sources is not left in these
    for name in ("pybuild", "pyengine", "vitrine", "web", "shaders"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    Image.new("RGB", (8, 8)).save(tmp_path / "poster.png")
    splat = np.zeros(1, "3f4, 3f4, 4u1, 4u1")
    splat["f1"], splat["f2"], splat["f3"] = 1, 255, (255, 128, 128, 128)
    (tmp_path / "dot.splat").write_bytes(splat.tobytes())
    sites = []
    for home in (installed, ROOT):
        site = tmp_path / f"site-{home.name}"
        command = [sys.executable, "-P", "-c", BUILD, home, "build", "dot.splat", "-o", site]
        subprocess.run([*command, "--poster", "poster.png"], cwd=tmp_path, check=True)
        sites.append({path.relative_to(site).as_posix() for path in site.rglob("*")})
    assert sites[0] == sites[1]
    assert any(name.endswith("display.mjs") for name in sites[0])
