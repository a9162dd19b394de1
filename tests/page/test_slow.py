"""A slow network: what a visitor sees meanwhile, and what becomes of a download that stops."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from pybuild.gaussians import Gaussians
from pybuild.options import BuildOptions
from pybuild.site import build_site
from tests.page.test_start import READY_MS, SETTLED, SIZE, pixels

pytestmark = [pytest.mark.page, pytest.mark.gpu]

VIEW = "document.querySelector('vitrine-view')"
LOADING = re.compile(r"Loading the scene, [1-9]\d? %")
SILENCE_MS = 35_000
"""Longer than the element is patient."""
LOOK_S = 0.02
LEFT_S = 20.0
TWO = """<!doctype html><meta charset="utf-8">
<style>vitrine-view { width: 90px; height: 90px }</style>
<script type="module" src="vitrine/vitrine-view.mjs"></script>
<vitrine-view src="scene/scene.json"></vitrine-view><vitrine-view id="other"></vitrine-view>
<script type="module">
window.shown = other.loadFile(new File([new Uint8Array(32).fill(63)], "dot.splat")).then(() => 0);
</script>"""
"""One element loads the scene, the other shows a file of one splat."""


@dataclass
class Gate:
    """Where a file stops.

    Attributes
    ----------
    name : str
        What the file's name begins with.
    share : float
        How much of it is sent before.
    cut : bool
        The connection ends there; otherwise it waits.
    """

    name: str = ""
    share: float = 0.5
    cut: bool = False
    opened: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)


class Slow(SimpleHTTPRequestHandler):
    """A host; one of its files stops at a gate."""

    gate: ClassVar = Gate()
    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """All of it, or up to the gate."""
        gate, data = self.gate, source.read()
        if not gate.name or not Path(self.path).name.startswith(gate.name):
            outputfile.write(data)
            return
        part = int(gate.share * len(data))
        outputfile.write(data[:part])
        gate.reached.set()
        if gate.cut:
            self.close_connection = True
            return
        self.connection.settimeout(LOOK_S)
        while not gate.opened.is_set():
            try:
                if not self.connection.recv(1):
                    gate.left.set()
                    return
            except TimeoutError:
                pass
        self.connection.settimeout(None)
        outputfile.write(data[part:])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def url(cloud: Gaussians, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a site of the cloud is served."""
    folder = tmp_path_factory.mktemp("slow") / "site"
    build_site(cloud, folder, BuildOptions(eye=(0, 0, -5), target=(0, 0, 0), offline=False))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    Slow.gate.opened.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Of the geometry, without which nothing can be drawn."""
    Slow.gate = Gate("geometry-")
    yield Slow.gate
    Slow.gate.opened.set()
    Slow.gate = Gate()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab without a cache."""
    page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
    page.set_default_timeout(READY_MS)
    yield page
    page.close()


def loading(page: Page, url: str, gate: Gate) -> None:
    """The page, when its scene has come in part."""
    page.goto(url)
    assert gate.reached.wait(READY_MS / 1000)
    expect(page.locator("vitrine-view .words")).to_have_text(LOADING, timeout=READY_MS)


COMPILED = """
window.compiled = new Promise((resolve) => {
  addEventListener('progress', ({ detail }) => {
    if (detail?.stage === 'shaders' && detail.loaded === detail.total) resolve(true);
  }, true);
});
"""
"""Resolves when all has come but the scene: the engine, and what it has compiled."""


def test_meanwhile_there_is_the_poster_and_how_far_it_is(page: Page, url: str, gate: Gate) -> None:
    """In words and as a bar; when nothing comes any more it says so, until something does."""
    page.clock.install()
    page.add_init_script(COMPILED)
    loading(page, url, gate)
    page.evaluate("compiled")  # news of the engine would be something that comes
    poster = page.locator("vitrine-view .picture")
    expect(poster).to_be_visible()
    assert np.ptp(pixels(page)) > 50, "it shows the scene"
    bar = page.get_by_role("progressbar")
    assert 0 < int(bar.get_attribute("aria-valuenow") or 0) < 100
    told = page.locator("vitrine-view .message")
    expect(told).to_be_hidden()
    page.clock.fast_forward(SILENCE_MS)
    expect(told.get_by_role("button", name="Retry")).to_be_visible(timeout=READY_MS)
    assert "Nothing comes any more" in told.inner_text()
    gate.opened.set()
    page.evaluate(SETTLED)
    expect(told).to_be_hidden()
    expect(poster).to_be_hidden(timeout=READY_MS)
    assert np.ptp(pixels(page)) > 100
    page.clock.fast_forward(SILENCE_MS)
    expect(told).to_be_hidden()


def test_an_engine_that_does_not_come_is_told_too(page: Page, url: str, gate: Gate) -> None:
    """When all of the scene is there; it goes on by itself."""
    gate.name = "pyodide.asm.wasm"
    page.clock.install()
    page.goto(url)
    assert gate.reached.wait(READY_MS / 1000)
    words = page.locator("vitrine-view .words")
    expect(words).to_have_text("Starting the engine", timeout=READY_MS)
    page.clock.fast_forward(SILENCE_MS)
    told = page.locator("vitrine-view .message")
    expect(told.get_by_role("button", name="Retry")).to_be_visible(timeout=READY_MS)
    gate.opened.set()
    page.evaluate(SETTLED)
    expect(told).to_be_hidden(timeout=READY_MS)


def test_a_visitor_may_leave(page: Page, url: str, gate: Gate) -> None:
    """The download ends with the page."""
    loading(page, url, gate)
    assert (
        page.evaluate(f"({VIEW}.dispose(), {VIEW}.ready.catch(({{ code }}) => code))") == "disposed"
    )
    expect(page.locator("vitrine-view .picture")).to_be_visible()
    expect(page.locator("vitrine-view .message")).to_be_hidden()
    page.goto("about:blank")
    assert gate.left.wait(READY_MS / 1000)


def test_an_element_that_goes_takes_its_download_along(page: Page, url: str, gate: Gate) -> None:
    """Though another one of the page goes on in the same worker."""
    page.route("**/two.html", lambda r: r.fulfill(content_type="text/html", body=TWO))
    page.goto(url + "two.html")
    assert gate.reached.wait(READY_MS / 1000)
    page.evaluate("shown")
    (worker,) = page.workers
    page.evaluate(f"{VIEW}.remove()")
    assert gate.left.wait(LEFT_S)
    page.evaluate("other.settled()")
    assert page.workers == [worker]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("geometry-", r"scene/geometry-\w+\.bin broke off after \d+ bytes"),
        ("pyodide.asm.wasm", r"pyodide\.asm\.wasm did not load"),
        ("config.json", r"config\.json broke off"),
        ("scene.json", r"scene\.json broke off"),
        ("worker.mjs", "did not start"),
    ],
)
def test_a_download_that_breaks_off_can_be_tried_again(
    page: Page, url: str, gate: Gate, name: str, words: str
) -> None:
    """The message says what it is."""
    gate.name, gate.cut = name, True
    page.goto(url)
    told = page.locator("vitrine-view .message")
    told.get_by_role("button", name="Retry").wait_for()
    assert re.search(words, told.inner_text())
    expect(page.locator("vitrine-view .picture")).to_be_visible()
    gate.name = ""
    told.get_by_role("button", name="Retry").click()
    page.evaluate(SETTLED)
    expect(told).to_be_hidden()
    assert np.ptp(pixels(page)) > 100
