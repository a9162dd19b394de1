"""What ``vitrine export`` does, after its arguments were read."""

from __future__ import annotations

import time
from pathlib import Path

from pybuild import report
from pybuild.export import export_page
from pybuild.options import BuildOptions
from pybuild.scene_file import SceneFile
from pybuild.terminal import notice, progress
from pyengine.errors import InputError

__all__ = ["export"]


def export(scene: Path | SceneFile, out: Path, options: BuildOptions) -> None:
    """Write the page and say how large it is, and how much of it every page has.

    Raises
    ------
    InputError
        The scene is missing, or as `pybuild.export.export_page` says.
    """
    if isinstance(scene, Path) and not scene.exists():
        raise InputError(f"{scene}: no such file")
    start = time.perf_counter()
    with progress() as tell:
        made = export_page(scene, out, options, tell)
    seconds = time.perf_counter() - start
    for text in made.notices:
        notice(text)
    scene_bytes = made.size_bytes - made.engine_bytes
    print(
        f"{out}: {made.scene.count:,} Gaussians in {seconds:.1f} s; "
        f"{report.megabytes(made.size_bytes)}, of which the scene is "
        f"{report.megabytes(scene_bytes)} and the engine {report.megabytes(made.engine_bytes)}. "
        "Open it with a double click, or send it."
    )
