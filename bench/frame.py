"""Milliseconds a frame in the real Chromium, beside other engines that draw the same file.

A frame is timed from the change of the camera to the end of the GPU's work on it: the wait for the
next animation frame is inside (up to 17 ms), for every engine alike. "settled" goes on until
nothing is left to do: Vitrine's `settled` message (one more animation frame); for engines that
sort in a worker, the frame that has the new order too. Rounds are interleaved (A B C A B C ...),
so that a noisy neighbour hits all of them; compare the minima.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import (
    PAGES,
    SIZE,
    PackageMissing,
    add_browser,
    chromium,
    npm_package,
    page_script,
    within,
)
from bench.chromium import page as new_page
from bench.command import bench_parser, names_of, run, write_json
from bench.measured import BenchScene, add_scenes, orbit, scenes
from bench.tables import extremes, print_table, ratio, summary
from pybuild.server import serving
from pybuild.site import build_site
from pyengine.bundle import Pose

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OURS = "vitrine"
OPEN_MS = 20_000
"""For the modules of a page."""
FRAME = within("bench.frame(view)")
EPILOG = """
examples:
  bench/frame.py                          the sample and the guitar, against all rivals
  bench/frame.py scene.ply --rivals none  Vitrine alone, pass by pass
  bench/frame.py --rounds 10 --shots /tmp/shots --json /tmp/frame.json

rivals:
  playcanvas-webgpu, playcanvas-webgl2    npm's playcanvas with its defaults: splats under 2 px or
                                          of little contribution are dropped, SH is evaluated anew
                                          only after the camera turned by 10 degrees; splats
                                          grow by 0.075 px² (Vitrine: 0.3, as they were trained)
  ...-all                                 the same with all three switched off, as Vitrine draws
  spark                                   npm's @sparkjsdev/spark on three.js (WebGL2), defaults
"agrees" is the PSNR of the rival's picture against Vitrine's of the same camera.
"""


@dataclass
class Engine:
    """A page that draws the scene, and what was measured of it."""

    name: str
    page: Page
    info: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    agrees_db: float | None = None
    spent_s: float = 0.0

    def values(self, key: str) -> list[float]:
        """One number of every frame."""
        return [frame[key] for frame in self.frames if frame.get(key) is not None]


@dataclass(frozen=True, slots=True)
class Rival:
    """Another engine: its page, the query of its address, and what it needs from npm."""

    page: str
    query: str
    npm: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


PLAYCANVAS = (
    ("playcanvas", "playcanvas@2"),
    (("playcanvas/build/playcanvas.min.mjs", "playcanvas.mjs"),),
)
_PASS = "postprocessing/Pass.js"
RIVALS = {
    "playcanvas-webgpu": Rival("playcanvas.html", "backend=webgpu", *PLAYCANVAS),
    "playcanvas-webgl2": Rival("playcanvas.html", "backend=webgl2", *PLAYCANVAS),
    "playcanvas-webgpu-all": Rival("playcanvas.html", "backend=webgpu&all=1", *PLAYCANVAS),
    "playcanvas-webgl2-all": Rival("playcanvas.html", "backend=webgl2&all=1", *PLAYCANVAS),
    "spark": Rival(
        "spark.html",
        "",
        ("spark", "@sparkjsdev/spark", "three"),
        (
            ("@sparkjsdev/spark/dist/spark.module.min.js", "spark.mjs"),
            ("three/build/three.module.js", "three/three.module.js"),
            ("three/build/three.core.js", "three/three.core.js"),
            (f"three/examples/jsm/{_PASS}", f"three/addons/{_PASS}"),
        ),
    ),
}


def json_orbit(pose: Pose, count: int, size: tuple[int, int] = SIZE) -> list[dict[str, Any]]:
    """`orbit` as JSON, for the pages."""
    return [json.loads(view.to_json()) for view in orbit(pose, count, size)]


def prepare(folder: Path, names: Iterable[str], scene: BenchScene) -> tuple[dict[str, str], Pose]:
    """Fill a folder to serve: Vitrine's site, the rivals' pages and the scene file.

    Returns
    -------
    pages : dict
        Address of each engine's page within the folder.
    pose : Pose
        The scene's first camera.
    """
    site = build_site(scene.path, folder / OURS, scene.options)
    pages = {OURS: f"{OURS}/index.html"}
    file = "scene" + ("".join(scene.path.suffixes[-2:]) or ".ply")
    shutil.copyfile(scene.path, folder / file)
    for page in PAGES.glob("*.*"):
        shutil.copyfile(page, folder / page.name)
    for name in names:
        rival = RIVALS[name]
        try:
            modules = npm_package(*rival.npm)
        except PackageMissing as error:
            print(f"{name}: skipped: {error}")
            continue
        for source, target in rival.files:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(modules / source, folder / target)
        pages[name] = f"{rival.page}?{rival.query}&file={file}"
    return pages, site.scene.pose


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the npm packages that the rivals were installed from."""
    versions = {}
    for name in names:
        folder, *packages = RIVALS[name].npm
        for package in packages:
            plain = package if package.startswith("@") else package.split("@")[0]
            path = npm_package(folder, *packages) / plain / "package.json"
            versions[plain] = json.loads(path.read_text(encoding="utf-8"))["version"]
    return versions


def open_engine(browser: Browser, name: str, url: str) -> Engine | None:
    """Load an engine's page; None, with a line that says why, where a rival does not run."""
    page = new_page(browser, page_script("vitrine.js") if name == OURS else "")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        page.goto(url)
        page.wait_for_function("window.bench", timeout=OPEN_MS)
        if name == OURS:  # its buttons would be in the picture
            page.evaluate("document.querySelector('vitrine-view').controls = 'none'")
        return Engine(name, page, page.evaluate(within("bench.load()"), None))
    except Exception as error:  # a rival may fail in any way
        if name == OURS:
            raise
        reason = [*faults, str(error).splitlines()[0]][0]
        print(f"{name}: skipped: {reason}")
        page.context.close()
        return None


def picture(page: Page) -> np.ndarray:
    """What is on the screen: (360, 640, 3) uint8."""
    png = page.screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise of two images, in decibels."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def measure(
    engines: Sequence[Engine], views: Sequence[dict[str, Any]], rounds: int, budget_s: float
) -> None:
    """Draw the views on each engine in turn, to and fro.

    The first view of a turn warms the engine up again and is not counted, nor is the first round.
    An engine that has counted frames and spent its budget sits the rest out.
    """
    for number in range(rounds + 1):
        sweep = views if number % 2 else views[::-1]
        for engine in engines:
            engine.page.bring_to_front()
            for index, view in enumerate(sweep[:2] if number == 0 else sweep):
                if engine.frames and engine.spent_s > budget_s:
                    break
                frame = engine.page.evaluate(FRAME, view)
                if number:
                    engine.spent_s += frame["settledMs"] / 1000
                if number and index:
                    engine.frames.append(frame)


def compare(engines: Sequence[Engine], view: dict[str, Any], shots: Path | None, tag: str) -> None:
    """Look at one camera on all engines."""
    wanted = None
    for engine in engines:
        engine.page.bring_to_front()
        engine.page.evaluate(FRAME, view)
        engine.page.wait_for_timeout(200)
        image = picture(engine.page)
        wanted = image if wanted is None else wanted
        engine.agrees_db = psnr_db(image, wanted)
        if shots:
            shots.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(shots / f"{tag}-{engine.name}.png")


def report(scene: str, engines: Sequence[Engine]) -> dict[str, Any]:
    """Print the tables of a scene; returns the numbers."""
    ours = engines[0]
    result: dict[str, Any] = {}
    rows = []
    base = summary(ours.values("frameMs"))["min"]
    for engine in engines:
        frame, settled = (summary(engine.values(key)) for key in ("frameMs", "settledMs"))
        result[engine.name] = {
            "frame_ms": frame,
            "settled_ms": settled,
            "agrees_db": engine.agrees_db if math.isfinite(engine.agrees_db or math.inf) else None,
            **engine.info,
        }
        agrees = "-" if engine is ours else f"{engine.agrees_db:.1f} dB"
        drops = engine.info.get("drops", "nothing dropped")
        rows.append(
            [
                engine.name,
                str(frame["n"]),
                *extremes(frame),
                *extremes(settled),
                ratio(frame["min"], base),
                agrees,
                f"  {drops}",
            ]
        )
    header = [
        "",
        "n",
        "frame min",
        "median",
        "settled min",
        "median",
        "min/ours",
        "agrees",
        "  drops",
    ]
    width, height = SIZE
    print_table(f"{scene}: ms a frame at {width}x{height}", header, rows)
    result[OURS]["passes_ms"] = passes = pass_times(ours)
    drawn = summary(ours.values("drawn"))
    result[OURS]["drawn"] = drawn
    title = f"{scene}: Vitrine's passes, ms; {drawn['median']:,.0f} of {ours.info['count']:,} drawn"
    table = [[name, *extremes(p)] for name, p in passes.items()]
    print_table(f"{title}; {ours.info['adapter']}", ["", "min", "median"], table)
    return result


def pass_times(ours: Engine) -> dict[str, dict[str, float | int]]:
    """Each pass by its timestamps, their sum, and the CPU's part."""
    stamped = [frame["gpuMs"] for frame in ours.frames if frame.get("gpuMs")]
    names = list(stamped[0]) if stamped else []
    passes = {name: summary(times[name] for times in stamped) for name in names}
    passes["all passes"] = summary(sum(times.values()) for times in stamped)
    passes["cpu (Python, encoding)"] = summary(ours.values("cpuMs"))
    return passes


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    add_browser(parser)
    parser.add_argument("--rounds", type=int, default=4, help="sweeps an engine (default: 4)")
    parser.add_argument("--views", type=int, default=4, help="frames a sweep (default: 4)")
    parser.add_argument(
        "--budget",
        type=float,
        default=8.0,
        metavar="S",
        help="seconds an engine and scene; a slow one draws fewer frames (default: 8)",
    )
    parser.add_argument(
        "--rivals",
        type=names_of(RIVALS, RIVALS),
        default=list(RIVALS),
        metavar="LIST",
        help="all, none, or names",
    )
    parser.add_argument("--shots", type=Path, metavar="DIR", help="keep a PNG of each engine")
    return parser.parse_args()


def main() -> None:
    """Measure every scene."""
    given = arguments()
    suffix = ".compressed.ply" if given.rivals else ".ply"
    results: dict[str, Any] = {}
    for scene in scenes(given.scenes, given.sample_count, suffix):
        results[scene.name] = bench_scene(scene, given)
    write_json(given.json, {"bench": "frame", "scenes": results})


def bench_scene(scene: BenchScene, given: argparse.Namespace) -> dict[str, Any]:
    """Measure one scene on every engine."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as temporary:
        folder = Path(temporary)
        pages, pose = prepare(folder, given.rivals, scene)
        versions = package_versions(name for name in pages if name != OURS)
        with serving(folder) as url, chromium(given.gpu, given.chromium) as browser:
            named = [f"Chromium {browser.version}", *(f"{k} {v}" for k, v in versions.items())]
            print(f"{scene.name}: {', '.join(named)}", flush=True)
            opened = [open_engine(browser, name, url + pages[name]) for name in pages]
            engines = [engine for engine in opened if engine is not None]
            views = json_orbit(pose, given.views + 1)
            measure(engines, views, given.rounds, given.budget)
            compare(engines, views[0], given.shots, scene.name)
            return {"versions": versions, "engines": report(scene.name, engines)}


if __name__ == "__main__":
    run(main)
