"""The element with its real worker: what a visitor does shows in the pixels."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from pybuild.gaussians import Gaussians
from pybuild.site import build_site

pytestmark = pytest.mark.page

READY_MS = 90_000
"""Pyodide and SwiftShader on two busy cores."""
VIEW = "document.querySelector('vitrine-view')"
HTML = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0; background: #345 }} vitrine-view {{ width: 320px; height: 240px }}</style>
<script type="module" src="vitrine/vitrine-view.mjs"></script>
{body}"""
ELEMENT = '<vitrine-view src="scene/scene.json" poster="scene/poster.webp" {0}></vitrine-view>'
BARE = ELEMENT.format('controls="none"')

Pixels = NDArray[np.uint8]


def cloud() -> Gaussians:
    """A lopsided ball of 300 coloured splats, unlike itself from every side."""
    rng = np.random.default_rng(7)
    count = 300
    positions = rng.normal(size=(count, 3)) * (1.0, 0.6, 0.8)
    quaternions = rng.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    colours = np.where(positions > 0, 1.4, -1.4) + rng.normal(size=(count, 3)) * 0.2
    return Gaussians(
        positions.astype(np.float32),
        rng.uniform(-2.8, -1.6, (count, 3)).astype(np.float32),
        quaternions.astype(np.float32),
        np.full(count, 2.0, np.float32),
        colours[:, None, :].astype(np.float32),
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where a site of the small cloud is served."""
    folder = tmp_path_factory.mktemp("element") / "site"
    build_site(cloud(), folder)
    return serve(folder).rstrip("/") + "/"


Open = Callable[..., Page]


@pytest.fixture(scope="module")
def open_page(browser: Browser, url: str) -> Iterator[Open]:
    """Opens pages with any body; they close with the module."""
    contexts = []

    def open_(
        body: str = BARE, script: str = "", wait: bool = True, hash: str = "", **options: Any
    ) -> Page:
        context = browser.new_context(**({"viewport": {"width": 640, "height": 480}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(READY_MS)
        if script:
            page.add_init_script(script)
        text = HTML.format(body=body)
        page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=text))
        page.goto(url + "test.html" + (hash and f"#{hash}"))
        if wait:
            settle(page)
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def shared_page(open_page: Open) -> Page:
    """One started page for all tests that leave it as it was."""
    return open_page()


@pytest.fixture
def page(shared_page: Page) -> Page:
    """The shared page with the first view on screen."""
    shared_page.evaluate(f"{VIEW}.reset()")
    settle(shared_page)
    return shared_page


def settle(page: Page, view: str = VIEW) -> None:
    """Wait for the frame of the current state, and for the poster to be gone."""
    page.evaluate(
        f"""async () => {{
            await customElements.whenDefined('vitrine-view');
            await {view}.ready;
            await {view}.settled();
        }}"""
    )
    page.wait_for_function(f"getComputedStyle({part('.poster', view)}).visibility === 'hidden'")


def part(selector: str, view: str = VIEW) -> str:
    """JavaScript for an element inside the view."""
    return f"{view}.shadowRoot.querySelector('{selector}')"


def shot(page: Page, index: int = 0, hidden: str = ".ring") -> Pixels:
    """What is on screen in the box of the element, but for the ring of the focus."""
    style = f"{hidden} {{ display: none !important }}"
    png = page.locator("vitrine-view").nth(index).screenshot(style=style)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def changed(a: Pixels, b: Pixels) -> float:
    """Share of pixels that differ."""
    return float((a != b).any(axis=2).mean()) if a.shape == b.shape else 1.0


def drag(page: Page, button: str = "left") -> None:
    page.mouse.move(100, 100)
    page.mouse.down(button=button)  # type: ignore[arg-type]
    page.mouse.move(160, 130, steps=4)
    page.mouse.up(button=button)  # type: ignore[arg-type]


def touch(page: Page, *frames: list[tuple[float, float]]) -> None:
    """Fingers that go from frame to frame, then lift."""
    session = page.context.new_cdp_session(page)
    for i, fingers in enumerate(frames):
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(fingers)]
        kind = "touchStart" if i == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def fly(page: Page) -> None:
    page.keyboard.down("w")
    page.wait_for_timeout(300)
    page.keyboard.up("w")


def with_key(page: Page, held: str, act: Callable[[], None]) -> None:
    page.keyboard.down(held)
    act()
    page.keyboard.up(held)


def key(name: str) -> Callable[[Page], None]:
    return lambda page: page.keyboard.press(name)


def wheel(page: Page) -> None:
    page.mouse.move(160, 120)
    page.mouse.wheel(0, -240)


ACTIONS: dict[str, Callable[[Page], None]] = {
    "left drag": drag,
    "right drag": lambda page: drag(page, "right"),
    "middle drag": lambda page: drag(page, "middle"),
    "shift drag": lambda page: with_key(page, "Shift", lambda: drag(page)),
    "alt drag": lambda page: with_key(page, "Alt", lambda: drag(page)),
    "wheel": wheel,
    "arrow": key("ArrowLeft"),
    "shift arrow": key("Shift+ArrowUp"),
    "plus": key("+"),
    "minus": key("-"),
    "fly": fly,
    "one finger": lambda page: touch(page, [(100, 100)], [(130, 100)], [(160, 120)]),
    "two fingers": lambda page: touch(page, [(100, 100), (140, 140)], [(80, 80), (160, 160)]),
}


def test_ready_tells_the_scene_and_the_poster_goes(page: Page) -> None:
    info = page.evaluate(f"{VIEW}.ready")
    assert info["count"] == 300
    assert info["shDegree"] == 0
    assert "swiftshader" in info["adapter"]
    assert info["gpuBytes"] > 0
    assert shot(page).std() > 10


@pytest.mark.parametrize("name", ACTIONS)
def test_each_gesture_moves_the_picture_and_reset_brings_it_back(page: Page, name: str) -> None:
    first = shot(page)
    page.locator("vitrine-view").focus()
    ACTIONS[name](page)
    settle(page)
    moved = shot(page)
    assert changed(first, moved) > 0.05
    page.keyboard.press("Home")
    settle(page)
    assert changed(first, shot(page)) == 0


def test_a_gesture_ends_in_the_same_view_as_its_opposite(page: Page) -> None:
    """Nothing of the input is lost or counted twice on the way to the worker."""
    first = shot(page)
    page.locator("vitrine-view").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    settle(page)
    difference = np.abs(shot(page).astype(int) - first)
    assert difference.max() <= 2, "only rounding of the angle may differ"


def test_set_view(page: Page) -> None:
    first = shot(page)
    view = {"width": 320, "height": 240, "fx": 200, "fy": 200, "cx": 160, "cy": 120}
    view["view"] = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 4, 1]  # type: ignore[assignment]
    page.evaluate(f"view => {VIEW}.setView(view)", view)
    settle(page)
    moved = shot(page)
    assert changed(first, moved) > 0.05
    page.evaluate(f"{VIEW}.reset()")
    page.evaluate(f"view => {VIEW}.setView(view)", view)
    settle(page)
    assert changed(moved, shot(page)) == 0


def test_set_view_refuses_what_is_no_view(page: Page) -> None:
    ask = f"view => {VIEW}.setView(view).catch(error => [error.code, error.message])"
    code, message = page.evaluate(ask, {"width": 3})
    assert code == "view"
    assert "'height'" in message
    assert page.evaluate(f"{VIEW}.setView(() => 1).catch(error => error.code)") == "view"


def test_a_resized_view_is_like_one_that_began_at_that_size(page: Page, open_page: Open) -> None:
    style = 'controls="none" style="width: 200px; height: 180px"'
    fresh = open_page(ELEMENT.format(style))
    wanted = shot(fresh)
    fresh.context.close()
    page.evaluate(f"{VIEW}.style.cssText = 'width: 200px; height: 180px'")
    settle(page)
    got = shot(page)
    page.evaluate(f"{VIEW}.style.cssText = ''")
    settle(page)
    assert got.shape == wanted.shape == (180, 200, 3)
    assert changed(got, wanted) == 0


def pixels_row(page: Page) -> str:
    return str(page.evaluate(part(".stats dd[data-row=size]") + ".textContent"))


def test_pixel_ratio_and_its_changes(open_page: Open) -> None:
    page = open_page(ELEMENT.format(""), device_scale_factor=2)
    page.locator("vitrine-view").focus()
    page.keyboard.press("i")
    assert pixels_row(page) == "640 × 480"
    sharp = shot(page)
    assert sharp.shape == (480, 640, 3)
    # An emulated ratio fires no event of its own; the window's size changes as it does on a zoom.
    metrics = {"width": 660, "height": 480, "deviceScaleFactor": 1.5, "mobile": False}
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setDeviceMetricsOverride", metrics)
    page.wait_for_function(part(".stats dd[data-row=size]") + ".textContent === '480 × 360'")
    page.context.close()


def test_overlay_and_help(open_page: Open) -> None:
    page = open_page(ELEMENT.format(""))
    page.locator("vitrine-view").focus()
    page.keyboard.press("i")
    page.wait_for_function(part(".stats dd[data-row=cpu]") + ".textContent.endsWith(' ms')")
    rows = page.evaluate(
        f"Object.fromEntries([...{part('.stats')}.querySelectorAll('dd')]"
        ".map(cell => [cell.dataset.row, cell.textContent]))"
    )
    for row in ("frame", "cpu", "gpu", "project", "sort", "splat", "composite"):
        assert float(rows[row].removesuffix(" ms")) >= 0, row
    assert rows["drawn"].endswith(" of 300")
    assert int(rows["drawn"].split()[0]) > 0
    assert rows["size"] == "320 × 240"
    assert "swiftshader" in rows["adapter"]
    overlay = page.locator("vitrine-view .stats")
    assert overlay.get_attribute("aria-live") == "off"
    page.get_by_role("button", name="Frame times").click()
    assert overlay.is_hidden()

    page.locator("vitrine-view .stage").focus()
    page.keyboard.press("?")
    panel = page.get_by_role("dialog", name="Controls")
    assert panel.is_visible()
    assert "fly" in panel.inner_text()
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert page.evaluate(f"{VIEW}.shadowRoot.activeElement === {part('.stage')}")
    page.keyboard.press("f")
    page.wait_for_function(f"{VIEW}.matches(':fullscreen')")
    page.keyboard.press("f")
    page.wait_for_function(f"!{VIEW}.matches(':fullscreen')")
    page.context.close()


def test_properties_set_before_the_module_are_heeded(open_page: Open) -> None:
    """As attributes are: none hides the element's own, which would do nothing ever after."""
    early = """<script>
        Object.assign(document.querySelector("vitrine-view"), {
            mode: "depth", arranging: true, tool: "measure", speed: 2,
            annotations: [{ id: "a", position: [0, 0, 0], text: "early" }],
        });
    </script>"""
    page = open_page(ELEMENT.format("") + early)
    own = f"Object.keys({VIEW}).filter((name) => name in {VIEW}.constructor.prototype)"
    assert page.evaluate(own) == []
    names = ["mode", "arranging", "tool", "annotations"]
    told = page.evaluate(f"(names) => names.map((name) => {VIEW}[name])", names)
    note = {"id": "a", "position": [0, 0, 0], "text": "early"}
    assert told == ["depth", True, "measure", [note]]
    assert page.evaluate(f"{VIEW}.getAttribute('mode')") == "depth"


def test_two_elements_are_two_scenes_in_one_worker(open_page: Open) -> None:
    page = open_page(BARE + BARE)
    second = "document.querySelectorAll('vitrine-view')[1]"
    settle(page, second)
    assert len(page.workers) == 1
    before = shot(page, 0), shot(page, 1)
    assert changed(*before) == 0
    page.locator("vitrine-view").nth(1).focus()
    page.keyboard.press("ArrowUp")
    settle(page)
    settle(page, second)
    assert changed(before[0], shot(page, 0)) == 0
    assert changed(before[1], shot(page, 1)) > 0.05
    page.context.close()


def test_moving_keeps_the_scene_and_removing_ends_it(open_page: Open) -> None:
    page = open_page("<div id=a>" + BARE + "</div><div id=b></div>")
    page.locator("vitrine-view").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    turned = shot(page)
    worker = page.workers[0]
    page.evaluate(f"document.querySelector('#b').append({VIEW})")
    settle(page)
    assert page.workers == [worker]
    assert changed(turned, shot(page)) == 0
    page.evaluate(f"window.kept = {VIEW}; kept.remove()")
    page.wait_for_timeout(1500)
    assert page.workers == []
    page.evaluate("document.body.append(kept)")
    settle(page)
    assert changed(turned, shot(page)) > 0.05, "it starts anew"

    page.evaluate(f"{VIEW}.dispose()")
    code = page.evaluate(f"{VIEW}.settled().catch(error => error.code)")
    assert code == "disposed"
    assert page.evaluate(f"getComputedStyle({part('.poster')}).opacity") == "1"
    page.wait_for_timeout(1500)
    assert page.workers == []
    page.context.close()


def lose_device(page: Page) -> None:
    """Take the GPU away, and wait until the element has said so and has got over it."""
    page.evaluate(
        f"""() => {{
            window.told = [];
            const message = {part(".message")};
            new MutationObserver(() => told.push(message.textContent))
                .observe(message, {{childList: true}});
        }}"""
    )
    page.workers[0].evaluate("self.onmessage({data: {type: 'lose'}})")
    page.wait_for_function("told.some(text => text.startsWith('The GPU was lost'))")
    page.wait_for_function(part(".message") + ".hidden")
    settle(page)


def test_a_lost_device_comes_back_by_itself(open_page: Open) -> None:
    page = open_page()
    before = shot(page)
    lose_device(page)
    assert changed(before, shot(page)) == 0
    page.locator("vitrine-view").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert changed(before, shot(page)) > 0.05
    page.context.close()


def test_a_lost_device_keeps_the_view(open_page: Open) -> None:
    page = open_page()
    page.locator("vitrine-view").focus()
    page.keyboard.press("ArrowLeft")
    settle(page)
    before = shot(page)
    lose_device(page)
    after = shot(page)
    page.context.close()
    assert changed(before, after) == 0


def test_no_webgpu_is_told_over_the_poster(open_page: Open) -> None:
    hide = "Object.defineProperty(navigator, 'gpu', {value: undefined})"
    page = open_page(BARE, script=hide, wait=False)
    told = page.locator("vitrine-view .message")
    told.wait_for()
    assert "no WebGPU" in told.inner_text()
    assert page.evaluate(f"{VIEW}.ready.catch(error => error.code)") == "no-webgpu"
    page.wait_for_timeout(300)
    assert shot(page).std() > 10, "the poster"
    assert page.workers == []
    page.context.close()


def test_a_failed_download_names_the_file_and_can_be_retried(open_page: Open) -> None:
    page = open_page("", wait=False)

    def gone(route: Route) -> None:
        route.fulfill(status=503, body="later")

    page.context.route("**/scene/scene.json", gone)
    page.evaluate(f"document.body.innerHTML = '{BARE}'")
    told = page.locator("vitrine-view .message")
    told.get_by_role("button", name="Retry").wait_for()
    assert "scene/scene.json" in told.inner_text()
    assert "503" in told.inner_text()
    assert page.evaluate(f"{VIEW}.ready.catch(error => error.code)") == "download"
    assert shot(page).std() > 10, "the poster"
    page.context.unroute("**/scene/scene.json")
    told.get_by_role("button", name="Retry").click()
    settle(page)
    assert told.is_hidden()
    page.context.close()
