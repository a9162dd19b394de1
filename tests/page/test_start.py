"""A start: what is asked for, how much that is, from which servers, and what if it goes wrong."""

from __future__ import annotations

import gzip
import io
import json
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, ViewportSize

from pybuild.gaussians import Gaussians
from pybuild.options import BuildOptions
from pybuild.server import serving
from pybuild.site import build_site

CODE_BYTES = 6_000_000
"""What a start may transfer beside the scene."""
READY_MS = 90_000
SIZE: ViewportSize = {"width": 320, "height": 200}
SETTLED = """
async () => {
  const element = document.querySelector('vitrine-view');
  await customElements.whenDefined('vitrine-view');
  await element.ready;
  await element.settled();
}
"""
POSTER_AGAIN = """
async () => {
  const { shadowRoot } = document.querySelector('vitrine-view');
  const poster = shadowRoot.querySelector('.poster');
  poster.style.cssText = 'opacity: 1; visibility: visible; transition: none; background: black';
  shadowRoot.querySelector('.poster .blur').remove();
  await shadowRoot.querySelector('.poster .picture').decode();
}
"""
POSTER_APART = 5.0
"""Mean of 255, after a lossy codec and another size."""
SLOW = re.compile("Python starts slowly: its snapshot cannot be used here")
PLACES = {
    ".html": re.compile(r'(?:src|href|poster)="([^"]*)"'),
    ".mjs": re.compile(
        r'^(?:import|export|})[^;]*?from "([^"]*)"|(?<!\w)import\("([^"]*)"\)', re.M
    ),
}
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@pytest.fixture(scope="module")
def small_site(cloud: Gaussians, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of the cloud, beside a file of its parent; not to be changed."""
    folder = tmp_path_factory.mktemp("hosted") / "some" / "where"
    build_site(cloud, folder, BuildOptions(eye=(0, 0, -5), target=(0, 0, 0)))
    return folder


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Page]:
    """A page of a profile without a cache."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(READY_MS)
    yield page
    context.close()


def pixels(page: Page) -> np.ndarray:
    """The middle of the canvas, where nothing lies above it."""
    page.evaluate("document.querySelector('vitrine-view').setAttribute('controls', 'none')")
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return np.asarray(image, np.float32)[30:140, 40:280]


def early(folder: Path) -> set[str]:
    """Files that index.html asks for before any script of the site runs."""
    text = (folder / "index.html").read_text()
    listed = re.search(r"data-files='(\[.*?\])'", text)
    assert listed is not None
    links = re.findall(r'<link rel="(?:modulepreload|preload)" href="([^"]+)"', text)
    return {"", *links, *json.loads(listed[1])}


@pytest.mark.page
def test_a_start_knows_all_that_it_asks_for(fresh: Page, small_site: Path) -> None:
    """No request waits for an answer that names it; what is code is small enough; warm, only the
    page, the scene's description and its poster are asked for again.
    """
    done: list[Request] = []
    said: list[str] = []
    fresh.on("requestfinished", lambda request: done.append(request))
    fresh.on("console", lambda message: said.append(message.text))
    with serving(small_site) as url:

        def start() -> dict[str, int]:
            done.clear()
            fresh.goto(url)
            fresh.evaluate(SETTLED)
            fresh.wait_for_load_state("networkidle")
            found: dict[str, int] = {}
            for request in [one for one in done if one.url.startswith(url)]:
                sizes = request.sizes()
                size = sizes["responseBodySize"] + sizes["responseHeadersSize"]
                name = request.url.removeprefix(url)
                found[name] = found.get(name, 0) + size
            return found

        cold = start()
        fresh.goto("about:blank")
        warm = start()
    assert set(cold) == early(small_site)
    code = sum(size for name, size in cold.items() if not name.startswith("scene/"))
    assert 3_000_000 < code <= CODE_BYTES
    asked = {name for name, size in warm.items() if size}
    assert asked <= {"", "scene/scene.json", "scene/poster.webp"}
    assert said == []


@pytest.mark.page
def test_without_its_snapshot_python_starts_slowly_and_says_so(
    fresh: Page, small_site: Path
) -> None:
    """From the library, which has what the engine needs; the picture is the same."""
    said: list[str] = []
    fresh.on("console", lambda message: said.append(message.text))
    with serving(small_site) as url:
        fresh.goto(url)
        fresh.evaluate(SETTLED)
        picture = pixels(fresh)
        assert said == []
        (snapshot,) = small_site.glob("vitrine/pyodide-*/python-*.bin")
        assert fresh.context.browser
        with fresh.context.browser.new_page(viewport=SIZE, reduced_motion="reduce") as other:
            other.set_default_timeout(READY_MS)
            other.on("console", lambda message: said.append(message.text))
            # Damaged, as if it were of another build: its checksum does not fit.
            data = bytearray(gzip.decompress(snapshot.read_bytes()))
            sum_at = data.index(b'"sum":') + 6
            data[sum_at : sum_at + 2] = b"11" if data[sum_at : sum_at + 2] != b"11" else b"22"
            other.context.route(
                f"**/{snapshot.name}", lambda route: route.fulfill(body=bytes(data))
            )
            other.goto(url)
            other.evaluate(SETTLED)
            assert np.abs(pixels(other) - picture).mean() < 0.5
            assert np.ptp(picture) > 100
    assert len(said) == 1
    assert SLOW.match(said[0])


class _Plain(SimpleHTTPRequestHandler):
    """As ``python -m http.server``, without its log; it knows no encodings and sends no headers."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.page
def test_a_site_works_below_any_path_of_a_plain_server(fresh: Page, small_site: Path) -> None:
    """Without any header of ours; nothing beyond its own folder is asked for."""
    root = small_site.parent.parent
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Plain, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asked: list[str] = []
    said: list[str] = []
    fresh.on("request", lambda request: asked.append(request.url))
    fresh.on("console", lambda message: said.append(message.text))
    try:
        fresh.goto(f"http://127.0.0.1:{server.server_address[1]}/some/where/")
        fresh.evaluate(SETTLED)
    finally:
        server.shutdown()
        server.server_close()
    paths = [urlsplit(url).path for url in asked if url.startswith("http")]
    assert len(paths) > 20
    assert [path for path in paths if not path.startswith("/some/where/")] == []
    assert {urlsplit(url).scheme for url in asked} <= {"http", "data", "blob"}
    assert said == []


def test_nothing_of_a_site_is_named_absolutely(small_site: Path) -> None:
    """Links, scripts and imports are relative, and lead to files that are there."""
    found = 0
    for file in [small_site / "index.html", *small_site.glob("vitrine/**/*.mjs")]:
        if file.name.startswith("pyodide."):
            continue
        text = COMMENT.sub("", file.read_text(encoding="utf-8"))
        for match in PLACES[file.suffix].finditer(text):
            place = next(filter(None, match.groups()))
            if place.startswith("data:"):
                continue
            found += 1
            assert (file.parent / place).is_file(), f"{file.name}: {place}"
            assert not place.startswith("/"), f"{file.name}: {place}"
    assert found > 50


@pytest.mark.page
@pytest.mark.parametrize("size", [(240, 400), (300, 260), (480, 200)], ids=str)
def test_a_poster_lies_under_the_first_frame(
    fresh: Page, small_site: Path, size: tuple[int, int]
) -> None:
    """In boxes of any shape, a phone held upright among them."""
    width, height = size
    fresh.set_viewport_size({"width": width, "height": height})
    with serving(small_site) as url:
        fresh.goto(url)
        fresh.evaluate(SETTLED)
        fresh.evaluate("document.querySelector('vitrine-view').setAttribute('controls', 'none')")
        frame = Image.open(io.BytesIO(fresh.screenshot())).convert("RGB")
        fresh.evaluate(POSTER_AGAIN)
        poster = Image.open(io.BytesIO(fresh.screenshot())).convert("RGB")
    half = min(size) // 2
    middle = (width // 2 - half, height // 2 - half, width // 2 + half, height // 2 + half)
    apart = np.subtract(*(np.asarray(i.crop(middle), np.float32) for i in (frame, poster)))
    assert np.ptp(np.asarray(frame)) > 100
    assert np.abs(apart).mean() < POSTER_APART, np.abs(apart).mean()


def test_splats_are_shown_before_their_bands(fresh: Page, small_site: Path) -> None:
    """While the coefficients of SH are on their way: the picture without them, complete otherwise,
    and not said to be ready. Then the whole one.
    """
    (bands,) = small_site.glob("scene/sh-*.bin")
    held: list[Route] = []
    fresh.context.route(f"**/{bands.name}", lambda route: held.append(route))
    gone = "document.querySelector('vitrine-view').shadowRoot?.querySelector('.poster.gone')"
    with serving(small_site) as url:
        fresh.goto(url)
        fresh.wait_for_function(gone)
        first = pixels(fresh)
        assert (
            fresh.evaluate(
                "Promise.race([document.querySelector('vitrine-view').ready, 'not yet'])"
            )
            == "not yet"
        )
        for route in held:
            route.continue_()
        fresh.context.unroute(f"**/{bands.name}")
        fresh.evaluate(SETTLED)
        whole = pixels(fresh)
        fresh.evaluate("document.querySelector('vitrine-view').setAttribute('sh-degree', '0')")
        fresh.evaluate(SETTLED)
        without = pixels(fresh)
    assert np.abs(first - without).mean() < 0.5
    assert np.abs(first - whole).mean() > 1
