"""From navigation to the first complete frame in Chromium, cold and warm, stage by stage.

A site is built by `pybuild.site` and served by the project's own server. Cold: a browser just
started, with a fresh profile on disk and an empty HTTP cache. Warm: the second navigation of that
browser, once the service worker keeps the site. The end is the element's `settled()`, "the frame
for the current state is on screen". Bytes are what came over the wire (encodedDataLength of the
DevTools protocol, headers included), workers included.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import add_browser, page_script, profile, within
from bench.command import bench_parser, run, write_json
from bench.measured import BenchScene, add_scenes, scenes
from bench.tables import print_table, summary
from pybuild.server import serving
from pybuild.site import build_site

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

KINDS = ("Pyodide", "engine", "page code", "scene", "poster", "other")
END = "first frame settled"
EPILOG = """
examples:
  bench/start.py                          the sample and the guitar, 3 fresh profiles each
  bench/start.py scene.ply --runs 8 --json /tmp/start.json

The stages overlap: a stage's line says when it ENDED, in ms since the navigation; the lines stand
in the order of their medians when cold. The hooks that take the times cost a start about 10 ms.
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One navigation.

    Attributes
    ----------
    marks_ms : dict
        When each stage ended, since the navigation.
    wire_bytes, requests : dict
        By kind of file, `KINDS`; a file from the cache has no bytes and is no request.
    """

    marks_ms: dict[str, float]
    wire_bytes: dict[str, int]
    requests: dict[str, int]


def kind_of(url: str) -> str:
    """Which of `KINDS` a file of the site is."""
    path = urlsplit(url).path
    if "/pyodide-" in path:
        return "Pyodide"
    if path.endswith("engine.zip"):
        return "engine"
    if path.endswith("poster.webp"):
        return "poster"
    if "/scene/" in path:
        return "scene"
    return "page code" if path.endswith((".mjs", ".html", ".json", ".css", "/")) else "other"


class Wire:
    """Counts what a page and its workers transfer; playwright listens to both their sessions."""

    def __init__(self, page: Page) -> None:
        self.bytes = dict.fromkeys(KINDS, 0)
        self.requests = dict.fromkeys(KINDS, 0)
        page.on("requestfinished", self._finished)

    def _finished(self, request: Any) -> None:
        if not request.url.startswith("http"):
            return
        sizes = request.sizes()
        # Their sum is encodedDataLength: from the cache it is 0, the body's part negative.
        size = sizes["responseBodySize"] + sizes["responseHeadersSize"]
        kind = kind_of(request.url)
        self.bytes[kind] += size
        self.requests[kind] += size > 0


def navigate(context: BrowserContext, url: str) -> Start:
    """Open the site in a new page of a profile."""
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.add_init_script(page_script("start.js"))
    wire = Wire(page)
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.bench")
    page.evaluate(within("bench.finish()"), None)
    told = page.evaluate("bench.marks()")
    marks = {name: float(ms) for name, ms in told["marks"].items()}
    for worker in page.workers:
        for name, at in worker.evaluate("self.__marks ?? {}").items():
            marks[name] = at - told["origin"]
    page.evaluate(within("bench.kept()"), None)
    page.close()
    return Start(marks, wire.bytes, wire.requests)


def starts_of(url: str, given: argparse.Namespace) -> dict[str, list[Start]]:
    """Navigate twice in each of some fresh profiles."""
    starts: dict[str, list[Start]] = {"cold": [], "warm": []}
    for _ in range(given.runs):
        with profile(given.gpu, given.chromium) as context:
            for state in starts.values():
                state.append(navigate(context, url))
    return starts


def stages(starts: Sequence[Start]) -> dict[str, dict[str, float | int]]:
    """Minimum and median of each mark, in the order of the medians."""
    names = {name for start in starts for name in start.marks_ms}
    found = {
        name: summary(s.marks_ms[name] for s in starts if name in s.marks_ms) for name in names
    }
    return dict(sorted(found.items(), key=lambda item: item[1]["median"]))


def report(scene: str, starts: dict[str, list[Start]]) -> dict[str, Any]:
    """Print the tables of a scene; returns the numbers."""
    cold, warm = (stages(starts[name]) for name in ("cold", "warm"))
    nothing = summary([])
    rows = []
    for name, times in cold.items():
        numbers = [times["min"], times["median"]]
        numbers += [warm.get(name, nothing)[key] for key in ("min", "median")]
        label = f"= {name}" if name == END else name
        rows.append([label, *(f"{value:.0f}" if value == value else "-" for value in numbers)])
    title = f"{scene}: ms from navigation to the end of each stage, {len(starts['cold'])} profiles"
    print_table(title, ["", "cold min", "median", "warm min", "median"], rows)
    wire = {}
    rows = []
    for kind in (*KINDS, "all"):
        row = [kind]
        for state, found in starts.items():
            size, count = (total(s, kind) for s in (found[-1].wire_bytes, found[-1].requests))
            wire.setdefault(state, {})[kind] = {"bytes": size, "requests": count}
            row += [f"{size:,}", str(count)]
        rows.append(row)
    header = ["", "cold bytes", "requests", "warm bytes", "requests"]
    print_table(f"{scene}: bytes over the wire", header, rows)
    return {"stages_ms": {"cold": cold, "warm": warm}, "wire": wire}


def total(by_kind: dict[str, int], kind: str) -> int:
    """One kind's number, or all of them."""
    return sum(by_kind.values()) if kind == "all" else by_kind[kind]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    add_browser(parser)
    parser.add_argument("--runs", type=int, default=3, help="fresh profiles (default: 3)")
    parser.add_argument(
        "--no-offline", action="store_true", help="without a service worker: the HTTP cache alone"
    )
    return parser.parse_args()


def main() -> None:
    """Measure every scene."""
    given = arguments()
    results = {}
    for scene in scenes(given.scenes, given.sample_count):
        results[scene.name] = bench_scene(scene, given)
    write_json(given.json, {"bench": "start", "scenes": results})


def bench_scene(scene: BenchScene, given: argparse.Namespace) -> dict[str, Any]:
    """Build, serve and open one scene."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as temporary:
        folder = Path(temporary) / "site"
        options = replace(scene.options, offline=not given.no_offline)
        for notice in build_site(scene.path, folder, options).notices:
            print(notice)
        with serving(folder) as url:
            return report(scene.name, starts_of(url, given))


if __name__ == "__main__":
    run(main)
