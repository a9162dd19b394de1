"""Build speed in splats a second, and what a splat costs on the GPU and over the wire.

read: the file to arrays; pack: arrays to GPU-ready buffers; bundle: pack, hash and write them to a
folder; site (with --site): the whole of `vitrine build`, poster and compression included.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import bench_parser, run, write_json
from bench.measured import BenchScene, add_scenes, scenes
from bench.tables import cell, print_table, summary
from pybuild import formats
from pybuild.bundle import write_bundle
from pybuild.inspection import gpu_buffers
from pybuild.pack import pack
from pybuild.site import build_site
from pyengine.bundle import Scene

EPILOG = """
examples:
  bench/build.py                      the sample's PLY and the guitar's compressed PLY
  bench/build.py scene.sog --runs 5 --site --json /tmp/build.json

A stage's speed is that of its fastest run.
"""


def timed(work: Callable[[], Any], runs: int) -> list[float]:
    """Seconds of each run of ``work``."""
    seconds = []
    for _ in range(runs):
        gc.collect()
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def bench_scene(bench: BenchScene, runs: int, site: bool) -> dict[str, Any]:
    """Measure one scene and print its tables."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        warnings.simplefilter("ignore", formats.DroppedSplats)
        out = Path(folder)
        cloud = formats.read(bench.path)
        seconds = {
            "read": timed(lambda: formats.read(bench.path), runs),
            "pack": timed(lambda: pack(cloud), runs),
            "bundle": timed(lambda: write_bundle(cloud, out / "bundle"), runs),
        }
        if site:
            work = lambda: build_site(bench.path, out / "site", bench.options)  # noqa: E731
            seconds["site"] = timed(work, 1)
        scene = write_bundle(cloud, out / "bundle")
    stages = {}
    rows = []
    for name, values in seconds.items():
        numbers = summary(values)
        speed = scene.count / numbers["min"] if scene.count else 0.0
        stages[name] = {"seconds": numbers, "splats_per_second": speed}
        times = (cell(1000 * numbers["min"]), cell(1000 * numbers["median"]))
        rows.append([name, *times, f"{speed:,.0f}"])
    title = (
        f"{bench.name}: {scene.count:,} splats, SH degree {scene.sh_degree}, "
        f"{bench.path.stat().st_size / 1e6:.1f} MB in the file"
    )
    print_table(title, ["", "min ms", "median", "splats/s"], rows)
    return {
        "count": scene.count,
        "sh_degree": scene.sh_degree,
        "stages": stages,
        "gpu_bytes_a_splat": print_buffers(bench.name, scene),
    }


def print_buffers(name: str, scene: Scene) -> dict[str, float]:
    """GPU bytes a splat by buffer, of the plan for an adapter with WebGPU's default limits."""
    count = max(scene.count, 1)
    rows, sizes = [], {}
    total = stored = 0
    for buffer in gpu_buffers(scene):
        total += buffer.size_bytes
        stored += buffer.size_bytes if buffer.stored else 0
        sizes[buffer.name] = buffer.size_bytes / count
        kind = "bundle" if buffer.stored else "work"
        rows.append([buffer.name, kind, f"{sizes[buffer.name]:.2f}"])
    rows += [["stored in the bundle", "", f"{stored / count:.2f}"]]
    rows += [["all", "", f"{total / count:.2f}"]]
    print_table(f"{name}: GPU bytes a splat", ["", "", "bytes"], rows)
    return sizes | {"stored": stored / count, "all": total / count}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    parser.add_argument("--runs", type=int, default=3, help="runs a stage (default: 3)")
    parser.add_argument("--site", action="store_true", help="build a whole site too, once")
    return parser.parse_args()


def main() -> None:
    """Measure every scene."""
    given = arguments()
    found = scenes(given.scenes, given.sample_count)
    results = {scene.name: bench_scene(scene, given.runs, given.site) for scene in found}
    write_json(given.json, {"bench": "build", "scenes": results})


if __name__ == "__main__":
    run(main)
