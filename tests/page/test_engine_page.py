"""The engine in a real Chromium: its pixels against native ones, and what a frame costs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Worker

from pybuild.gaussians import Gaussians
from pybuild.render import in_memory, render
from pybuild.site import build_site
from pyengine.view import View
from tests.page import hooks
from tests.page.hooks import ENTRIES, PROFILE
from tests.pyengine.scenes import CAMERAS, SCENES, SIZE_PX, camera, load_scene, psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

PAGE_DB = 40.0
"""Chromium's adapter against the native one: other compilers, variants and image formats."""
VARIANT_DB = 50.0
"""Variants in one browser: the sort gives the same order, so what is left is where a triangle and
a quad round differently, and half floats."""
CALLS_A_FRAME = 3
BLOCKS_A_FRAME = 2.0
"""Python objects that a frame may leave; counting them makes some itself."""
FRAMES = 20
TIMEOUT_MS = 90_000
"""Pyodide and SwiftShader on two busy cores."""

HTML = f"""<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0 }} vitrine-view {{ width: {SIZE_PX}px; height: {SIZE_PX}px }}</style>
<script type="module" src="vitrine/vitrine-view.mjs"></script>
<vitrine-view src="scene/scene.json" controls="none"></vitrine-view>"""

Pixels = NDArray[np.uint8]


@dataclass(slots=True)
class Shown:
    """A page that shows a scene, and what it complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    @property
    def worker(self) -> Worker:
        """Where the engine runs."""
        return self.page.workers[0]

    def settle(self) -> None:
        """Wait for the frame of the current state."""
        self.page.evaluate("document.querySelector('vitrine-view').settled()")

    def show(self, view: View) -> None:
        """Show a view, and wait for it."""
        self.page.evaluate(
            "(view) => document.querySelector('vitrine-view').setView(view)",
            json.loads(view.to_json()),
        )
        self.settle()

    def pixels(self) -> Pixels:
        """What is on screen in the element's box."""
        png = self.page.locator("vitrine-view").screenshot()
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def send(self, **message: Any) -> None:
        """A message to the worker, past the element."""
        self.worker.evaluate("(data) => self.onmessage({ data })", message)

    def counts(self) -> dict[str, int]:
        """Calls to WebGPU so far."""
        return hooks.counts(self.page)

    def python(self, code: str) -> Any:
        """Value of Python code in the page, as JSON has it."""
        return hooks.python(self.page, code)

    def fly(self, frames: int) -> int:
        """Draw at least so many frames by a held key, and stop; how many they were."""
        before = self.counts()["submit"]
        self.send(type="input", move=[0.02, 0, 0])
        self.worker.evaluate(
            """(until) => new Promise((resolve) => {
                const look = () => self.test.counts.submit >= until
                    ? resolve() : setTimeout(look, 20);
                look();
            })""",
            before + frames,
        )
        self.send(type="input", move=[0, 0, 0])
        self.settle()
        return self.counts()["submit"] - before

    def check_quiet(self) -> None:
        """Nothing was said on the console, and WebGPU found nothing invalid."""
        assert self.complaints == []
        assert self.worker.evaluate("self.test.errors") == []


Open = Callable[..., Shown]


@pytest.fixture(scope="module")
def cloud_of(request: pytest.FixtureRequest) -> Callable[[str], Gaussians]:
    """Loads a scene by its name, once."""

    @cache
    def cloud(name: str) -> Gaussians:
        shared = Path() if name == "sample" else request.getfixturevalue("shared")
        return load_scene(name, shared)

    return cloud


@pytest.fixture(scope="module")
def site_of(
    cloud_of: Callable[[str], Gaussians],
    serve: Callable[[Path], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], str]:
    """Builds and serves a scene by its name, once; its URL."""

    @cache
    def site(name: str) -> str:
        folder = tmp_path_factory.mktemp("engine") / name
        build_site(cloud_of(name), folder)
        return serve(folder).rstrip("/") + "/"

    return site


@pytest.fixture(scope="module")
def open_scene(browser: Browser, site_of: Callable[[str], str]) -> Iterator[Open]:
    """Opens a scene in a page of its own; pages close with the module.

    ``override`` replaces what the page tells the engine of its adapter.
    """
    contexts = []

    def open_(name: str, override: dict[str, Any] | None = None) -> Shown:
        context = browser.new_context(viewport={"width": 400, "height": 400}, device_scale_factor=1)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        shown = Shown(page)

        def complain(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                shown.complaints.append(message.text)

        page.on("console", complain)
        page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=HTML))
        hooks.install(page, override)
        page.goto(site_of(name) + "test.html")
        page.evaluate(
            """async () => {
                await customElements.whenDefined('vitrine-view');
                await document.querySelector('vitrine-view').ready;
            }"""
        )
        shown.settle()
        return shown

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page_of(open_scene: Open) -> Callable[[str], Shown]:
    """A scene's page that tests share; each sets the view that it needs."""
    return cache(open_scene)


@pytest.fixture
def guitar(page_of: Callable[[str], Shown]) -> Shown:
    """The guitar's page, with its first view on screen."""
    shown = page_of("guitar")
    shown.send(type="reset")
    shown.settle()
    return shown


@pytest.mark.parametrize("view_name", CAMERAS)
@pytest.mark.parametrize("name", SCENES)
def test_the_page_shows_what_native_rendering_draws(
    adapter: Any,
    cloud_of: Callable[[str], Gaussians],
    page_of: Callable[[str], Shown],
    name: str,
    view_name: str,
) -> None:
    """The canvas on screen, through the compositor, against wgpu-py's picture."""
    cloud = cloud_of(name)
    shown, view = page_of(name), camera(cloud, view_name)
    expected = render(*in_memory(cloud), view)
    shown.show(view)
    ratio = psnr_db(shown.pixels(), expected)
    print(f"{name}, {view_name}: page against native {ratio:.2f} dB")
    assert ratio >= PAGE_DB
    shown.check_quiet()


def test_a_still_camera_runs_nothing(guitar: Shown) -> None:
    """For a second: no submission, no upload, no call into Python."""
    guitar.worker.evaluate("(code) => self.test.python.runPython(code)", PROFILE)
    before = guitar.counts()
    guitar.page.wait_for_timeout(1000)
    entries = guitar.python(ENTRIES)
    guitar.python("sys.setprofile(None)")
    assert guitar.counts() == before
    assert entries == []


def test_calls_between_javascript_and_python(guitar: Shown) -> None:
    """One call a frame, told by Python's profiler and by the worker's own counter.

    The frame that finds that nothing moves any more is one more call.
    """
    guitar.fly(3)
    calls = counter(guitar)
    guitar.worker.evaluate("(code) => self.test.python.runPython(code)", PROFILE)
    frames = guitar.fly(FRAMES)
    entries = guitar.python(ENTRIES)
    guitar.python("sys.setprofile(None)")
    print(f"{len(entries)} calls into Python for {frames} frames")
    assert set(entries) == {"frame"}
    assert frames <= len(entries) <= CALLS_A_FRAME * frames
    assert counter(guitar) - calls == len(entries)


def counter(shown: Shown) -> int:
    """The worker's own count of its calls into Python."""
    calls: int = shown.worker.evaluate(
        """() => {
            const post = self.postMessage;
            let answer = null;
            self.postMessage = (message) => { answer = message; };
            self.onmessage({ data: { type: 'counters', id: 1 } });
            self.postMessage = post;
            return answer.calls;
        }"""
    )
    return calls


def test_steady_frames_make_nothing(guitar: Shown) -> None:
    """No GPU object but an encoder and a view of the canvas's texture, and no reading back.

    One upload and one submission a frame.
    """
    guitar.fly(3)
    before = guitar.counts()
    frames = guitar.fly(FRAMES)
    made = {name: n - before.get(name, 0) for name, n in guitar.counts().items()}
    made = {name: n for name, n in made.items() if n}
    assert made == {
        "createCommandEncoder": frames,
        "createView": frames,
        "writeBuffer": frames,
        "submit": frames,
    }
    guitar.check_quiet()


def test_steady_frames_keep_no_python_objects(guitar: Shown) -> None:
    """What a frame allocates in Python it frees: a long visit does not grow."""
    guitar.python("__import__('sys').getallocatedblocks()")
    guitar.fly(3)
    before = guitar.python("__import__('sys').getallocatedblocks()")
    frames = guitar.fly(FRAMES)
    grown = guitar.python("__import__('sys').getallocatedblocks()") - before
    assert grown <= BLOCKS_A_FRAME * frames


def test_the_overlay_times_every_pass(guitar: Shown) -> None:
    """More passes than the timer has stamps for would be invalid, and the frame would be lost."""
    guitar.worker.evaluate(
        """() => {
            const post = self.post = self.postMessage;
            self.frames = [];
            self.postMessage = (message) => {
                if (message.type === 'frame') self.frames.push(message);
                else post.call(self, message);
            };
        }"""
    )
    guitar.send(type="overlay", on=True)
    guitar.fly(5)
    frames = guitar.worker.evaluate("() => { self.postMessage = self.post; return self.frames; }")
    guitar.send(type="overlay", on=False)
    guitar.settle()
    guitar.check_quiet()
    assert frames
    for frame in frames:
        assert frame["drawn"] > 1000
        assert {label.split("_")[0].split(".")[0] for label in frame["gpuMs"]} == {
            *("project", "sort", "splat", "composite")
        }
        assert all(0 <= ms < 10_000 for ms in frame["gpuMs"].values())


def test_a_resized_box_is_drawn_at_its_size(
    cloud_of: Callable[[str], Gaussians], page_of: Callable[[str], Shown], adapter: Any
) -> None:
    """Textures and bind groups are made anew; the old ones are freed."""
    shown, cloud = page_of("guitar"), cloud_of("guitar")
    view = camera(cloud, "close")
    shown.show(view)
    shown.page.evaluate("document.querySelector('vitrine-view').style.width = '161px'")
    shown.settle()
    expected = render(*in_memory(cloud), view.scaled(161, SIZE_PX))
    assert psnr_db(shown.pixels(), expected) >= PAGE_DB
    shown.page.evaluate("document.querySelector('vitrine-view').style.width = ''")
    shown.settle()
    assert psnr_db(shown.pixels(), render(*in_memory(cloud), view)) >= PAGE_DB
    shown.check_quiet()


@pytest.mark.parametrize(
    "override",
    [
        {"software": False, "subgroup_size": 4},
        {"software": False, "subgroup_size": 0},
        {"software": True, "float32_blendable": False},
    ],
    ids=["subgroups", "portable", "serial, half floats"],
)
def test_variants_give_the_same_picture(
    cloud_of: Callable[[str], Gaussians],
    page_of: Callable[[str], Shown],
    open_scene: Open,
    override: dict[str, Any],
) -> None:
    """Those that this adapter would not choose; SwiftShader's subgroups have 4 lanes."""
    view = camera(cloud_of("guitar"), "close")
    usual, other = page_of("guitar"), open_scene("guitar", override)
    usual.show(view)
    other.show(view)
    ratio = psnr_db(other.pixels(), usual.pixels())
    print(f"{override}: {ratio:.2f} dB")
    assert ratio >= VARIANT_DB
    other.check_quiet()
    other.page.context.close()


def test_a_lost_device_comes_back_with_the_same_pixels(
    cloud_of: Callable[[str], Gaussians], open_scene: Open
) -> None:
    """By itself, twice; the camera stays where it was."""
    shown = open_scene("guitar")
    shown.show(camera(cloud_of("guitar"), "close"))
    before = shown.pixels()
    assert before.any()
    for devices in (2, 3):
        shown.send(type="lose")
        shown.worker.evaluate(
            """(devices) => new Promise((resolve) => {
                const look = () => self.test.devices >= devices ? resolve() : setTimeout(look, 20);
                look();
            })""",
            devices,
        )
        shown.settle()
        assert (shown.pixels() == before).all()
    assert shown.worker.evaluate("self.test.errors") == []
    shown.page.context.close()
