"""Scenes to measure, and views of them: files that are named, or the sample and the guitar."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.make_sample import DEFAULT_COUNT, SAMPLE_CAMERA, make_sample
from pybuild import formats
from pybuild.options import BuildOptions
from pyengine.bundle import Pose
from pyengine.errors import InputError
from pyengine.view import WORLD_UP, View

__all__ = ["CACHE", "ROOT", "BenchScene", "add_scenes", "orbit", "scenes"]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
GUITAR = "assets/compressed-ply/guitar.compressed.ply"
STEP_DEG = 1.5
"""Turn of the camera between two frames."""


@dataclass(frozen=True, slots=True)
class BenchScene:
    """A scene file and the camera that it is looked at with."""

    name: str
    path: Path
    options: BuildOptions


def add_scenes(parser: argparse.ArgumentParser) -> None:
    """Arguments of the benches that measure scenes."""
    parser.add_argument(
        "scenes",
        nargs="*",
        type=Path,
        metavar="SCENE",
        help="scene files (.ply, .compressed.ply, .spz, ...); without any, the project's sample "
        "and, where it is, ../shared's guitar (VITRINE_SHARED names that folder)",
    )
    parser.add_argument(
        "--sample-count",
        type=int,
        default=DEFAULT_COUNT,
        metavar="N",
        help="splats of the sample (default: %(default)s)",
    )


def scenes(
    paths: Sequence[Path], sample_count: int = DEFAULT_COUNT, suffix: str = ".ply"
) -> list[BenchScene]:
    """The scenes that were named, or the default ones.

    Parameters
    ----------
    paths : sequence of Path
    sample_count : int
        About how many splats the sample has; made once and cached.
    suffix : str
        Format of the sample: ``.ply`` or ``.compressed.ply``.

    Raises
    ------
    InputError
        A file is missing.
    """
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    if paths:
        return [BenchScene(path.name.split(".")[0], path, BuildOptions()) for path in paths]
    sample = CACHE / "bench" / f"sample-{sample_count}{suffix}"
    newest = max(path.stat().st_mtime for path in (ROOT / "assets").rglob("*.py"))
    if not sample.is_file() or sample.stat().st_mtime < newest:
        print(f"making the sample scene of {sample_count:,} splats (cached)", flush=True)
        sample.parent.mkdir(parents=True, exist_ok=True)
        formats.write(sample, make_sample(sample_count))
    camera = BuildOptions(
        eye=tuple(SAMPLE_CAMERA["eye"]),
        target=tuple(SAMPLE_CAMERA["target"]),
        fov_deg=SAMPLE_CAMERA["fov"],
    )
    found = [BenchScene("sample", sample, camera)]
    guitar = Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared")) / GUITAR
    if guitar.is_file():
        found.append(BenchScene("guitar", guitar, BuildOptions()))
    else:
        print(f"{guitar}: not there; the sample alone is measured")
    return found


def orbit(pose: Pose, count: int, size: tuple[int, int]) -> list[View]:
    """Views about the pose's target, from left to right; the pose's own is the one in the middle.

    Parameters
    ----------
    size : (width, height)
        Pixels.
    """
    views = []
    x, y, z = (eye - target for eye, target in zip(pose.eye, pose.target, strict=True))
    to_x, to_y, to_z = pose.target
    for step in range(count):
        angle = math.radians(STEP_DEG * (step - (count - 1) / 2))
        c, s = math.cos(angle), math.sin(angle)
        eye = (to_x + c * x + s * z, to_y + y, to_z + c * z - s * x)
        views.append(View.look_at(eye, pose.target, WORLD_UP, pose.fov_deg, *size))
    return views
