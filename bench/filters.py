"""Frames with filters, natively: without one, at half the size with the upscaler, with a style.

Each row draws the same moving camera in turn, interleaved; a frame ends when the GPU has done it.
The networks alone beside onnxruntime-web: ``bench/onnx.py --models FILE --rivals web-webgpu``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.native import orbit, size_of
from bench.tables import (
    ROOT,
    BenchScene,
    add_common,
    cell,
    print_table,
    ratio,
    run,
    scenes,
    summary,
    write_json,
)
from pybuild import formats
from pybuild.filters.bundle import make_filters
from pybuild.render import Renderer, in_memory
from pyengine.hosts.native import open_adapter
from pyengine.passes.similar import COUNTS
from pyengine.scene_plan import FRAME

FILTERS = (str(ROOT / "assets/filters/upscaler.onnx"), str(ROOT / "assets/filters/painting.onnx"))
EPILOG = """
examples:
  bench/filters.py                              the project's filters, sample and guitar
  bench/filters.py scene.spz --filter "candy.onnx@range=0..255" --size 640x360
"""


def bench_scene(
    bench: BenchScene, filters: list[str], size: tuple[int, int], frames: int
) -> dict[str, Any]:
    """Draw one scene with each filter and without, and print the table."""
    scene, load = in_memory(formats.read(bench.path))
    pose = bench.options.pose(formats.read(bench.path))
    renderers: dict[str, Renderer] = {"no filter": Renderer(scene, load, *size)}
    sizes = {"no filter": size}
    for made in make_filters(filters, size):
        rung = made.spec.rungs[0]
        name = made.spec.name
        renderers[name] = Renderer(
            scene, load, *size, None, None, made.filtering(rests=True), made.files()
        )
        sizes[name] = rung.render
    times: dict[str, list[float]] = {name: [] for name in renderers}
    try:
        for index, view in enumerate(orbit(pose, frames + 1, size)):
            for name, renderer in renderers.items():
                start = time.perf_counter()
                renderer.engine.draw(view)
                renderer.host.wait()
                if index:
                    times[name].append(1000 * (time.perf_counter() - start))
        ran = {n: r.read(COUNTS, "u4")[0] for n, r in renderers.items() if r.engine.filter}
        assert all(count == frames + 1 for count in ran.values()), "a filter rested"
        dispatches = {n: r.plan.count_dispatches(FRAME) for n, r in renderers.items()}
    finally:
        for renderer in renderers.values():
            renderer.close()
    plain = summary(times["no filter"])["min"]
    rows = [
        [
            name,
            "{}x{}".format(*sizes[name]),
            str(dispatches[name]),
            *(cell(summary(found)[key]) for key in ("min", "median")),
            ratio(summary(found)["min"], plain),
        ]
        for name, found in times.items()
    ]
    title = f"{bench.name}: ms a frame at {size[0]}x{size[1]}"
    print_table(title, ["", "drawn at", "dispatches", "min", "median", "/no filter"], rows)
    return {name: summary(found) for name, found in times.items()}


def main() -> None:
    """Measure each scene."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--filter", action="append", help="as in vitrine build; once for each")
    parser.add_argument("--size", type=size_of, default=(1280, 720), metavar="WxH")
    parser.add_argument("--frames", type=int, default=8)
    given = parser.parse_args()
    filters = given.filter or [path for path in FILTERS if Path(path).is_file()]
    info = open_adapter().info
    print(f"{info['device']} ({info['backend_type']}, {info['description']})", flush=True)
    found = {
        scene.name: bench_scene(scene, filters, given.size, given.frames)
        for scene in scenes(given.scenes, given.sample_count)
    }
    write_json(given.json, {"bench": "filters", "adapter": info["device"], "scenes": found})


if __name__ == "__main__":
    run(main)
