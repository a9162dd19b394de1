"""Generators at the literature's sizes: the network alone, and the whole frame, beside onnxruntime.

Each model is Vitrine's program (rows of position, opacity, covariance and colour, ready to be
drawn) and onnxruntime's session (the network's own outputs), on the same adapter in the same run;
a run uploads the inputs and ends when an element of an output is back. Several avatars are one
program of ours, and one graph with an axis of avatars for onnxruntime. A frame is timed in the
real page: from a new pose, time or camera to the end of the GPU's work. Rounds are interleaved.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import PAGES, SIZE, add_browser, chromium
from bench.command import bench_parser, run, write_json
from bench.generator_cases import (
    CASES,
    LARGE,
    Case,
    Kind,
    case_of,
    gaussians,
    messages,
    stand_in,
    turned_away,
)
from bench.generator_engines import SiteEngine, Spent, Under, commands, file_bytes, kernels
from bench.generator_report import overview, report
from bench.net_engines import Engine, PageEngine, ProcessEngine
from bench.net_server import NetServer, serving_nets
from bench.nets import Array, Net
from bench.onnx import Contender, Kit, add_turns, lay_out, measure
from pybuild.generators.bundle import Made
from pybuild.generators.compile import compile_generator
from pybuild.networks import Network
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.programs import write_program
from pybuild.server import serving
from pybuild.site import build_site
from pyengine.bundle import Pose
from pyengine.camera_inputs import CAMERA_ROLES, camera_values
from pyengine.errors import InputError
from pyengine.generator import GENERATE
from pyengine.hosts.native import NativeHost, open_adapter
from pyengine.program import Program
from pyengine.scene_plan import scene_plan
from pyengine.view import WORLD_UP, View

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ALL, SEEN, THIRD = "vitrine", "vitrine, all in sight", "vitrine, a third in sight"
NATIVE = "vitrine-native"
FRAME, FRAME_THIRD = "frame", "frame, a third in sight"
EPILOG = """
examples:
  bench/generators.py                              4D, Scaffold, avatars, beside the usual rivals
  bench/generators.py --large --cases scaffold     Scaffold-GS with 2.5 million Gaussians too
  bench/generators.py --cases avatar --rivals none --shrink 10
  bench/generators.py --budget 60 --json /tmp/generators.json

"CPU" is the processor time of a run, all cores: on a software adapter it is the work itself, and
the load of the machine, which stretches long runs more than short ones, is not in it. "vitrine"
computes every row, as onnxruntime does; "in sight" tests first which anchors the camera can see,
and decodes those. "error" is of centres and covariances, as in bench/onnx.py, which also tells of
the rivals. The papers' figures are of other scenes, whole frames and other hardware.
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """A program of ours, with what it is given."""

    name: str
    program: Program
    files: dict[str, bytes]
    inputs: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Built:
    """A case's site and its programs, the one that computes every row first."""

    folder: Path
    pose: Pose
    third: Pose | None
    variants: list[Variant]
    facts: dict[str, Any]


def build(case: Case, folder: Path, adapter: Any) -> Built:
    """Build the site of a case, and the programs to be run alone."""
    model = folder / "model.onnx"
    model.write_bytes(case.model.SerializeToString())
    copies = case.kind.instances
    options = GeneratorOptions(instances=str(copies) if copies > 1 else None)
    site = build_site(model, folder / "site", BuildOptions(generator=options))
    made = site.generator
    assert made is not None
    assert made.scene.generator is not None
    network = made.network
    variants, third = programs(case, made)
    offered = NativeHost.describe(adapter)
    plan = scene_plan(made.scene, offered, network.program, network.shaders)
    facts = {
        "gaussians": case.kind.rows * copies,
        "program_bytes": file_bytes(folder / "site" / "scene" / made.scene.generator.program),
        "model_bytes": model.stat().st_size,
        "gpu_bytes": sum(buffer.size_bytes for buffer in plan.buffers),
        "largest_buffer_bytes": max(buffer.size_bytes for buffer in plan.buffers),
        "dispatches": commands(plan, GENERATE),
    }
    return Built(folder, made.scene.pose, third, variants, facts)


def programs(case: Case, made: Made) -> tuple[list[Variant], Pose | None]:
    """The programs of a case, and the camera that sees a part of it, if that makes a difference."""
    spec, network, pose = made.scene.generator, made.network, made.scene.pose
    assert spec is not None
    if all(feed.name in case.inputs for feed in spec.feeds):
        return [_variant(ALL, network, case.inputs)], None
    every = compile_generator(case.model, made.contract, visible_first=False).compiled
    variants = [_variant(ALL, Network(every.program, every.files), case.inputs)]
    third = turned_away(pose, case.anchors)
    for name, seen_from in ((SEEN, pose), (THIRD, third)):
        view = _view(seen_from)
        inputs = {
            feed.name: np.array(camera_values(feed.role, view), np.float32).reshape(feed.shape)
            for feed in spec.feeds
            if feed.role in CAMERA_ROLES
        }
        variants.append(_variant(name, network, inputs))
    return variants, third


def _view(pose: Pose) -> View:
    return View.look_at(pose.eye, pose.target, WORLD_UP, pose.fov_deg, *SIZE)


def _variant(name: str, network: Network, inputs: dict[str, Array]) -> Variant:
    program = network.program
    return Variant(
        name, program, dict(network.files), {t.name: inputs[t.name] for t in program.inputs}
    )


def of_packed(program: Program, outputs: Sequence[Array]) -> list[Array]:
    """Centres and covariances of a program's outputs."""
    names = [tensor.name for tensor in program.outputs]
    packed = outputs[names.index("gaussian.packed")].reshape(-1, 10)
    return [packed[:, :3], packed[:, 4:]]


class Turns:
    """The engines of one case, each with what it is served; `close` ends them."""

    def __init__(
        self, case: Case, built: Built, kit: Kit, browser: Browser, given: argparse.Namespace
    ) -> None:
        self.case, self.built, self.kit, self.given = case, built, kit, given
        self.browser = browser
        self.servers: list[NetServer] = []
        self.contenders: list[Contender] = []

    def served(self, name: str, model: bytes, inputs: dict[str, Array], program: Program) -> Net:
        """Lay a network out in a folder of its name, on a server of its own."""
        server = NetServer(self.kit.folders, PAGES)
        net = Net(self.case.name, "generator", model, inputs)
        lay_out(self.built.folder / name, net, program, server)
        self.servers.append(server)
        return net

    def ours(self) -> None:
        """Vitrine's programs: in the page, and the first of them natively."""
        for k, variant in enumerate(self.built.variants):
            folder = self.built.folder / f"ours-{k}"
            write_program(folder / "program", variant.program, variant.files)
            net = self.served(folder.name, b"", variant.inputs, variant.program)
            page = self._page("vitrine", net, variant.program)
            self._add(variant.name, page, partial(of_packed, variant.program), k == 0)
            if k == 0:
                python = Path(sys.executable)
                native = ProcessEngine(
                    NATIVE, "vitrine", python, folder, self.kit.icd, self.given.limit
                )
                self._add(NATIVE, native, partial(of_packed, variant.program), True)

    def rivals(self) -> None:
        """onnxruntime's, of those that were asked for and can be had."""
        program, model = stand_in(self.case.rival), self.case.rival
        folder = self.built.folder / "rival"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        net = self.served(folder.name, b"", self.case.inputs, program)
        read = partial(gaussians, model)
        for name in self.given.rivals:
            if name in self.kit.missing:
                continue
            if name.startswith("web-"):
                self._add(name, self._page(name, net, program), read, True)
            elif self.kit.python is not None:
                kind = name.removeprefix("native-")
                engine = ProcessEngine(
                    name, kind, self.kit.python, folder, self.kit.icd, self.given.limit
                )
                self._add(name, engine, read, True)

    def frames(self, url: str) -> None:
        """The site's frames."""
        poses = {FRAME: self.built.pose}
        if self.built.third is not None:
            poses[FRAME_THIRD] = self.built.third
        for name, pose in poses.items():
            told = messages(self.case.kind, pose)
            engine = SiteEngine(name, self.browser, url, told, self.given.limit)
            self.contenders.append(Contender(engine, compared=False))

    def _page(self, name: str, net: Net, program: Program) -> PageEngine:
        given = self.given
        return PageEngine(
            name, self.browser, self.servers[-1], net, program, given.threads, 0.0, given.limit
        )

    def _add(self, name: str, engine: Engine, read: Any, compared: bool) -> None:
        self.contenders.append(Contender(Under(name, engine, read), compared))


def bench_case(
    case: Case, kit: Kit, browser: Browser, adapter: Any, given: argparse.Namespace
) -> dict[str, Any]:
    """Measure one generator on every engine."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as temporary:
        built = build(case, Path(temporary), adapter)
        turns = Turns(case, built, kit, browser, given)
        turns.ours()
        turns.rivals()
        with serving(built.folder / "site") as url, ExitStack() as stack:
            turns.frames(url)
            for server in turns.servers:
                stack.enter_context(serving_nets(server))
            try:
                measure(turns.contenders, given)
            finally:
                for one in turns.contenders:
                    one.engine.close()
        alone = {
            v.name: asdict(kernels(v.program, v.files, v.inputs, adapter)) for v in built.variants
        }
        frames = {
            one.engine.name: one.engine.passes()
            for one in turns.contenders
            if isinstance(one.engine, SiteEngine)
        }
        found = {
            "family": "generator",
            "published": case.kind.published,
            "engines": {one.engine.name: _told(one) for one in turns.contenders},
            "frames": frames,
            "kernels": alone,
            **built.facts,
        }
        report(case.name, found)
        return found


def _told(one: Contender) -> dict[str, Any]:
    told = one.told()
    if isinstance(one.engine, Spent) and "ms" in told and math.isfinite(one.engine.cpu_ms):
        told["cpu_ms"] = one.engine.cpu_ms
    return told


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_browser(parser)
    parser.add_argument(
        "--cases",
        type=lambda text: text.split(","),
        default=[],
        metavar="LIST",
        help=f"names or parts of them, of {', '.join([*CASES, *LARGE])}",
    )
    parser.add_argument(
        "--large",
        action="store_true",
        help="also what takes a rival minutes a run in software, and gigabytes of memory",
    )
    parser.add_argument(
        "--shrink", type=int, default=1, metavar="N", help="divide every size by that (default: 1)"
    )
    add_turns(parser)
    return parser.parse_args()


def chosen(wanted: Sequence[str], large: bool) -> dict[str, Kind]:
    """Cases by parts of their names.

    Raises
    ------
    InputError
        There is none of that name.
    """
    known = CASES | LARGE if large else CASES
    if not wanted:
        return known
    for item in wanted:
        if not any(item in name for name in known):
            more = "; --large has more" * (not large)
            raise InputError(f"--cases {item}: none of {', '.join(known)}{more}")
    return {name: kind for name, kind in known.items() if any(item in name for item in wanted)}


def main() -> None:
    """Measure every case."""
    given = arguments()
    kinds = chosen(given.cases, given.large)
    if given.shrink < 1:
        raise InputError(f"--shrink {given.shrink}: must be 1 or more")
    kit = Kit(given.rivals, given.gpu, given.chromium)
    if kit.icd is not None:  # so that this process has the pages' adapter too
        os.environ["VK_ICD_FILENAMES"] = str(kit.icd)
    adapter = open_adapter()
    results: dict[str, Any] = {}
    with chromium(given.gpu, given.chromium) as browser:
        print(f"Chromium {browser.version}; native: {adapter.info['device']}", flush=True)
        for name, kind in kinds.items():
            case = case_of(name, kind, given.shrink)
            results[name] = bench_case(case, kit, browser, adapter, given)
    overview(results)
    write_json(given.json, {"bench": "generators", "missing": kit.missing, "cases": results})


if __name__ == "__main__":
    run(main)
