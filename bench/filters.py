"""Frames with filters, natively: without one, at half the size with the upscaler, with a style.

Each row draws the same moving camera in turn, interleaved; a frame ends when the GPU has done it.
The same in Chromium, beside onnxruntime-web: ``bench/filters_page.py``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import bench_parser, native_adapter, run, size_of, write_json
from bench.measured import ROOT, BenchScene, add_scenes, orbit, scenes
from bench.tables import extremes, print_table, ratio, summary
from pybuild import formats
from pybuild.filters.bundle import MadeFilter, make_filters
from pybuild.render import Renderer, in_memory
from pyengine.errors import DeviceError
from pyengine.passes.similar import COUNTS
from pyengine.scene_plan import FRAME

PLAIN = "no filter"
FILTERS = (str(ROOT / "assets/filters/upscaler.onnx"), str(ROOT / "assets/filters/painting.onnx"))
EPILOG = """
examples:
  bench/filters.py                              the project's filters, sample and guitar
  bench/filters.py scene.spz --filter "candy.onnx@range=0..255" --size 640x360
"""


def bench_scene(
    bench: BenchScene, filters: list[MadeFilter], size: tuple[int, int], frames: int
) -> dict[str, Any]:
    """Draw one scene with each filter and without, and print the table."""
    cloud = formats.read(bench.path)
    scene, load = in_memory(cloud)
    renderers = {PLAIN: Renderer(scene, load, *size)}
    sizes = {PLAIN: size}
    for made in filters:
        name, filtering = made.spec.name, made.filtering(rests=True)
        renderers[name] = Renderer(scene, load, *size, None, None, filtering, made.files())
        sizes[name] = filtering.rung.render
    times: dict[str, list[float]] = {name: [] for name in renderers}
    try:
        for index, view in enumerate(orbit(bench.options.pose(cloud), frames + 1, size)):
            for name, renderer in renderers.items():
                start = time.perf_counter()
                renderer.engine.draw(view)
                renderer.host.wait()
                if index:
                    times[name].append(1000 * (time.perf_counter() - start))
        for name, renderer in renderers.items():
            ran = renderer.read(COUNTS, "u4")[0] if renderer.engine.filter else frames + 1
            if ran != frames + 1:
                raise DeviceError(f"{name}: ran in {ran} of {frames + 1} frames")
        dispatches = {n: r.plan.count_dispatches(FRAME) for n, r in renderers.items()}
    finally:
        for renderer in renderers.values():
            renderer.close()
    results = {name: summary(found) for name, found in times.items()}
    plain = results[PLAIN]["min"]
    rows = [
        [
            name,
            "{}x{}".format(*sizes[name]),
            str(dispatches[name]),
            *extremes(found),
            ratio(found["min"], plain),
        ]
        for name, found in results.items()
    ]
    title = f"{bench.name}: ms a frame at {size[0]}x{size[1]}"
    print_table(title, ["", "drawn at", "dispatches", "min", "median", "/no filter"], rows)
    return results


def main() -> None:
    """Measure each scene."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    parser.add_argument("--filter", action="append", help="as in vitrine build; once for each")
    parser.add_argument("--size", type=size_of, default=(1280, 720), metavar="WxH")
    parser.add_argument("--frames", type=int, default=8, help="frames a filter (default: 8)")
    given = parser.parse_args()
    found = scenes(given.scenes, given.sample_count)
    texts = given.filter or [path for path in FILTERS if Path(path).is_file()]
    filters = make_filters(texts, given.size)
    _, named = native_adapter()
    results = {s.name: bench_scene(s, filters, given.size, given.frames) for s in found}
    write_json(given.json, {"bench": "filters", "adapter": named["device"], "scenes": results})


if __name__ == "__main__":
    run(main)
