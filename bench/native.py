"""The engine natively (wgpu-py), pass by pass, and its sort alone: on lavapipe or on a real GPU.

Every variant of the sort draws the same scenes in turn, interleaved; the adapter's own choice is
marked with a star. Times are timestamp queries around each pass.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.command import bench_parser, native_adapter, run, size_of, write_json
from bench.measured import BenchScene, add_scenes, orbit, scenes
from bench.tables import cell, extremes, print_table, ratio, summary
from pybuild import formats
from pybuild.bundle import describe
from pybuild.pack import pack
from pyengine.bundle import CHUNK_SIZE, Scene
from pyengine.engine import Engine
from pyengine.errors import DeviceError
from pyengine.hosts.native import NativeHost
from pyengine.passes.composite import composite
from pyengine.passes.project import project
from pyengine.passes.sort import DIGIT_BITS, Sort, Variant, passes_for, variant_for
from pyengine.passes.splat import splat, vertices_for
from pyengine.plan import Adapter, Buffer, Part, Plan
from pyengine.scene_plan import FRAME, required_limits
from pyengine.structs import SortState

EPILOG = """
examples:
  bench/native.py                       the sample and the guitar, then the sort from 2^16 to 2^22
  bench/native.py --sort-only --bits 16:24
  bench/native.py scene.spz --size 1920x1080 --frames 50 --json /tmp/native.json

"keys/s" counts one sort of that many random keys, all passes of it; a larger number is better, a
ratio above 1 is faster than the adapter's own choice. In the table of frames a ratio above 1 is
slower. XDG_RUNTIME_DIR and the adapter are wgpu's business: WGPU_ADAPTER_NAME=llvmpipe picks one.
"""


class Timed(Protocol):
    """Something with the times of its frames, by stage."""

    frames: list[dict[str, float]]


@dataclass
class Drawn:
    """A variant of the sort on a device with a scene, and the times of its frames."""

    host: NativeHost
    engine: Engine
    frames: list[dict[str, float]] = field(default_factory=list)


def variants_of(adapter: Adapter) -> dict[str, Variant]:
    """Variants that an adapter runs by name, its own choice first and starred."""
    hardware = replace(adapter, software=False)
    found = {
        "serial": variant_for(replace(adapter, software=True)),
        "portable": variant_for(replace(hardware, subgroup_size=0)),
    }
    if adapter.subgroup_size:
        found[f"subgroups of {adapter.subgroup_size}"] = variant_for(hardware)
    own = variant_for(adapter)
    starred = {f"{name} *": v for name, v in found.items() if v == own}
    return starred | {name: v for name, v in found.items() if v != own}


def frame_plan(scene: Scene, adapter: Adapter, variant: Variant) -> Plan:
    """`pyengine.engine.scene_plan` with a variant of our choice."""
    chunks, passes = max(scene.chunk_count, 1), passes_for(scene.count)
    sort = Sort(chunks, passes, vertices_for(adapter), variant)
    return Plan.of({FRAME: (project(scene), sort.part(), splat(sort.order, adapter), composite())})


def stages(times: Mapping[str, float]) -> dict[str, float]:
    """Passes by their stage: splat_0, splat.mask_1, ... are one."""
    sums: dict[str, float] = {}
    for label, ms in times.items():
        stage = label.split(".")[0].split("_")[0]
        sums[stage] = sums.get(stage, 0.0) + ms
    return sums | {"all passes": sum(times.values())}


def bench_scene(
    bench: BenchScene, adapter: Any, size: tuple[int, int], frames: int
) -> dict[str, Any]:
    """Draw one scene with every variant and print its table."""
    offered = NativeHost.describe(adapter)
    cloud = formats.read(bench.path)
    packed = pack(cloud)
    buffers = packed.buffers()
    scene = describe(packed, cloud, buffers, bench.options.pose(cloud))
    drawn: dict[str, Drawn] = {}
    try:
        for name, variant in variants_of(offered).items():
            plan = frame_plan(scene, offered, variant)
            host = NativeHost(*size, adapter, required_limits(plan, offered), timed=True)
            host.build(plan, buffers.__getitem__)
            drawn[name] = Drawn(host, Engine(scene, host))
        if not next(iter(drawn.values())).host.timed:
            print("this adapter has no timestamp queries; no table of passes")
            return {}
        for index, view in enumerate(orbit(scene.pose, frames + 1, size)):
            for item in drawn.values():
                item.engine.draw(view)
                times = stages(item.host.timings_ms())
                if index:
                    item.frames.append(times)
        state = bytes(next(iter(drawn.values())).host.read("sort_state"))
    finally:
        for item in drawn.values():
            item.host.close()
    count = SortState.unpack(state, "key_count")[0]
    title = f"{bench.name}: ms a frame at {size[0]}x{size[1]}, {count:,} of {scene.count:,} drawn"
    return print_frames(title, drawn)


def print_frames(title: str, drawn: Mapping[str, Timed]) -> dict[str, Any]:
    """A row a stage, a pair of columns a variant."""
    results = {
        name: {stage: summary(f[stage] for f in item.frames) for stage in item.frames[0]}
        for name, item in drawn.items()
    }
    own = next(iter(results.values()))
    header = [""]
    for name in results:
        header += [f"{name}: min", "median", "ratio"]
    rows = []
    for stage in own:
        row = [stage]
        for result in results.values():
            row += [*extremes(result[stage]), ratio(result[stage]["min"], own[stage]["min"])]
        rows.append(row)
    print_table(title, header, rows)
    return results


class LoneSort:
    """The sort's stage with keys of its own, on a device.

    Parameters
    ----------
    adapter : wgpu adapter
    variant : Variant
    keys : (n,) uint32
        A whole number of chunks.
    bits : int
        Of a key that are sorted.
    """

    def __init__(self, adapter: Any, variant: Variant, keys: np.ndarray, bits: int) -> None:
        chunks = len(keys) // CHUNK_SIZE
        self.keys = keys.tobytes()
        offered = NativeHost.describe(adapter)
        sort = Sort(chunks, bits // DIGIT_BITS, vertices_for(offered), variant)
        inputs = Part(
            buffers=(
                Buffer("keys", len(self.keys), ("storage", "upload")),
                Buffer("chunk_live", chunks * 4, ("storage", "upload")),
            ),
            steps=(),
        )
        plan = Plan.of({"sort": (inputs, sort.part())})
        self.order = sort.order
        self.times_ms: list[float] = []
        self.host = NativeHost(1, 1, adapter, required_limits(plan, offered), timed=True)
        self.host.build(plan)
        self.host.write("chunk_live", np.ones(chunks, np.uint32).tobytes())

    def run(self, count_it: bool) -> None:
        """Sort once; the upload of the keys is not timed."""
        self.host.write("keys", self.keys)
        self.host.run("sort")
        times = self.host.timings_ms()
        if count_it and times:
            self.times_ms.append(sum(times.values()))

    def is_right(self) -> bool:
        """Whether the last run's order is numpy's stable one."""
        order = np.frombuffer(self.host.read(self.order), np.uint32)
        wanted = np.argsort(np.frombuffer(self.keys, np.uint32), kind="stable")
        return bool(np.array_equal(order, wanted))


def bench_sort(adapter: Any, powers: Sequence[int], runs: int) -> dict[str, Any]:
    """Sort random keys with every variant and print its table."""
    offered = NativeHost.describe(adapter)
    random = np.random.default_rng(1)
    results: dict[str, Any] = {}
    rows = []
    names = list(variants_of(offered))
    for power in powers:
        count = 1 << power
        bits = passes_for(count) * DIGIT_BITS
        keys = random.integers(0, (1 << bits) - 1, count).astype(np.uint32)
        sorts: dict[str, LoneSort] = {}
        try:
            for name, variant in variants_of(offered).items():
                sorts[name] = LoneSort(adapter, variant, keys, bits)
            for index in range(runs + 1):
                for sort in sorts.values():
                    sort.run(index > 0)
            wrong = [name for name, sort in sorts.items() if not sort.is_right()]
            times = {name: summary(sort.times_ms) for name, sort in sorts.items()}
        finally:
            for sort in sorts.values():
                sort.host.close()
        if wrong:
            raise DeviceError(f"2^{power} keys: not sorted by {', '.join(wrong)}")
        own = times[names[0]]["min"]
        row = [f"2^{power} keys, {bits} bits"]
        for name in names:
            low = times[name]["min"]
            row += [cell(low), f"{count / low / 1e3:,.0f} M/s", ratio(own, low)]
        rows.append(row)
        results[str(count)] = {"bits": bits, "ms": times}
    header = [""]
    for name in names:
        header += [f"{name}: ms", "keys/s", "ratio"]
    print_table("the sort alone, minima; every order checked", header, rows)
    return results


def powers_of(text: str) -> range:
    """``LOW:HIGH``, both inside."""
    low, _, high = text.partition(":")
    if not (low.isdigit() and high.isdigit() and 8 <= int(low) <= int(high) <= 26):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 16:22 (8 to 26)")
    return range(int(low), int(high) + 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    parser.add_argument("--size", type=size_of, default=(640, 360), metavar="WxH")
    parser.add_argument("--frames", type=int, default=12, help="frames a variant (default: 12)")
    parser.add_argument(
        "--bits",
        type=powers_of,
        default=range(16, 23),
        metavar="LOW:HIGH",
        help="powers of two of the lone sort's keys (default: 16:22)",
    )
    parser.add_argument("--runs", type=int, default=5, help="sorts a size (default: 5)")
    parser.add_argument("--sort-only", action="store_true", help="draw no scene")
    return parser.parse_args()


def main() -> None:
    """Measure the scenes, then the sort."""
    given = arguments()
    adapter, named = native_adapter()
    drawn = {}
    if not given.sort_only:
        for scene in scenes(given.scenes, given.sample_count):
            drawn[scene.name] = bench_scene(scene, adapter, given.size, given.frames)
    sorted_ = bench_sort(adapter, given.bits, given.runs)
    write_json(given.json, {"bench": "native", "adapter": named, "scenes": drawn, "sort": sorted_})


if __name__ == "__main__":
    run(main)
