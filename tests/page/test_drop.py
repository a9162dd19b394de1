"""Files dropped on the page: unpacked by its GPU, they look as the build would show them."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from pybuild import formats
from pybuild.formats import compressed_ply, ply, splat, spz
from pybuild.framing import default_pose
from pybuild.gaussians import Gaussians
from pybuild.render import in_memory, render
from pybuild.site import build_site
from pyengine.view import WORLD_UP, View
from tests.page.test_element import lose_device
from tests.pyengine.scenes import psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

PAGE_DB = 40.0
"""Another adapter, other compilers, and the file unpacked by shaders instead of numpy."""
TIMEOUT_MS = 90_000
"""Pyodide and SwiftShader on two busy cores."""
SIZE_PX = 256
VIEW = "document.querySelector('vitrine-view')"

HTML = f"""<!doctype html><meta charset="utf-8">
<style>body {{{{ margin: 0 }}}}
vitrine-view {{{{ width: {SIZE_PX}px; height: {SIZE_PX}px }}}}</style>
<script type="module" src="vitrine/vitrine-view.mjs"></script>
<vitrine-view {{0}} controls="none"></vitrine-view>"""

LOAD = """async ([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = document.querySelector('vitrine-view');
    const info = await view.loadFile(new File([bytes], name));
    await view.settled();
    return info;
}"""
"""As a drop does, less the dragging: the element hands both to the same function."""

TRIED = """async ([name, text]) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const view = document.querySelector('vitrine-view');
    try {
        await view.loadFile(new File([bytes], name));
    } catch ({ code, message }) {
        return { code, message };
    }
    return null;
}"""

Pixels = NDArray[np.uint8]


def cloud(count: int, degree: int, seed: int = 5) -> Gaussians:
    """A lopsided ball of coloured splats within what every format holds."""
    rng = np.random.default_rng(seed)
    quaternions = rng.normal(size=(count, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    positions = rng.normal(size=(count, 3)) * (1.0, 0.6, 0.8)
    sh = rng.normal(size=(count, (degree + 1) ** 2, 3)) * 0.15
    sh[:, 0] = np.where(positions > 0, 1.2, -1.2)
    return Gaussians(
        positions.astype(np.float32),
        rng.uniform(-4, -2.2, (count, 3)).astype(np.float32),
        quaternions.astype(np.float32),
        rng.uniform(-1, 4, count).astype(np.float32),
        sh.astype(np.float32),
    )


FILES: dict[str, Callable[[], bytes]] = {
    "degree-3.ply": lambda: ply.encode(cloud(5000, 3)),
    "big-endian.ply": lambda: ply.encode(cloud(700, 1), "binary_big_endian"),
    "packed.compressed.ply": lambda: compressed_ply.encode(cloud(3000, 2)),
    "plain.splat": lambda: splat.encode(cloud(2000, 0)),
    "two.spz": lambda: spz.encode(cloud(2000, 1), 2),
    "three.spz": lambda: spz.encode(cloud(2000, 3), 3),
    "four.spz": lambda: spz.encode(cloud(2000, 3), 4),
}


def view_of(gaussians: Gaussians) -> View:
    """The view that a build would choose."""
    pose = default_pose(gaussians)
    return View.look_at(pose.eye, pose.target, WORLD_UP, pose.fov_deg, SIZE_PX, SIZE_PX)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where a site of another cloud is served."""
    folder = tmp_path_factory.mktemp("drop") / "site"
    build_site(cloud(300, 0, seed=9), folder)
    return serve(folder).rstrip("/") + "/"


@pytest.fixture(scope="module")
def open_page(browser: Browser, url: str) -> Iterator[Callable[[str], Page]]:
    """Opens a page with an element of these attributes."""
    contexts = []

    def open_(attributes: str) -> Page:
        context = browser.new_context(viewport={"width": 320, "height": 320})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        body = HTML.format(attributes)
        page.route("**/drop.html", lambda r: r.fulfill(content_type="text/html", body=body))
        page.goto(url + "drop.html")
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(open_page: Callable[[str], Page]) -> Page:
    """A page that shows a scene already."""
    page = open_page('src="scene/scene.json"')
    settle(page)
    return page


def settle(page: Page) -> None:
    """Wait for the frame of the current state."""
    page.evaluate("document.querySelector('vitrine-view').settled()")


def show(page: Page, view: View) -> None:
    """Show a view, and wait for it."""
    page.evaluate(
        "(view) => document.querySelector('vitrine-view').setView(view)", json.loads(view.to_json())
    )
    settle(page)


def pixels(page: Page) -> Pixels:
    """What is on screen in the element's box, once the last message has faded out."""
    page.wait_for_timeout(600)
    png = page.locator("vitrine-view").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def argument(name: str, data: bytes) -> list[str]:
    """What `LOAD` and `TRIED` take."""
    return [name, base64.b64encode(data).decode()]


def load(page: Page, name: str, data: bytes) -> dict[str, Any]:
    """Drop a file and wait until it is on screen; what the element says of it."""
    info: dict[str, Any] = page.evaluate(LOAD, argument(name, data))
    return info


def check_shown(page: Page, name: str, data: bytes) -> None:
    """The picture is that of the native engine, of the file as numpy reads it."""
    gaussians = formats.parse(data, name)
    view = view_of(gaussians)
    show(page, view)
    assert psnr_db(pixels(page), render(*in_memory(gaussians), view)) >= PAGE_DB


@pytest.mark.parametrize("name", FILES)
def test_a_dropped_file_looks_as_built(page: Page, name: str) -> None:
    """Each format, one file after the other in one page; the camera is placed by the file."""
    data = FILES[name]()
    info = load(page, name, data)
    gaussians = formats.parse(data, name)
    assert info["count"] == gaussians.count
    assert info["shDegree"] == gaussians.sh_degree
    placed = render(*in_memory(gaussians), view_of(gaussians))
    assert psnr_db(pixels(page), placed) > 20  # the same camera, within its rounding
    check_shown(page, name, data)


def test_the_guitar(page: Page, shared: Path) -> None:
    """A real scene of 90,854 splats."""
    path = shared / "assets/compressed-ply/guitar.compressed.ply"
    data = path.read_bytes()
    assert load(page, path.name, data)["count"] == 90_854
    check_shown(page, path.name, data)


BAD: dict[str, tuple[bytes, str]] = {
    "text.ply": (ply.encode(cloud(3, 0), "ascii"), r"does not read ascii PLY.*vitrine build"),
    "short.ply": (ply.encode(cloud(300, 0))[:-40], r"ends inside element 'vertex'"),
    "odd.splat": (b"123", r"multiple of 32 bytes"),
    "cut.spz": (spz.encode(cloud(500, 1), 3)[:-300], r"gzip stream is damaged"),
    "cut-4.spz": (spz.encode(cloud(500, 1), 4)[:-300], r"stream 'sh' has a wrong size"),
    "other.spz": (b"\x1f\x8b nothing", r"gzip stream is damaged"),
    "nan.splat": (b"\xff" * 64, r"none of its 2 splats can be drawn"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_leaves_the_scene(page: Page, name: str) -> None:
    """One line that says what is wrong; what was shown is shown still, and goes on."""
    good = FILES["plain.splat"]()
    load(page, "plain.splat", good)
    data, message = BAD[name]
    told = page.evaluate(TRIED, argument(name, data))
    assert told["code"] == "file"
    assert name in told["message"]
    assert "\n" not in told["message"]
    assert re.search(message, told["message"]), told["message"]
    settle(page)
    page.get_by_role("button", name="Close").click()
    check_shown(page, "plain.splat", good)


def test_a_file_that_cannot_be_read_leaves_the_scene(page: Page) -> None:
    """As of a disk that was pulled out meanwhile."""
    load(page, "plain.splat", FILES["plain.splat"]())
    told = page.evaluate(
        f"""async () => {{
            const file = new File(["1"], "gone.ply");
            file.arrayBuffer = async () => {{ throw new DOMException("it is gone"); }};
            return {VIEW}.loadFile(file).catch(({{code, message}}) => ({{code, message}}));
        }}"""
    )
    assert told["code"] == "file"
    assert "gone.ply could not be read: " in told["message"]
    page.get_by_role("button", name="Close").click()
    check_shown(page, "plain.splat", FILES["plain.splat"]())


def test_a_real_drop(page: Page, tmp_path: Path) -> None:
    """A file of the disk, by the browser's own drag: it drops nothing where nobody has asked."""
    data = FILES["plain.splat"]()
    (tmp_path / "plain.splat").write_bytes(data)
    page.evaluate(f"window.shown = new Promise((done) => {VIEW}.on('ready', done)); null")
    session = page.context.new_cdp_session(page)
    dragged = {"items": [], "files": [str(tmp_path / "plain.splat")], "dragOperationsMask": 1}
    over = page.locator("vitrine-view .drop")
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"type": kind, "x": 40, "y": 40, "data": dragged}
        session.send("Input.dispatchDragEvent", place)
        assert over.is_visible() == (kind != "drop")
    assert page.evaluate("shown.then(({ count }) => count)") == 2000
    check_shown(page, "plain.splat", data)


def test_a_page_without_a_scene(open_page: Callable[[str], Page]) -> None:
    """An element that waits for a file starts its engine when one comes."""
    page = open_page("")
    data = FILES["plain.splat"]()
    load(page, "plain.splat", data)
    check_shown(page, "plain.splat", data)


def test_a_file_is_not_seen_as_the_address_of_another_scene_says(
    open_page: Callable[[str], Page],
) -> None:
    """A visitor turned the scene, so that the address has its camera, and then drops a file."""
    page = open_page('src="scene/scene.json" hash')
    settle(page)
    page.evaluate(f"{VIEW}.setCamera({{ eye: [0, -3, -50], target: [0, 0, 90] }})")
    page.wait_for_function("location.hash.startsWith('#v=1')")
    load(page, "plain.splat", FILES["plain.splat"]())
    eye = page.evaluate(f"{VIEW}.getState().then(({{ camera }}) => camera.eye)")
    assert eye != [0, -3, -50]


def test_a_lost_device_brings_the_file_back(open_page: Callable[[str], Page]) -> None:
    """Not the scene of the site, and with the view that was set."""
    page = open_page('src="scene/scene.json"')
    settle(page)
    data = FILES["plain.splat"]()
    load(page, "plain.splat", data)
    view = view_of(formats.parse(data, "plain.splat"))
    show(page, view)
    lose_device(page)
    native = render(*in_memory(formats.parse(data, "plain.splat")), view)
    assert psnr_db(pixels(page), native) >= PAGE_DB
