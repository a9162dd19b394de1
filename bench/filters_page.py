"""Frames with a filter in the real Chromium, beside onnxruntime-web in the same page.

Both draw the same splats at the size that the network reads, on one GPUDevice. Ours is the built
site with its filter. The rival is the site without one, drawn to a texture: a pass fills
onnxruntime-web's input from it, its WebGPU provider runs with input and output in GPU buffers that
it was given, and a pass shows the output. A frame is timed from the new camera, Python included,
to the end of the GPU's work on it; frames are interleaved. "no filter" is the splats alone, and
"filter" what a frame takes beyond them.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import PAGES, PackageMissing, add_browser, chromium, within
from bench.chromium import page as new_page
from bench.command import bench_parser, names_of, run, write_json
from bench.filters_report import OURS, PLAIN, report
from bench.frame import json_orbit, psnr_db
from bench.measured import ROOT, BenchScene, add_scenes, scenes
from bench.net_engines import ort_web
from bench.net_server import NetServer, serving_nets
from bench.nets import with_shapes
from bench.tables import summary
from pybuild.filters.describe import describe_filter
from pybuild.filters.given import GivenFilter, parse_filter
from pybuild.site import build_site
from pyengine.bundle import Pose
from pyengine.contract import Feed, FilterContract, ImageFormat
from pyengine.errors import DeviceError, InputError
from pyengine.filter_spec import FilterSpec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

USUAL = ("web-webgpu", "web-webgpu-nchw")
RIVALS = (*USUAL, "web-webgpu-captured", "web-webgpu-nchw-captured")
UPSCALER = ROOT / "assets/filters/upscaler.onnx"
CANDY = (
    Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared")) / "models/candy_256_op17.onnx"
)
DEFAULT = {UPSCALER: "@size=640x360", CANDY: "@range=0..255,name=candy"}
MOST_DB = 100.0
"""Of pictures that are the same."""
SLOW_MS = 5000
"""A frame that takes longer is told as it comes."""
OPEN_MS = 20_000
"""For the modules of a page."""
EPILOG = """
examples:
  bench/filters_page.py                     candy at 256x256 and the upscaler 640x360 -> 1280x720
  bench/filters_page.py scene.spz --filter "candy.onnx@range=0..255" --frames 2
  bench/filters_page.py --rivals none --json /tmp/filters.json

rivals:
  web-webgpu          npm's onnxruntime-web, kept in .cache: its WebGPU provider with its defaults
  ...-nchw            with preferredLayout NCHW: usual too, for it is often the faster one
  ...-captured        with enableGraphCapture
Goals are measured at the fastest of them. The canvas has the size of the filter's image;
of a filter with open sizes, @size=WxH is what its network reads. "own" counts the dispatches and
draws that a frame has beyond the splats' own. "agrees" is the PSNR of the rival's picture against
ours of the same camera. An engine that has spent its --budget sits the other frames out.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A filter as the page is told of it, and the model for the rival."""

    setup: dict[str, Any]
    model: bytes
    rivals: tuple[str, ...] = ()


@dataclass
class Engine:
    """What was measured of one engine."""

    name: str
    frames: list[dict[str, Any]] = field(default_factory=list)
    spent_s: float = 0.0

    def told(self) -> dict[str, Any]:
        """All of it, for JSON."""
        last = self.frames[-1]
        ms = summary(frame["ms"] for frame in self.frames)
        return {"ms": ms, "dispatches": last["dispatches"], "draws": last["draws"]}


def case_of(text: str, spec: FilterSpec, rivals: Sequence[str]) -> Case:
    """A filter of a command line, at the largest size that the site has of it.

    Raises
    ------
    InputError
        A filter that the rival is not fed here: of several networks, or of other tensors than one
        image of RGB planes to another.
    """
    rung = spec.rungs[0]
    setup: dict[str, Any] = {"filter": spec.name, "render": rung.render, "output": rung.output}
    stages = parse_filter(text)
    if not rivals:
        return Case(setup, b"")
    given, contract = stages[0], describe_filter(stages[0].path, stages[0].override)
    source, product = contract.source, contract.product
    if len(stages) > 1 or not is_plain(contract) or given.tiles is not None:
        raise InputError(
            f"--filter {text!r}: the rival is fed one network from an image of RGB planes as "
            "floats to another; --rivals none measures this one alone"
        )
    setup["input"] = told(source.name, source.image)
    setup["made"] = told(product.name, contract.image)
    return Case(setup, model_of(given, source, rung.render), tuple(rivals))


def is_plain(contract: FilterContract) -> bool:
    """Whether it is one image of RGB planes, perhaps with coverage, to another, in floats."""
    source = contract.source
    formats = (source.image, contract.image)
    plain = all(
        f is not None and f.layout == "nchw" and f.channels in known
        for f, known in zip(formats, (("rgb", "rgbc"), ("rgb",)), strict=True)
    )
    return (
        plain and len(contract.inputs) == 1 and source.dtype == contract.product.dtype == "float32"
    )


def told(name: str, image: ImageFormat | None) -> dict[str, Any]:
    """A tensor's name and how it stands for pixels of 0 to 1."""
    assert image is not None
    numbers = {"scale": _three(image.scale), "offset": _three(image.offset)}
    return {"name": name, "channels": len(image.channels), **numbers}


def _three(values: Sequence[float]) -> list[float]:
    return list(values) * 3 if len(values) == 1 else list(values[:3])


def model_of(given: GivenFilter, source: Feed, size: tuple[int, int]) -> bytes:
    """The model with the image's size written into it."""
    assert source.image is not None
    channels = len(source.image.channels)
    return with_shapes(given.path.read_bytes(), {source.name: (1, channels, size[1], size[0])})


def picture_of(address: str) -> np.ndarray:
    """(height, width, 3) uint8 of a PNG's data address."""
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


class Filtered:
    """A page with the engines of a case.

    Attributes
    ----------
    adapter : str
    version : str or None
        Of onnxruntime-web.
    pictures : dict of str to (height, width, 3) uint8
        Of the first view, by the engine's name.
    names : list of str
        Of the engines that run.
    """

    def __init__(self, browser: Browser, url: str, limit_s: float) -> None:
        self.limit_ms = int(1000 * limit_s)
        self.adapter, self.version = "", None
        self.pictures: dict[str, np.ndarray] = {}
        self.names: list[str] = []
        self.page: Page = new_page(browser)
        self.page.set_default_timeout(0)  # `within` tells what did not end
        self.page.goto(f"{url}filters/filters.html")
        self.page.wait_for_function("globalThis.bench", timeout=OPEN_MS)

    def open(self, case: Case, view: dict[str, Any]) -> None:
        """Load all engines and draw a view with each; a rival that fails is named with the reason.

        Raises
        ------
        DeviceError
            Ours failed.
        """
        self.adapter = self.ask("open", case.setup)
        self._look(OURS, view)
        for name in case.rivals:
            try:
                start = time.perf_counter()
                self.version = self.ask("join", name)
                self._look(name, view)
                seconds = time.perf_counter() - start
                print(f"  {name}: opened, first frame in {seconds:.1f} s", flush=True)
            except DeviceError as error:
                print(f"{name}: skipped: {error}", flush=True)
        self._look(PLAIN, view)

    def _look(self, name: str, view: dict[str, Any]) -> None:
        address = self.ask("look", {"engine": name, "view": view})
        if address:
            self.pictures[name] = picture_of(address)
        self.names.append(name)

    def ask(self, name: str, argument: Any = None) -> Any:
        """Call the page's `bench`; raises `DeviceError` with what went wrong."""
        try:
            self.page.bring_to_front()
            return self.page.evaluate(within(f"bench.{name}(view)", self.limit_ms), argument)
        except Exception as error:  # a rival may fail in any way
            line = str(error).strip().splitlines()[0].removeprefix("Page.evaluate: ")
            raise DeviceError(line) from None

    def check(self) -> None:
        """Raise `DeviceError` where our filter rested in a frame."""
        counts = self.ask("ran")
        if counts["ran"] != counts["drawn"] or counts["rested"]:
            raise DeviceError(f"the filter ran in {counts['ran']} of {counts['drawn']} frames")

    def close(self) -> None:
        """Close the page and its profile."""
        self.page.context.close()


def measure(page: Filtered, views: Sequence[dict[str, Any]], budget_s: float) -> list[Engine]:
    """Draw the views on each engine in turn; one that has spent its budget sits the rest out.

    A rival that fails is left out, with a line that says why.
    """
    engines = {name: Engine(name) for name in page.names}
    for view in views:
        for one in list(engines.values()):
            if one.frames and one.spent_s > budget_s:
                continue
            try:
                frame = page.ask("frame", {"engine": one.name, "view": view})
            except DeviceError as error:
                if one.name in (OURS, PLAIN):
                    raise
                print(f"{one.name}: skipped: {error}", flush=True)
                del engines[one.name]
                continue
            one.frames.append(frame)
            one.spent_s += frame["ms"] / 1000
            if frame["ms"] > SLOW_MS:
                print(f"  {one.name}: a frame in {frame['ms'] / 1000:.1f} s", flush=True)
    return list(engines.values())


def bench_case(browser: Browser, url: str, case: Case, pose: Pose, given: Any) -> dict[str, Any]:
    """Measure one filter on one scene."""
    sizes = {key: case.setup[key] for key in ("render", "output")}
    first, *others = json_orbit(pose, given.frames + 1, sizes["output"])
    page = Filtered(browser, url, given.limit)
    try:
        page.open(case, first)
        found = {one.name: one.told() for one in measure(page, others, given.budget)}
        page.check()
    finally:
        page.close()
    for name, picture in page.pictures.items():
        if name != OURS and name in found:
            found[name]["agrees_db"] = min(psnr_db(picture, page.pictures[OURS]), MOST_DB)
        if given.shots:
            given.shots.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(given.shots / f"{case.setup['filter']}-{name}.png")
    return {"adapter": page.adapter, "version": page.version, **sizes, "engines": found}


def bench_scene(
    scene: BenchScene, filters: Sequence[str], dist: Path | None, given: argparse.Namespace
) -> dict[str, Any]:
    """Measure every filter on one scene."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as temporary:
        folder = Path(temporary)
        site = build_site(scene.path, folder, replace(scene.options, filters=tuple(filters)))
        server = NetServer({"site": folder, **({"ort": dist} if dist else {})}, PAGES)
        with chromium(given.gpu, given.chromium) as browser, serving_nets(server):
            for text, spec in zip(filters, site.scene.filters, strict=True):
                case = case_of(text, spec, given.rivals if dist else [])
                server.files = {"net/model.onnx": case.model}
                found = bench_case(browser, server.url, case, site.scene.pose, given)
                results[spec.name] = found
                sizes = ["{}x{}".format(*found[key]) for key in ("render", "output")]
                version = f", onnxruntime-web {found['version']}" if found["version"] else ""
                title = f"{scene.name}, {spec.name} {sizes[0]} -> {sizes[1]}: ms a frame; "
                title += f"Chromium {browser.version}, {found['adapter']}{version}"
                report(title, found, given.gpu)
    return results


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    add_browser(parser)
    parser.add_argument("--filter", action="append", help="as in vitrine build; once for each")
    parser.add_argument("--frames", type=int, default=8, help="frames an engine (default: 8)")
    parser.add_argument(
        "--rivals",
        type=names_of(RIVALS, USUAL),
        default=list(USUAL),
        metavar="LIST",
        help="usual, all, none, names",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=60.0,
        metavar="S",
        help="seconds an engine, scene and filter (default: 60)",
    )
    parser.add_argument(
        "--limit", type=float, default=600.0, metavar="S", help="seconds a call (default: 600)"
    )
    parser.add_argument("--shots", type=Path, metavar="DIR", help="keep a PNG of each engine")
    return parser.parse_args()


def main() -> None:
    """Measure every scene."""
    given = arguments()
    found = scenes(given.scenes, given.sample_count)
    usual = [f"{path}{options}" for path, options in DEFAULT.items() if path.is_file()]
    dist = None
    if given.rivals:
        try:
            dist = ort_web()
        except PackageMissing as error:
            print(f"onnxruntime-web: skipped: {error}", flush=True)
    results = {s.name: bench_scene(s, given.filter or usual, dist, given) for s in found}
    write_json(given.json, {"bench": "filters_page", "scenes": results})


if __name__ == "__main__":
    run(main)
