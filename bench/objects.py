"""What a scene of several objects costs: the same Gaussians as one file and as several objects.

A scene is cut into quarters along its Morton order. Drawn natively (wgpu-py), pass by pass, with a
camera that moves: as the file that it is, as four objects, and as four of which one moves with each
frame. The frames are interleaved; times are timestamp queries around each pass.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import bench_parser, native_adapter, run, size_of, write_json
from bench.measured import BenchScene, add_scenes, orbit, scenes
from bench.native import print_frames, stages
from pybuild import formats
from pybuild.composing import Part, compose
from pybuild.gaussians import Gaussians
from pybuild.pack import morton_order
from pybuild.render import in_memory
from pyengine.bundle import Scene
from pyengine.engine import Engine
from pyengine.hosts.native import NativeHost
from pyengine.scene_plan import FRAME, required_limits, scene_plan

EPILOG = """
examples:
  bench/objects.py                             the sample and the guitar
  bench/objects.py scene.spz --pieces 16 --size 1920x1080 --json /tmp/objects.json

A ratio above 1 is slower than the scene of one file.
"""


@dataclass
class Drawn:
    """A way to draw a scene, and the times of its frames; named as `print_frames` has it."""

    host: NativeHost
    engine: Engine
    dispatches: int
    frames: list[dict[str, float]] = field(default_factory=list)


def pieces_of(cloud: Gaussians, pieces: int) -> list[Gaussians]:
    """Neighbours stay together, as they do in objects of their own."""
    return [cloud.take(rows) for rows in np.array_split(morton_order(cloud.positions), pieces)]


def bench_scene(
    bench: BenchScene, adapter: Any, size: tuple[int, int], frames: int, pieces: int
) -> dict[str, Any]:
    """Draw one scene each way and print its table."""
    offered = NativeHost.describe(adapter)
    cloud = formats.read(bench.path)
    pose = bench.options.pose(cloud)
    several = compose(
        [Part(str(i), bench.path.name, piece) for i, piece in enumerate(pieces_of(cloud, pieces))]
    )
    alone, load = in_memory(cloud)
    ways: dict[str, tuple[Scene, Callable[[str], bytes]]] = {
        "one file": (alone, load),
        f"{pieces} objects": (several.scene, several.load),
        "one of them moving": (several.scene, several.load),
    }
    drawn: dict[str, Drawn] = {}
    try:
        for name, (scene, source) in ways.items():
            shown = replace(scene, pose=pose)
            plan = scene_plan(shown, offered)
            host = NativeHost(*size, adapter, required_limits(plan, offered), timed=True)
            host.build(plan, source)
            drawn[name] = Drawn(host, Engine(shown, host), plan.count_dispatches(FRAME))
        if not next(iter(drawn.values())).host.timed:
            print("this adapter has no timestamp queries; no table of passes")
            return {}
        for index, view in enumerate(orbit(pose, frames + 1, size)):
            for name, item in drawn.items():
                objects = item.engine.objects
                if objects is not None and "moving" in name:
                    objects.set("0", {"position": [0.001 * index, 0, 0]})
                item.engine.draw(view)
                if index:
                    item.frames.append(stages(item.host.timings_ms()))
                else:
                    item.host.timings_ms()
    finally:
        for item in drawn.values():
            item.host.close()
    counts = {name: item.dispatches for name, item in drawn.items()}
    title = f"{bench.name}: ms a frame at {size[0]}x{size[1]}, {cloud.count:,} Gaussians"
    results = print_frames(title, drawn)
    print(
        f"  dispatches and draws: {', '.join(f'{n}: {c}' for n, c in counts.items())}", flush=True
    )
    return {"ms": results, "dispatches": counts}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    parser.add_argument("--size", type=size_of, default=(640, 360), metavar="WxH")
    parser.add_argument("--frames", type=int, default=12, help="frames a way (default: 12)")
    parser.add_argument("--pieces", type=int, default=4, help="objects (default: 4)")
    return parser.parse_args()


def main() -> None:
    """Measure the scenes."""
    given = arguments()
    adapter, named = native_adapter()
    drawn = {
        scene.name: bench_scene(scene, adapter, given.size, given.frames, given.pieces)
        for scene in scenes(given.scenes, given.sample_count)
    }
    write_json(given.json, {"bench": "objects", "adapter": named, "scenes": drawn})


if __name__ == "__main__":
    run(main)
