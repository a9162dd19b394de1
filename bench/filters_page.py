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
from bench.frame import json_orbit, psnr_db
from bench.net_engines import ort_web
from bench.net_server import NetServer, serving_nets
from bench.nets import with_shapes
from bench.tables import (
    ROOT,
    BenchScene,
    add_common,
    cell,
    extremes,
    names_of,
    print_table,
    ratio,
    run,
    scenes,
    summary,
    write_json,
)
from pybuild.filters.describe import describe_filter
from pybuild.filters.given import GivenFilter, parse_filter
from pybuild.site import build_site
from pyengine.bundle import Pose
from pyengine.contract import Feed, FilterContract, ImageFormat
from pyengine.errors import DeviceError, InputError
from pyengine.filter_spec import FilterSpec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OURS, PLAIN = "vitrine", "no filter"
USUAL = ("web-webgpu", "web-webgpu-nchw")
RIVALS = (*USUAL, "web-webgpu-captured", "web-webgpu-nchw-captured")
UPSCALER = ROOT / "assets/filters/upscaler.onnx"
CANDY = (
    Path(os.environ.get("VITRINE_SHARED", ROOT.parent / "shared")) / "models/candy_256_op17.onnx"
)
DEFAULT = {UPSCALER: "@size=640x360", CANDY: "@range=0..255,name=candy"}
GOALS = {False: 5.0, True: 2.0}
"""How many times faster than the rival, in software and on a GPU."""
COMMANDS_GOAL = 3
MOST_DB = 100.0
"""Of pictures that are the same."""
AGREES_DB = 35.0
"""The rival reads 8-bit pixels, as a canvas has them, and sums in another order."""
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
    setup["rivals"] = list(rivals)
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
    return Case(setup, model_of(given, source, rung.render))


def is_plain(contract: FilterContract) -> bool:
    """Whether it is one image of RGB planes to another, in floats."""
    source = contract.source
    formats = (source.image, contract.image)
    plain = all(f is not None and (f.layout, f.channels) == ("nchw", "rgb") for f in formats)
    return (
        plain and len(contract.inputs) == 1 and source.dtype == contract.product.dtype == "float32"
    )


def told(name: str, image: ImageFormat | None) -> dict[str, Any]:
    """A tensor's name and how it stands for pixels of 0 to 1."""
    assert image is not None
    return {"name": name, "scale": _three(image.scale), "offset": _three(image.offset)}


def _three(values: Sequence[float]) -> list[float]:
    return list(values) * 3 if len(values) == 1 else list(values)


def model_of(given: GivenFilter, source: Feed, size: tuple[int, int]) -> bytes:
    """The model with the image's size written into it."""
    return with_shapes(given.path.read_bytes(), {source.name: (1, 3, size[1], size[0])})


def picture_of(address: str) -> np.ndarray:
    """(height, width, 3) uint8 of a PNG's data address."""
    data = base64.b64decode(address.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


class Filtered:
    """A page with the engines of a case."""

    def __init__(self, browser: Browser, url: str, case: Case, limit_s: float) -> None:
        self.limit_ms = int(1000 * limit_s)
        self.page: Page = new_page(browser)
        self.page.set_default_timeout(0)  # `within` tells what did not end
        faults: list[str] = []
        self.page.on("pageerror", lambda error: faults.append(str(error)))
        self.page.goto(f"{url}filters/filters.html")
        try:
            self.page.wait_for_function("globalThis.bench", timeout=OPEN_MS)
            self.info: dict[str, Any] = self.ask("open", case.setup)
        except Exception as error:
            lines = str(error).strip().splitlines()
            raise DeviceError([*faults, *lines][0]) from None

    def ask(self, name: str, argument: Any = None) -> Any:
        """Call the page's `bench`."""
        self.page.bring_to_front()
        return self.page.evaluate(within(f"bench.{name}(view)", self.limit_ms), argument)

    def check(self) -> None:
        """Raise `DeviceError` where our filter rested in a frame."""
        counts = self.ask("ran")
        if counts["ran"] != counts["drawn"] or counts["rested"]:
            raise DeviceError(f"the filter ran in {counts['ran']} of {counts['drawn']} frames")

    def close(self) -> None:
        """Close the page and its profile."""
        self.page.context.close()


def measure(
    page: Filtered, names: Sequence[str], views: Sequence[dict[str, Any]], budget_s: float
) -> list[Engine]:
    """Draw the views on each engine in turn; one that has spent its budget sits the rest out."""
    engines = [Engine(name) for name in names]
    for view in views:
        for one in engines:
            if one.frames and one.spent_s > budget_s:
                continue
            frame = page.ask("frame", {"engine": one.name, "view": view})
            one.frames.append(frame)
            one.spent_s += frame["ms"] / 1000
            if frame["ms"] > SLOW_MS:
                print(f"  {one.name}: a frame in {frame['ms'] / 1000:.1f} s", flush=True)
    return engines


def report(title: str, found: dict[str, Any], gpu: bool) -> None:
    """Print the table of a case, and how far it is from the goals."""
    engines = found["engines"]
    ours, plain = engines[OURS], engines[PLAIN]
    rows = []
    for name, item in engines.items():
        agrees = f"{item['agrees_db']:.1f} dB" if "agrees_db" in item else "-"
        filtering = item["ms"]["min"] - plain["ms"]["min"]
        rows.append(
            [
                name,
                str(item["ms"]["n"]),
                *extremes(item["ms"]),
                ratio(item["ms"]["min"], ours["ms"]["min"]),
                "-" if name == PLAIN else cell(filtering),
                str(item["dispatches"]),
                str(item["draws"]),
                "-" if name == PLAIN else str(own(item, plain)),
                agrees,
            ]
        )
    header = ["", "n", "min", "median", "/ours", "filter", "dispatches", "draws", "own", "agrees"]
    print_table(title, header, rows)
    for line in goals(engines, gpu):
        print(f"  {line}")


def own(item: dict[str, Any], plain: dict[str, Any]) -> int:
    """Dispatches and draws of a frame beyond those of the splats."""
    count: int = item["dispatches"] + item["draws"] - plain["dispatches"] - plain["draws"]
    return count


def goals(engines: dict[str, Any], gpu: bool) -> list[str]:
    """How the fastest rival stands to the goals; nothing without one.

    A rival whose picture is another one is named, for it is no fair comparison.
    """
    ours, plain = engines[OURS], engines[PLAIN]
    rivals = {name: item for name, item in engines.items() if "agrees_db" in item}
    if not rivals:
        return []
    name = min(rivals, key=lambda key: rivals[key]["ms"]["min"])
    times = rivals[name]["ms"]["min"] / ours["ms"]["min"]
    fewer, more = own(ours, plain), own(rivals[name], plain)
    few = COMMANDS_GOAL * fewer <= more
    told = [
        f"goal {GOALS[gpu]:.0f}x of {name}: {times:.2f}x, {_met(times >= GOALS[gpu])}",
        f"goal 1/{COMMANDS_GOAL} of its commands: {fewer} of {more}, {_met(few)}",
    ]
    for key, item in rivals.items():
        if item["agrees_db"] < AGREES_DB:
            told.append(f"{key}: another picture ({item['agrees_db']:.1f} dB): no fair comparison")
    return told


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


def bench_case(browser: Browser, url: str, case: Case, pose: Pose, given: Any) -> dict[str, Any]:
    """Measure one filter on one scene."""
    names = [OURS, *case.setup["rivals"], PLAIN]
    page = Filtered(browser, url, case, given.limit)
    try:
        views = json_orbit(pose, given.frames + 1, case.setup["output"])
        first, *others = views
        seen = {name: page.ask("look", {"engine": name, "view": first}) for name in names}
        engines = measure(page, names, others, given.budget)
        page.check()
    finally:
        page.close()
    pictures = {name: picture_of(address) for name, address in seen.items() if address}
    if given.shots:
        given.shots.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            Image.fromarray(picture).save(given.shots / f"{case.setup['filter']}-{name}.png")
    found = {one.name: one.told() for one in engines}
    for name in case.setup["rivals"]:
        agrees_db = psnr_db(pictures[name], pictures[OURS])
        found[name]["agrees_db"] = min(agrees_db, MOST_DB)
    sizes = {key: case.setup[key] for key in ("render", "output")}
    return {**page.info, **sizes, "engines": found}


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
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
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
