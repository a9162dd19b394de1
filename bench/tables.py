"""Scenes to measure, the numbers of a sample, tables and JSON: what every bench shares."""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.make_sample import DEFAULT_COUNT, SAMPLE_CAMERA, make_sample
from pybuild import formats
from pybuild.options import BuildOptions
from pyengine.bundle import Pose
from pyengine.errors import InputError, VitrineError
from pyengine.view import WORLD_UP, View

__all__ = [
    "CACHE",
    "ROOT",
    "BenchScene",
    "add_common",
    "cell",
    "extremes",
    "machine",
    "names_of",
    "orbit",
    "print_table",
    "ratio",
    "run",
    "scenes",
    "size_of",
    "summary",
    "write_json",
]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
GUITAR = "assets/compressed-ply/guitar.compressed.ply"
STEP_DEG = 1.5
"""Turn of the camera between two frames."""
_EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class BenchScene:
    """A scene file and the camera that it is looked at with."""

    name: str
    path: Path
    options: BuildOptions


def add_common(parser: argparse.ArgumentParser) -> None:
    """Arguments that every bench takes."""
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there too")


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


def size_of(text: str) -> tuple[int, int]:
    """``WxH`` of a command line."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 640x360")
    return int(width), int(height)


def names_of(every: Iterable[str], usual: Iterable[str]) -> Callable[[str], list[str]]:
    """A reader of ``--rivals``: usual, all, none, or names with commas between them."""
    words = {"usual": list(usual), "all": list(every), "none": []}

    def chosen(text: str) -> list[str]:
        if text in words:
            return words[text]
        names = text.split(",")
        for name in names:
            if name not in words["all"]:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(words['all'])}")
        return names

    return chosen


def summary(values: Iterable[float]) -> dict[str, float | int]:
    """Minimum, median and count; NaN of nothing."""
    known = list(values)
    if not known:
        return {"min": float("nan"), "median": float("nan"), "n": 0}
    return {"min": min(known), "median": statistics.median(known), "n": len(known)}


def cell(value: float) -> str:
    """A number in a table: three digits at least, no more decimals than they mean."""
    if value != value:
        return "-"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f}"


def extremes(found: Mapping[str, float | int]) -> list[str]:
    """Minimum and median of a `summary`, as two columns."""
    return [cell(found["min"]), cell(found["median"])]


def ratio(value: float, ours: float) -> str:
    """How many times ours; above 1 is worse than ours for a time."""
    return f"{value / ours:.2f}x" if ours > 0 and value == value else "-"


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A title and columns: the first to the left, the others to the right."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    print(f"\n{title}")
    for row in table:
        first, *others = (
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "  ".join([first, *others]).rstrip())
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """What the numbers were measured on, and how busy it was."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "cores": os.cpu_count(),
        "load_1min": round(load, 2),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def write_json(path: Path | None, results: dict[str, Any]) -> None:
    """Write the results with `machine`; does nothing without a path."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **results}, indent=1) + "\n")
        print(f"\n{path}: written")


def run(main: Callable[[], None]) -> None:
    """Run a bench's main: Ctrl-C and faults of the input end it with one line."""
    start = machine()
    print(f"{start['cores']} cores, load {start['load_1min']} at the start", flush=True)
    try:
        main()
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # playwright's unheard futures
        print("\ninterrupted", file=sys.stderr)
        sys.exit(_EXIT_INTERRUPTED)
    except VitrineError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"load {machine()['load_1min']} at the end")
