"""What one more element costs a page: its start, and the memory of the browser.

A page of a built site shows one scene; then elements with the same scene are added, each when the
one before is on screen. `--site` measures a site that was built before, by another version say, in
turn with this one's. The GPU's memory is not counted.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # not this folder, whose onnx.py is not the package onnx
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from bench.chromium import add_browser, chromium
from bench.command import bench_parser, run, write_json
from bench.measured import add_scenes, scenes
from bench.tables import cell, print_table
from pybuild.server import serving
from pybuild.site import build_site

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ADD = """async () => {
    await customElements.whenDefined("vitrine-view");
    const begun = performance.now();
    const view = document.createElement("vitrine-view");
    Object.assign(view.style, { width: "160px", height: "120px", display: "inline-block" });
    view.setAttribute("controls", "none");
    view.src = "scene/scene.json";
    document.body.prepend(view);
    await view.ready;
    await view.settled();
    return performance.now() - begun;
}"""
HTML = """<!doctype html><meta charset="utf-8">
<script type="module" src="vitrine/vitrine-view.mjs"></script><body>"""
MEGABYTE = 1e6
EPILOG = """
examples:
  bench/elements.py                           the sample, three elements, three pages
  bench/elements.py --site /tmp/older/site    beside a site that another version has built
"""


def renderers_mb(browser: Browser) -> float:
    """Memory of the pages' processes, workers included, that no other process shares; in MB."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    kibibytes = 0
    for process in processes:
        if process["type"] == "renderer":
            rollup = Path(f"/proc/{process['id']}/smaps_rollup").read_text(encoding="ascii")
            kibibytes += sum(map(int, re.findall(r"^Private_\w+: +(\d+)", rollup, re.MULTILINE)))
    return 1024 * kibibytes / MEGABYTE


def measured(url: str, given: argparse.Namespace) -> list[tuple[float, float]]:
    """Of each element the ms until its first complete frame, and the MB of the page with it."""
    with chromium(given.gpu, given.chromium) as browser:
        page = browser.new_page()
        page.set_default_timeout(120_000)
        page.route("**/elements.html", lambda r: r.fulfill(content_type="text/html", body=HTML))
        page.goto(url + "elements.html")
        return [(float(page.evaluate(ADD)), renderers_mb(browser)) for _ in range(given.elements)]


def main() -> None:
    """Measure, print, write."""
    parser = bench_parser(__doc__, EPILOG)
    add_scenes(parser)
    add_browser(parser)
    parser.add_argument("--elements", type=int, default=3, metavar="N", help="of a page")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="pages (default: 3)")
    parser.add_argument("--site", type=Path, metavar="FOLDER", help="another site, in turn")
    given = parser.parse_args()
    (scene, *_) = scenes(given.scenes, given.sample_count)
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        sites = {"this version": Path(folder) / "site"}
        build_site(scene.path, sites["this version"], scene.options)
        if given.site:
            sites["--site"] = given.site
        found: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in sites}
        for _ in range(given.runs):
            for name, site in sites.items():
                with serving(site) as url:
                    found[name].append(measured(url, given))
    header = ("element", *(f"{name}: {what}" for name in sites for what in ("ms", "MB")))
    rows = [
        (
            str(number + 1),
            *(
                cell(min(page[number][part] for page in pages))
                for pages in found.values()
                for part in (0, 1)
            ),
        )
        for number in range(given.elements)
    ]
    print_table(f"{scene.name}, minima of {given.runs} pages", header, rows)
    write_json(given.json, {"scene": scene.name, "pages": found})


if __name__ == "__main__":
    run(main)
