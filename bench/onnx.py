"""Networks, beside onnxruntime: in the same Chromium, and natively on the same Vulkan driver.

A run uploads the inputs and ends when an element of an output is back in the caller's memory; the
other outputs stay on the GPU, where the engine can leave them. The first run begins with nothing
but an empty page (or a process with its modules imported): fetching, compiling, uploading are in
it. Rounds are interleaved (A B C A B C ...), so that a noisy neighbour hits all; compare minima.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import PAGES, PackageMissing, add_browser, chromium
from bench.command import bench_parser, names_of, run, write_json
from bench.measured import ROOT
from bench.net_engines import (
    OURS,
    RIVALS,
    USUAL,
    Engine,
    Opened,
    PageEngine,
    ProcessEngine,
    Unavailable,
    ort_python,
    ort_web,
    software_icd,
)
from bench.net_report import markdown, overview, report, short_of_goals
from bench.net_server import NetServer, serving_nets
from bench.nets import Array, Net, find_nets
from bench.tables import summary
from pybuild.onnx import ops  # noqa: F401
from pybuild.onnx.compile import compile_graph
from pybuild.onnx.front import load_graph, parse_shape_option
from pybuild.onnx.lower import LOWERINGS
from pybuild.programs import write_program
from pybuild.runner import stored_inputs
from pyengine.errors import DeviceError
from pyengine.program import Program

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REFERENCE = "native-cpu"
REOPENED = 0.25
"""An engine is opened again if that takes less than this share of its budget."""
EPILOG = """
examples:
  bench/onnx.py                                   all of ../shared/models, against the usual rivals
  bench/onnx.py --models candy,mnist --rounds 8
  bench/onnx.py --models net.onnx --rivals none   Vitrine alone, in the page and natively
  bench/onnx.py --models upscaler.onnx --shape image=1x3x360x640
  bench/onnx.py --budget 20 --json /tmp/onnx.json

engines:
  vitrine, vitrine-native     the compiled program in Chromium, and on wgpu-native
  web-webgpu, web-wasm        npm's onnxruntime-web: its WebGPU provider; wasm with --threads
  web-jspi, web-jsep          its two other builds with a WebGPU provider (not usual)
  native-webgpu, native-cpu   PyPI's onnxruntime-webgpu: WebGPU provider; processor
Packages are kept in .cache; a rival that cannot be had is named with the reason. In software the
native engines use Chromium's SwiftShader, where it lies beside it. "error" is the largest
difference from native-cpu by the largest value of that output; "code" and "model" are kB over the
wire as brotli 9: engine and page code; model file, or the program's folder.
"""


@dataclass
class Contender:
    """An engine with a network, and what was measured of it; its outputs are ``compared``."""

    engine: Engine
    compared: bool = True
    opened: list[Opened] = field(default_factory=list)
    runs_ms: list[float] = field(default_factory=list)
    spent_s: float = 0.0
    error: float | None = None
    reason: str | None = None

    def told(self) -> dict[str, Any]:
        """All of it, for JSON."""
        if self.reason is not None:
            return {"skipped": self.reason}
        last = self.opened[-1]
        return {
            "ms": summary(self.runs_ms),
            "first_ms": summary(o.first_ms for o in self.opened),
            "adapter": last.adapter,
            "version": last.version,
            "dispatches": last.dispatches,
            "code_bytes": last.code_bytes,
            "model_bytes": last.model_bytes,
            "max_rel_error": self.error,
        }


class Kit:
    """What the engines need besides a network, made once; and why some of them are missing."""

    def __init__(self, rivals: Sequence[str], gpu: bool, program: str | None) -> None:
        self.names = [*OURS, *rivals]
        self.missing: dict[str, str] = {}
        self.folders = {"web": ROOT / "web"}
        self.python: Path | None = None
        self.icd = None if gpu else software_icd(program)
        if any(name.startswith("web-") for name in rivals):
            try:
                self.folders["ort"] = ort_web()
            except PackageMissing as error:
                self._lack("web-", str(error))
        if any(name.startswith("native-") for name in rivals):
            try:
                self.python = ort_python()
            except PackageMissing as error:
                self._lack("native-", str(error))
        for name, reason in self.missing.items():
            print(f"{name}: skipped: {reason}", flush=True)

    def _lack(self, prefix: str, reason: str) -> None:
        self.missing |= {n: reason for n in self.names if n.startswith(prefix)}

    def engines(
        self,
        net: Net,
        program: Program,
        folder: Path,
        server: NetServer,
        browser: Browser,
        given: argparse.Namespace,
    ) -> Iterator[Engine]:
        """Those of the names that can be had, for one network."""
        for name in self.names:
            if name in self.missing:
                continue
            if name == "vitrine" or name.startswith("web-"):
                yield PageEngine(
                    name, browser, server, net, program, given.threads, given.tune, given.limit
                )
            elif name == "vitrine-native":
                python = Path(sys.executable)
                yield ProcessEngine(name, "vitrine", python, folder, self.icd, given.limit)
            elif self.python is not None:
                kind = name.removeprefix("native-")
                yield ProcessEngine(name, kind, self.python, folder, self.icd, given.limit)


def build(net: Net, folder: Path, server: NetServer) -> tuple[Program, float]:
    """Compile a network and lay out what all engines read; gives the seconds of compiling too."""
    (folder / "model.onnx").write_bytes(net.model)
    start = time.perf_counter()
    graph = load_graph(folder / "model.onnx", supported=set(LOWERINGS))
    compiled = compile_graph(graph)
    seconds = time.perf_counter() - start
    write_program(folder / "program", compiled.program, compiled.files)
    lay_out(folder, net, compiled.program, server)
    return compiled.program, seconds


def lay_out(folder: Path, net: Net, program: Program, server: NetServer) -> None:
    """Give the engines a network: the files of ``folder``, and its inputs."""
    (folder / "in").mkdir()
    files = [path for path in folder.rglob("*.*") if path.is_file()]
    server.files = {f"net/{p.relative_to(folder).as_posix()}": p.read_bytes() for p in files}
    stored = stored_inputs(program, net.inputs)
    for k, (array, (_, data)) in enumerate(zip(net.inputs.values(), stored, strict=True)):
        np.save(folder / "in" / f"{k}.npy", array)
        server.files[f"in/{k}.bin"] = array.tobytes()
        server.files[f"in/{k}.stored"] = data


@contextmanager
def trying(contender: Contender) -> Iterator[None]:
    """Note why an engine gave up."""
    start = time.perf_counter()
    try:
        yield
    except Unavailable as error:
        contender.reason = str(error)
        print(f"{contender.engine.name}: skipped: {error}", flush=True)
    contender.spent_s += time.perf_counter() - start


def measure(contenders: Sequence[Contender], given: argparse.Namespace) -> None:
    """Open, check and run the engines of a network, in turn.

    An engine that has spent its budget sits the rest out, after one turn.
    """
    outputs: dict[str, list[Array]] = {}
    for _ in range(given.opens):
        for one in contenders:
            slow = bool(one.opened) and one.opened[0].first_ms > 1000 * REOPENED * given.budget
            if one.reason is None and not slow:
                with trying(one):
                    one.opened.append(one.engine.open())
    for one in contenders:
        if one.reason is None and one.compared:
            with trying(one):
                outputs[one.engine.name] = one.engine.outputs()
        one.spent_s = 0.0
    for one in contenders:
        if one.engine.name in outputs:
            one.error = largest_error(outputs[one.engine.name], reference(outputs))
    for _ in range(given.rounds):
        for one in contenders:
            over = bool(one.runs_ms) and one.spent_s > given.budget
            if one.reason is None and not over:
                with trying(one):
                    one.runs_ms += one.engine.turn(given.turn)


def reference(outputs: dict[str, list[Array]]) -> list[Array]:
    """What the others are compared with."""
    return next(outputs[n] for n in (REFERENCE, "web-wasm", *outputs) if n in outputs)


def largest_error(found: Sequence[Array], wanted: Sequence[Array]) -> float:
    """Of all outputs the largest difference, relative to the largest value of that output."""
    errors = [0.0]
    for a, b in zip(found, wanted, strict=True):
        scale = float(np.abs(b.astype(np.float64)).max(initial=0.0))
        apart = np.abs(a.astype(np.float64).ravel() - b.astype(np.float64).ravel())
        errors.append(float(apart.max(initial=0.0)) / (scale or 1.0))
    return math.nan if any(map(math.isnan, errors)) else max(errors)


def add_turns(parser: argparse.ArgumentParser) -> None:
    """Arguments of the benches that take turns with rivals."""
    parser.add_argument(
        "--rivals",
        type=names_of(RIVALS, USUAL),
        default=list(USUAL),
        metavar="LIST",
        help="usual, all, none, names",
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns an engine (default: 5)")
    parser.add_argument("--opens", type=int, default=2, help="first runs an engine (default: 2)")
    parser.add_argument(
        "--turn", type=float, default=0.3, metavar="S", help="seconds a turn (default: 0.3)"
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds an engine and model, first runs aside; a slow one runs once (default: 30)",
    )
    parser.add_argument(
        "--limit", type=float, default=600.0, metavar="S", help="seconds a call (default: 600)"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of wasm (default: 2)")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_browser(parser)
    parser.add_argument(
        "--models",
        type=lambda text: text.split(","),
        default=[],
        metavar="LIST",
        help="names or parts of them, or .onnx files; default: all of ../shared/models",
    )
    parser.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="NAME=SIZES",
        help="of an input whose sizes the models leave open, such as image=1x3x360x640",
    )
    add_turns(parser)
    parser.add_argument(
        "--tune",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds that Vitrine may measure kernels in the page, part of the first run "
        "(default: 0, its built-in table)",
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables of the docs there"
    )
    return parser.parse_args()


def main() -> None:
    """Measure every network."""
    given = arguments()
    nets = find_nets(given.models, dict(map(parse_shape_option, given.shape)))
    kit = Kit(given.rivals, given.gpu, given.chromium)
    results: dict[str, Any] = {}
    server = NetServer(kit.folders, PAGES)
    with chromium(given.gpu, given.chromium) as browser, serving_nets(server):
        print(f"Chromium {browser.version}; native driver: {kit.icd or 'the system’s'}", flush=True)
        for net in nets:
            results[net.name] = bench_net(net, kit, server, browser, given)
    overview(results, kit.names)
    for line in short_of_goals(results):
        print(line)
    if given.markdown:
        given.markdown.write_text(markdown(results))
    write_json(given.json, {"bench": "onnx", "missing": kit.missing, "models": results})
    faults = [
        f"{name} on {engine} ({item['skipped']})"
        for name, found in results.items()
        for engine, item in found["engines"].items()
        if engine in OURS and "skipped" in item
    ]
    if faults:
        raise DeviceError(f"Vitrine failed: {', '.join(faults)}")


def bench_net(
    net: Net, kit: Kit, server: NetServer, browser: Browser, given: argparse.Namespace
) -> dict[str, Any]:
    """Measure one network on every engine."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as temporary:
        folder = Path(temporary)
        program, seconds = build(net, folder, server)
        made = kit.engines(net, program, folder, server, browser, given)
        contenders = [Contender(engine) for engine in made]
        try:
            measure(contenders, given)
        finally:
            for one in contenders:
                one.engine.close()
        engines = {one.engine.name: one.told() for one in contenders}
        found = {"family": net.family, "build_s": seconds, "engines": engines}
        report(net.name, [a.shape for a in net.inputs.values()], found)
        return found


if __name__ == "__main__":
    run(main)
