"""Objects of a scene in a real Chromium: moved by the page, drawn as the native engine does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from playwright.sync_api import Browser

from pybuild import formats
from pybuild.assembling import Assembled, assemble_scene
from pybuild.render import Renderer
from pybuild.scene_file import read_scene_file
from pybuild.site import build_site
from pyengine.view import WORLD_UP, View
from tests.page import hooks
from tests.page.test_engine_page import (
    ENTRIES,
    HTML,
    PAGE_DB,
    PROFILE,
    TIMEOUT_MS,
    Pixels,
    Shown,
)
from tests.pybuild.generators.small_generators import row
from tests.pyengine.passes.test_objects import blob
from tests.pyengine.scenes import SIZE_PX, psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

ELEMENT = "document.querySelector('vitrine-view')"
VIEW = View.look_at((1.2, -1.4, -4.6), (0.0, 0.2, 0.0), WORLD_UP, 50, SIZE_PX, SIZE_PX)
SCENE = """
[[object]]
file = "a.ply"

[[object]]
file = "b.ply"
position = [0.4, 0.3, -0.2]
scale = 0.8

[[object]]
name = "dots"
file = "dots.onnx"
position = [0, -1, 0]
"""
CHANGES = {
    "a": {"position": [-0.5, 0.1, 0.3], "rotation": [0.1, 0.7, -0.2, 0.67], "opacity": 0.8},
    "b": {"scale": [0.5, 1.4, 0.9], "tint": [0.4, 1.2, 1.5]},
    "dots": {"position": [0.2, 0.9, -0.4], "rotation": [0, 0, 0.38, 0.92], "scale": 1.3},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clouds, a row of dots that a network makes, and the scene.toml of all."""
    folder = tmp_path_factory.mktemp("objects")
    formats.write(folder / "a.ply", blob(500, 1, 21))
    formats.write(folder / "b.ply", blob(300, 3, 22))
    onnx.save(row(bounds=((-1, 0, 0), (1, 0, 0))), str(folder / "dots.onnx"))
    (folder / "scene.toml").write_text(SCENE)
    return folder


@pytest.fixture(scope="module")
def shown(folder: Path, browser: Browser, serve: Callable[[Path], str]) -> Iterator[Shown]:
    """The scene's page, which the tests share."""
    build_site(folder / "scene.toml", folder / "site")
    url = serve(folder / "site").rstrip("/") + "/"
    context = browser.new_context(viewport={"width": 400, "height": 400}, device_scale_factor=1)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    found = Shown(page)
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=HTML))
    hooks.install(page)
    page.goto(url + "test.html")
    page.evaluate(
        f"customElements.whenDefined('vitrine-view').then(() => {ELEMENT}.ready).then(() => 0)"
    )
    found.show(VIEW)
    yield found
    context.close()


@pytest.fixture
def page(shown: Shown, folder: Path) -> Shown:
    """The shared page with its objects where scene.toml has them."""
    for entry in read_scene_file(folder / "scene.toml").entries:
        place(shown, entry.name, entry.placement.to_dict())
    shown.settle()
    return shown


@pytest.fixture(scope="module")
def assembled(folder: Path) -> Assembled:
    """The same scene for the native engine."""
    return assemble_scene(read_scene_file(folder / "scene.toml"))


def place(shown: Shown, name: str, changes: dict[str, Any]) -> dict[str, str] | None:
    """``setObject``; what it was rejected with."""
    wrong: dict[str, str] | None = shown.page.evaluate(
        f"""([name, changes]) => {ELEMENT}.setObject(name, changes).then(
            () => null, ({{code, message}}) => ({{code, message}}))""",
        [name, changes],
    )
    return wrong


def native(assembled: Assembled, adapter: Any, changes: dict[str, Any]) -> Pixels:
    """The native engine's picture."""
    scene, load = assembled.scene, assembled.composed.load
    with Renderer(scene, load, SIZE_PX, SIZE_PX, assembled.network, adapter) as renderer:
        for name, change in changes.items():
            assert renderer.engine.objects is not None
            renderer.engine.objects.set(name, change)
        image: Pixels = renderer.draw(VIEW)
    return image


def test_objects_that_the_page_moves(page: Shown, assembled: Assembled, adapter: Any) -> None:
    """Clouds and the network's dots, by pixels; back where they were, the picture is too."""
    before = page.pixels()
    assert psnr_db(before, native(assembled, adapter, {})) >= PAGE_DB
    for name, changes in CHANGES.items():
        assert place(page, name, changes) is None
    page.settle()
    image = page.pixels()
    assert psnr_db(image, native(assembled, adapter, CHANGES)) >= PAGE_DB
    assert psnr_db(image, before) < 30, "nothing moved"
    hidden = {name: {"visible": name == "b"} for name in CHANGES}
    for name, changes in hidden.items():
        place(page, name, changes)
    page.settle()
    both = {name: CHANGES[name] | hidden[name] for name in CHANGES}
    assert psnr_db(page.pixels(), native(assembled, adapter, both)) >= PAGE_DB
    page.check_quiet()


def test_what_the_page_is_told(page: Shown, folder: Path) -> None:
    """The objects as they stand, and the text that brings them back."""
    place(page, "b", {"scale": 2, "rotation": [0, 0, 3, 4]})
    (b,) = (o for o in page.page.evaluate(f"{ELEMENT}.objects") if o["name"] == "b")
    assert (b["scale"], b["rotation"], b["count"]) == ([2, 2, 2], [0, 0, 0.6, 0.8], 300)
    text = page.page.evaluate(f"{ELEMENT}.saveScene()")
    (folder / "saved.toml").write_text(text)
    saved = read_scene_file(folder / "saved.toml")
    assert [entry.file for entry in saved.entries] == ["a.ply", "b.ply", "dots.onnx"]
    assert saved.entries[1].placement.scale == (2, 2, 2)
    assert saved.entries[1].placement.rotation == (0, 0, 0.6, 0.8)
    assert saved.entries[2].placement.position == (0, -1, 0)


def test_what_cannot_be(page: Shown) -> None:
    """The promise is rejected with what is wrong; the picture stays."""
    before = page.pixels()
    assert place(page, "c", {"scale": 2}) == {
        "code": "object",
        "message": "object 'c': there is none; there are: a, b, dots",
    }
    wrong = place(page, "a", {"scale": -1, "position": [9, 9, 9]})
    assert wrong is not None
    assert wrong["message"].startswith("object 'a': 'scale' must be a number from")
    wrong = place(page, "a", {"positon": [0, 0, 0]})
    assert wrong is not None
    assert "did you mean 'position'?" in wrong["message"]
    page.settle()
    assert np.array_equal(page.pixels(), before)
    page.check_quiet()


def test_an_object_that_moves_with_each_frame(page: Shown) -> None:
    """One call into Python a frame, two uploads, no GPU object that other frames do not make."""
    page.worker.evaluate("(code) => self.test.python.runPython(code)", PROFILE)
    before = page.counts()
    steps = 20
    page.worker.evaluate(
        """(steps) => new Promise((resolve) => {
            const post = self.postMessage;
            let step = 0;
            const next = () => {
                const changes = { position: [step / 100, 0, 0] };
                self.onmessage({ data: { type: 'object', name: 'a', changes, id: -(++step) } });
            };
            self.postMessage = (message) => {
                if (message.type !== 'placed') post.call(self, message);
                else if (step < steps) next();
                else {
                    self.postMessage = post;
                    resolve();
                }
            };
            next();
        })""",
        steps,
    )
    page.settle()
    entries = page.python(ENTRIES)
    page.python("sys.setprofile(None)")
    made = {name: n - before.get(name, 0) for name, n in page.counts().items()}
    made = {name: n for name, n in made.items() if n}
    assert set(entries) == {"frame"}
    assert steps <= len(entries) <= 2 * steps + 2
    frames = steps - 1  # the first step leaves it where it was
    assert made == {
        "createCommandEncoder": frames,
        "createView": frames,
        "writeBuffer": 2 * frames,
        "submit": frames,
    }
    page.check_quiet()


def test_a_link_has_them_where_they_are(page: Shown, browser: Browser) -> None:
    """In a fresh page: the same pixels, and the element knows; only what was changed is said."""
    for name, changes in CHANGES.items():
        place(page, name, changes)
    place(page, "dots", {"visible": False})
    page.settle()
    wanted = page.pixels()
    link = page.page.evaluate(f"{ELEMENT}.link()")
    assert "obj.a=p-0.5,0.1,0.3;r" in link
    assert "obj.b=s0.5,1.4,0.9;t0.4,1.2,1.5&" in link + "&"
    known = page.page.evaluate(f"{ELEMENT}.objects")
    context = browser.new_context(viewport={"width": 400, "height": 400}, device_scale_factor=1)
    other = context.new_page()
    other.set_default_timeout(TIMEOUT_MS)
    html = HTML.replace("<vitrine-view", "<vitrine-view hash")
    other.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=html))
    other.goto(link.replace("#v=1", "#v=1&obj.c=s2"))
    fresh = Shown(other)
    other.evaluate(
        f"customElements.whenDefined('vitrine-view').then(() => {ELEMENT}.settled()).then(() => 0)"
    )
    told = other.locator("vitrine-view .message")
    told.wait_for()
    assert "object 'c': there is none; there are: a, b, dots; passed over" in told.inner_text()
    told.get_by_role("button", name="Close").click()
    fresh.settle()
    assert np.abs(fresh.pixels().astype(int) - wanted).max() <= 1, "a last bit of 9 digits"
    for one, before in zip(other.evaluate(f"{ELEMENT}.objects"), known, strict=True):
        for key in ("position", "rotation", "scale", "tint"):
            assert one[key] == pytest.approx(before[key], abs=1e-8)
        assert (one["visible"], one["opacity"]) == (before["visible"], before["opacity"])
    other.evaluate("location.hash = 'v=1'")
    other.wait_for_function(f"{ELEMENT}.objects.every((object) => object.visible)")
    assert other.evaluate(f"{ELEMENT}.objects[1].position") == [0.4, 0.3, -0.2]
    other.evaluate(f"{ELEMENT}.setObject('a', {{ scale: 2 }})")
    other.wait_for_function("location.hash.includes('obj.a=s2')")
    context.close()


def test_a_lost_device_finds_them_where_they_were(page: Shown) -> None:
    """As the visitor left them."""
    for name, changes in CHANGES.items():
        place(page, name, changes)
    page.settle()
    before = page.pixels()
    page.send(type="lose")
    page.worker.evaluate(
        """() => new Promise((resolve) => {
            const look = () => self.test.devices >= 2 ? resolve() : setTimeout(look, 20);
            look();
        })"""
    )
    page.settle()
    assert np.array_equal(page.pixels(), before)


GRAB = """([handle, pull]) => {
    const root = VIEW.shadowRoot;
    const grip = root.querySelector(`[data-handle="${handle}"]`);
    const { left, top } = grip.ownerSVGElement.getBoundingClientRect();
    const at = (share) => {
        const { x, y } = grip.getPointAtLength(share * grip.getTotalLength());
        return [left + x, top + y];
    };
    for (let share = 0.98; share > 0; share -= 0.02) {
        const [x, y] = at(share);
        if (root.elementFromPoint(x, y) === grip) return [x, y, ...at(Math.max(0, share - pull))];
    }
    throw new Error(`nowhere to grab ${handle}`);
}""".replace("VIEW", ELEMENT)
"""Where a handle lies on top, and where its line has come so much earlier."""


def drag(shown: Shown, handle: str, pull: float, dx: float = 0) -> dict[str, Any]:
    """Drag a handle of the selected object along its own line, and aside; the object then."""
    mouse = shown.page.mouse
    x, y, to_x, to_y = shown.page.evaluate(GRAB, [handle, pull])
    mouse.move(x, y)
    mouse.down()
    mouse.move((x + to_x + dx) / 2, (y + to_y) / 2)
    mouse.move(to_x + dx, to_y)
    mouse.up()
    shown.page.wait_for_function(f"!{ELEMENT}.shadowRoot.querySelector('.gizmo.busy')")
    shown.settle()
    (found,) = (o for o in shown.page.evaluate(f"{ELEMENT}.objects") if o["name"] == "b")
    return dict(found)


def test_handles(page: Shown, assembled: Assembled, adapter: Any) -> None:
    """An arrow moves along its axis alone, a ring turns about it, the circle scales; the camera
    stays, and what is drawn is what the native engine draws of the object there.
    """
    page.page.evaluate(f"{ELEMENT}.select('b')")
    page.settle()
    page.page.wait_for_function(
        f"{ELEMENT}.shadowRoot.querySelector('.gizmo .tip').hasAttribute('cx')"
    )
    moved = drag(page, "move.x", 0.6)
    assert abs(moved["position"][0] - 0.4) > 0.05
    assert moved["position"][1:] == pytest.approx([0.3, -0.2])
    turned = drag(page, "turn.y", 0.1)
    x, y, z, _ = turned["rotation"]
    assert (x, z) == pytest.approx((0, 0), abs=1e-9)
    assert abs(y) > 0.05
    scaled = drag(page, "scale", 0.0, 12)
    assert scaled["scale"][0] == scaled["scale"][1] != 0.8
    assert scaled["position"] == moved["position"]
    page.page.evaluate(f"{ELEMENT}.select(null)")
    page.settle()
    changes = {key: scaled[key] for key in ("position", "rotation", "scale")}
    assert psnr_db(page.pixels(), native(assembled, adapter, {"b": changes})) >= PAGE_DB
    page.check_quiet()


def stands(shown: Shown, name: str) -> Any:
    """An object as the element has it."""
    return next(o for o in shown.page.evaluate(f"{ELEMENT}.objects") if o["name"] == name)


def stood(shown: Shown) -> None:
    """Wait for what keys and drags did."""
    shown.page.wait_for_function(f"!{ELEMENT}.shadowRoot.querySelector('.gizmo.busy')")
    shown.settle()


FOCUSED = f"{ELEMENT}.shadowRoot.activeElement.ariaLabel"


def test_keys_on_handles(page: Shown) -> None:
    """Tab from the scene; an arrow moves along the axis that the label tells, with Shift by a
    tenth; the value is told, the camera stays; Escape goes back.
    """
    page.page.evaluate(f"{ELEMENT}.select('b')")
    page.settle()
    eye = page.page.evaluate(f"{ELEMENT}.getState()")["camera"]["eye"]
    keyboard, handles = page.page.keyboard, page.page.get_by_role("group", name="Handles of b")
    page.page.locator("vitrine-view .stage").focus()
    labels = []
    for _ in range(8):
        keyboard.press("Tab")
        labels.append(page.page.evaluate(FOCUSED))
    along, about = ([f"{what} {axis}" for axis in "xyz"] for what in ("Move along", "Turn about"))
    assert labels == ["Move across the view", *along, *about, "Scale"]
    x = handles.get_by_role("slider", name="Move along x")
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowRight"):
        x.press(key)
    stood(page)
    moved = stands(page, "b")["position"]
    step = (moved[0] - 0.4) / 2.1
    assert f"{step:.6g}"[-1] in "125"
    assert step > 0
    assert moved[1:] == [0.3, -0.2]
    assert float(x.get_attribute("aria-valuetext") or "") == pytest.approx(moved[0], rel=1e-3)
    about_y = handles.get_by_role("slider", name="Turn about y")
    for _ in range(3):
        about_y.press("ArrowLeft")
    stood(page)
    assert about_y.get_attribute("aria-valuetext") in ("15°", "-15°")
    handles.get_by_role("slider", name="Scale").press("ArrowDown")
    stood(page)
    assert stands(page, "b")["scale"] == pytest.approx([0.8 / 1.05] * 3)
    assert page.page.evaluate(f"{ELEMENT}.getState()")["camera"]["eye"] == eye
    keyboard.press("Escape")
    assert page.page.evaluate(f"{ELEMENT}.shadowRoot.activeElement.className") == "stage"
    page.page.evaluate(f"{ELEMENT}.select(null)")
    assert handles.count() == 0
    page.check_quiet()


def test_escape_cancels_a_drag(page: Shown) -> None:
    """The object is as before, and what the pointer does until it is let go does nothing."""
    page.page.evaluate(f"{ELEMENT}.select('b')")
    page.settle()
    before = stands(page, "b")
    x, y, to_x, to_y = page.page.evaluate(GRAB, ["move.x", 0.6])
    mouse = page.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(to_x, to_y)
    page.page.wait_for_function(f"{ELEMENT}.objects[1].position[0] !== {before['position'][0]}")
    page.page.keyboard.press("Escape")
    mouse.move(x, y)
    mouse.up()
    stood(page)
    assert stands(page, "b") == before
    assert page.page.evaluate(f"{ELEMENT}.selected") == "b"
    page.page.evaluate(f"{ELEMENT}.select(null)")
    page.check_quiet()


def test_a_panel_for_visitors(page: Shown, assembled: Assembled, adapter: Any) -> None:
    """It lists the objects; what it does to one is what the methods do; the scene as a file."""
    stage = page.page.locator("vitrine-view .stage")
    stage.press("o")
    panel = page.page.get_by_role("group", name="Objects")
    assert panel.count() == 0, "without controls"
    page.page.evaluate(f"{ELEMENT}.controls = ''")
    stage.press("o")
    told = page.page.locator("vitrine-view .unseen")
    names = panel.get_by_role("listitem").get_by_role("button").all_inner_texts()
    assert names == ["a", "", "b", "", "dots", ""]
    b = panel.get_by_role("button", name="b", exact=True)
    b.click()
    assert told.inner_text() == "b is selected; its handles come after the scene"
    assert page.page.evaluate(f"{ELEMENT}.selected") == "b"
    assert b.get_attribute("aria-pressed") == "true"
    chosen = panel.get_by_role("group", name="b", exact=True)
    chosen.get_by_role("slider", name="Opacity").fill("0.5")
    chosen.get_by_label("Tint", exact=True).fill("#ff8000")
    panel.get_by_role("button", name="Hide a").click()
    panel.get_by_role("button", name="Show a").wait_for()
    stage.press("o")
    place(page, "dots", {"visible": False})
    stage.press("o")
    panel.get_by_role("button", name="Show dots").click()
    panel.get_by_role("button", name="Hide dots").wait_for()
    page.page.wait_for_function(f"{ELEMENT}.objects[1].tint[1] < 1")
    assert told.inner_text() == "dots is shown"
    with page.page.expect_download() as saving:
        panel.get_by_role("button", name="Save scene").click()
    assert saving.value.suggested_filename == "scene.toml"
    text = Path(saving.value.path()).read_text(encoding="utf-8")
    assert text == page.page.evaluate(f"{ELEMENT}.saveScene()")
    assert "visible = false" in text
    chosen.get_by_role("button", name="To the handles").click()
    assert page.page.evaluate(FOCUSED) == "Move across the view"
    page.page.keyboard.press("Escape")
    b.click()
    assert chosen.count() == 0
    page.page.keyboard.press("o")
    page.page.evaluate(f"{ELEMENT}.controls = 'none'; document.activeElement.blur()")
    page.settle()
    changes = {"a": {"visible": False}, "b": {"opacity": 0.5, "tint": [1, 128 / 255, 0]}}
    assert psnr_db(page.pixels(), native(assembled, adapter, changes)) >= PAGE_DB
    page.page.evaluate(f"{ELEMENT}.controls = ''")
    stage.press("o")
    for name in ("a", "b"):
        panel.get_by_role("button", name=name, exact=True).click()
        panel.get_by_role("button", name="Reset").click()
        page.page.wait_for_function(f"{ELEMENT}.objects[{'ab'.index(name)}].visible")
    page.page.keyboard.press("o")
    page.page.evaluate(f"{ELEMENT}.select(null); {ELEMENT}.controls = 'none'")
    page.page.evaluate("document.activeElement.blur()")
    page.settle()
    assert psnr_db(page.pixels(), native(assembled, adapter, {})) >= PAGE_DB
    page.check_quiet()


ONCE = "addEventListener('pick', done, { once: true })"


def test_a_click_selects(page: Shown) -> None:
    """Where the page lets visitors arrange: the object that is seen there, or none."""
    for name in ("a", "b"):
        place(page, name, {"position": [-0.9 if name == "a" else 0.9, 0, 0], "scale": 0.7})
    page.settle()
    middle = SIZE_PX / 2
    clicks = {"a": (middle - 45, middle - 10), "b": (middle + 45, middle - 10), None: (4, 4)}
    page.page.evaluate(f"{ELEMENT}.arranging = true")
    for name, (x, y) in clicks.items():
        page.page.evaluate(f"void (self.picked = new Promise((done) => {ELEMENT}.{ONCE}))")
        page.page.mouse.click(x, y)
        page.page.evaluate("self.picked.then(() => 0)")
        assert page.page.evaluate(f"{ELEMENT}.selected") == name
    page.page.evaluate(f"{ELEMENT}.arranging = false")
    page.check_quiet()
