"""Nothing is left of scenes that came and went: devices, buffers, workers, listeners, elements."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from pybuild import formats
from pybuild.gaussians import Gaussians
from pybuild.site import build_site
from tests.page.hooks import DISPLAYS, PYODIDE
from tests.page.test_drop import LOAD, TRIED
from tests.page.test_element import HTML, READY_MS

pytestmark = pytest.mark.page

ROUNDS = 50
WARM = 10
"""Rounds after which the page has compiled what it keeps."""
ROUND_BYTES = 20_000
"""By which the heap may grow in each round after, as code is optimised; an element takes more."""
LOADS = 3
LOOKS, LOOK_MS = 60, 250
"""How often to look whether all is gone, and the pause between: a timer runs for 2.5 s."""
COUNT_LISTENERS = """
window.heard = new Map();
{
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const lasting = (target) =>
    [window, document].includes(target) || target instanceof MediaQueryList;
  const known = (type) => heard.get(type) ?? heard.set(type, []).get(type);
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (lasting(this ?? window)) known(type).push(new WeakRef(listener));
    return addEventListener.call(this ?? window, type, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    const at = known(type).findIndex((reference) => reference.deref() === listener);
    if (lasting(this ?? window) && at >= 0) known(type).splice(at, 1);
    return removeEventListener.call(this ?? window, type, listener, options);
  };
}
window.listeners = () => [...heard.values()].flat().length;
window.elements = [];
window.left = () => elements.filter((reference) => reference.deref()).length;
window.round = async () => {
  const view = document.createElement("vitrine-view");
  view.src = "scene/scene.json";
  elements.push(new WeakRef(view));
  document.body.append(view);
  await view.ready;
  view.remove();
  await new Promise((done) => setTimeout(done)); // it knows then that it was not only moved
};
"""
STUB = """
const info = { count: 1, shDegree: 0, adapter: "stub", gpuBytes: 12 };
const state = {
  camera: { eye: [0, 0, -1], target: [0, 0, 0], fov: 50 }, mode: "orbit", moving: "", turn: 12,
  bookmarks: [], path: { seconds: 3, loop: false },
  look: { background: [0, 0, 0], shDegree: 0, splatScale: 1, antialiasing: "classic" },
};
self.onmessage = ({ data: { element, type, id } }) => {
  if (type === "init") postMessage({ element, type: "ready", info });
  if (type === "settle") postMessage({ element, type: "settled", id });
  if (type === "ask") postMessage({ element, type: "told", id, error: null, value: null, state });
  if (type === "close") close();
};
"""
"""A worker without an engine: what is left in the page does not depend on it, and it is quick."""
COUNT_MEMORY = """
{
let devices = 0;
const alive = new Set();
const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = async function (...given) {
  devices += 1;
  return requestDevice.apply(this, given);
};
for (const [make, Class] of [["createBuffer", GPUBuffer], ["createTexture", GPUTexture],
  ["createQuerySet", GPUQuerySet]]) {
  const made = GPUDevice.prototype[make];
  GPUDevice.prototype[make] = function (...given) {
    const thing = made.apply(this, given);
    alive.add(thing);
    return thing;
  };
  const { destroy } = Class.prototype;
  Class.prototype.destroy = function () {
    alive.delete(this);
    return destroy.call(this);
  };
}
self.memory = () => [devices, alive.size];
self.labels = () => [...alive].map(({ label }) => label).sort();
}
"""
"""Devices that were asked for; buffers, textures and queries that are there."""
USED = """async (rounds) => {
    for (let i = 0; i < rounds; i += 1) {
        const view = document.createElement("vitrine-view");
        view.src = "scene/scene.json";
        document.body.append(view);
        await view.ready;
        view.shadowRoot.querySelector(".stage")
            .dispatchEvent(new KeyboardEvent("keydown", { code: "KeyI", bubbles: true }));
        await view.settled();
        await view.pick(0.5, 0.5);
        await view.screenshot({ width: 64, height: 64 });
        const film = i % 10 ? null : view.record({ what: "turntable", width: 64, height: 64 });
        await (film && new Promise((done) => setTimeout(done, 200)));
        view.remove();
        await film?.catch(() => {});
        await new Promise((done) => setTimeout(done));
    }
}"""
"""Elements that do all that takes memory, one after the other."""
ELEMENT = "document.querySelector('vitrine-view')"
VIEW = '<vitrine-view src="scene/scene.json" controls="none"></vitrine-view>'


def dot() -> Gaussians:
    """One white Gaussian."""
    return Gaussians(
        np.zeros((1, 3), np.float32),
        np.full((1, 3), -1, np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full(1, 3, np.float32),
        np.ones((1, 1, 3), np.float32),
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where a site of one Gaussian is served."""
    folder = tmp_path_factory.mktemp("leaks") / "site"
    build_site(dot(), folder)
    return serve(folder).rstrip("/") + "/"


Open = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, url: str) -> Iterator[Open]:
    """Opens a page; ``worker`` takes the place of the worker, ``before`` goes before it."""
    context = browser.new_context(viewport={"width": 640, "height": 480})

    def show_(body: str, worker: str = "", before: str = "") -> Page:
        page = context.new_page()
        page.set_default_timeout(READY_MS)

        def answer(route: Route) -> None:
            text = worker or before + route.fetch().text()
            route.fulfill(content_type="text/javascript", body=text)

        text = HTML.format(body=body)
        page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=text))
        page.route("**/worker.mjs", answer)
        if before:
            text_ = "self.test = {};\n"
            page.route(
                "**/pyodide.mjs",
                lambda r: r.fulfill(content_type="text/javascript", body=text_ + PYODIDE),
            )
        page.goto(url + "test.html")
        page.evaluate("() => void customElements.whenDefined('vitrine-view')")
        return page

    yield show_
    context.close()


def test_elements_that_came_and_went(show: Open) -> None:
    """Fifty: no listener, worker or element is left, and the heap stays as it was."""
    page = show(f"<script>{COUNT_LISTENERS}</script>", worker=STUB)
    session = page.context.new_cdp_session(page)

    def used_bytes() -> int:
        session.send("HeapProfiler.collectGarbage")
        return int(session.send("Runtime.getHeapUsage")["usedSize"])

    def rest() -> int:
        """Bytes in use when workers have gone and timers have run out."""
        for _ in range(LOOKS):
            bytes_ = used_bytes()
            if not page.workers and page.evaluate("left()") <= 1:
                break
            page.wait_for_timeout(LOOK_MS)
        return bytes_

    listeners = page.evaluate("listeners()")
    run = "async (count) => { for (let i = 0; i < count; i += 1) await round(); }"
    page.evaluate(run, WARM)
    before = rest()
    page.evaluate(run, ROUNDS - WARM)
    grown = rest() - before
    assert page.workers == []
    assert page.evaluate("listeners()") == listeners
    assert page.evaluate("elements.length") == ROUNDS
    assert page.evaluate("left()") <= 1
    assert grown < ROUND_BYTES * (ROUNDS - WARM)


def test_scenes_in_one_worker(show: Open, tmp_path: Path) -> None:
    """File after file, also such as cannot be shown: one device, with the buffers of one scene."""
    formats.write(tmp_path / "dot.splat", dot())
    data = (tmp_path / "dot.splat").read_bytes()
    file, *bad = (
        [name, base64.b64encode(given).decode()]
        for name, given in (
            ("dot.splat", data),
            ("nan.splat", b"\xff" * 64),
            ("cut.spz", b"\x1f\x8b"),
        )
    )
    page = show(VIEW, before=COUNT_MEMORY)
    page.evaluate(LOAD, file)
    worker = page.workers[0]
    devices, things = worker.evaluate("memory()")
    assert devices == 1
    assert things > 5
    for _ in range(LOADS):
        page.evaluate(LOAD, file)
        for each in bad:
            assert page.evaluate(TRIED, each)["code"] == "file"
    assert worker.evaluate("memory()") == [1, things]


def test_elements_that_came_and_went_in_one_worker(show: Open) -> None:
    """Fifty real ones, beside one that stays: the GPU and Python hold what they held."""
    page = show(VIEW, before=COUNT_MEMORY)
    page.evaluate(f"{ELEMENT}.settled()")
    worker = page.workers[0]
    before = worker.evaluate("labels()")
    page.evaluate(USED, ROUNDS)
    assert page.workers == [worker]
    assert worker.evaluate("labels()") == before
    assert worker.evaluate("memory()")[0] == 1
    left = f"__import__('gc').collect(); len({DISPLAYS})"
    assert worker.evaluate("(code) => self.test.python.runPython(code)", left) == 1
    page.evaluate(f"{ELEMENT}.settled()")
