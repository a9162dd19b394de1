"""A generator in the page: what is played, turned and given shows in the right pixels."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.page.generated import (
    CLIP_S,
    RATE_HZ,
    SIDE,
    SPEED,
    VIEW,
    Pixels,
    centre,
    open_page,
    part,
    pixels,
    settle,
    write_site,
)
from tests.page.hooks import DISPLAY, counts, python

pytestmark = [pytest.mark.page, pytest.mark.gpu]

HALF_HEIGHT = 3.0
"""World units from the middle of the picture to its edge, where the square is."""
PLACE = 0.02
"""Halves of the height: three pixels, of dots with soft edges."""
STEPPED = f"""
import pyengine.hosts.page as host
real, left = host.Display.frame, [0]

def frame(self, seconds, *rest):
    took, left[0] = 1.01 / {RATE_HZ} if left[0] else 0.0, max(left[0] - 1, 0)
    return real(self, took, *rest)

host.Display.frame = frame
"""
"""Time stands, but for ``left`` frames, each of which is a step of a state."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where the scenes are served."""
    return serve(write_site(tmp_path_factory.mktemp("generators") / "site")).rstrip("/") + "/"


@pytest.fixture(scope="module")
def panel_page(browser: Browser, url: str) -> Iterator[Page]:
    """One page of the panel, with controls and with the calls to WebGPU counted."""
    page = open_page(
        browser,
        url,
        attributes="",
        size=("700px", "400px"),
        hooked=True,
    )
    yield page
    page.context.close()


@pytest.fixture
def panel(panel_page: Page) -> Page:
    """The panel as it is at first."""
    page = panel_page
    page.evaluate(
        f"""async () => {{
            const view = {VIEW};
            view.pause();
            view.speed = 1;
            view.loop = true;
            view.seek(0);
            for (const name of ["lift", "picture", "sound", "time"]) {{
                await view.setInput(name, null);
            }}
        }}"""
    )
    settle(page)
    return page


def do(page: Page, code: str) -> Any:
    """Run JavaScript on the element ``view``, and wait for the frame that shows it."""
    told = page.evaluate(f"async () => {{ const view = {VIEW}; return await ({code}); }}")
    settle(page)
    return told


def place(page: Page) -> tuple[float, float]:
    """Where the middle of the square is, world units: to the right, and up."""
    x, y = centre(pixels(page))
    return HALF_HEIGHT * x, -HALF_HEIGHT * y


def near(at: tuple[float, float], right: float, up: float) -> bool:
    return bool(np.hypot(at[0] - right, at[1] - up) <= PLACE * HALF_HEIGHT)


def clock(page: Page) -> float:
    return float(page.evaluate(f"{VIEW}.time"))


def picture_url(left: tuple[int, int, int], right: tuple[int, int, int]) -> str:
    """Two halves, in a picture that is twice as wide as high; its outer quarters are white."""
    array = np.full((SIDE, 2 * SIDE, 3), 255, np.uint8)
    array[:, SIDE // 2 : SIDE] = left
    array[:, SIDE : SIDE + SIDE // 2] = right
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def halves(image: Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Mean colours of the left and of the right half of what is lit."""
    y, x = np.nonzero(image.max(axis=2) > 40)
    middle = (x.min() + x.max()) / 2
    return image[y, x][x < middle].mean(axis=0), image[y, x][x > middle].mean(axis=0)


RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_the_info_tells_of_the_generator(panel: Page) -> None:
    info = panel.evaluate(f"{VIEW}.ready")
    assert info["count"] == SIDE * SIDE
    assert [feed["role"] for feed in info["generator"]["feeds"]] == [
        *("time", "control", "image", "audio.mel", "pointer")
    ]
    assert panel.evaluate(f"[{VIEW}.duration, {VIEW}.paused, {VIEW}.loop]") == [CLIP_S, True, True]
    assert near(place(panel), 0, 0)


def test_seeking_shows_that_time(panel: Page) -> None:
    for time_s in (1.5, 0.5):
        do(panel, f"view.seek({time_s})")
        assert clock(panel) == time_s
        assert near(place(panel), SPEED * time_s, 0)
    do(panel, "view.time = 2.25")
    assert clock(panel) == pytest.approx(0.25), "a clip that loops takes any time"


def test_a_time_must_be_a_number(panel: Page) -> None:
    ask = f"() => {{ try {{ {VIEW}.seek(NaN) }} catch (error) {{ return String(error) }} }}"
    assert "a time is a number of seconds" in panel.evaluate(ask)


def test_playing_goes_on_and_pausing_stops(panel: Page) -> None:
    told = do(
        panel,
        """new Promise((resolve) => {
            const told = [];
            const note = ({ type, detail }) => {
                told.push([type, detail.time]);
                if (detail.time > 0.4) view.pause();
                if (type !== "pause") return;
                for (const each of ["play", "pause", "timeupdate"]) {
                    view.removeEventListener(each, note);
                }
                resolve(told);
            };
            for (const each of ["play", "pause", "timeupdate"]) view.addEventListener(each, note);
            view.play();
        })""",
    )
    assert [kind for kind, _ in told if kind != "timeupdate"] == ["play", "pause"]
    times = [time for _, time in told]
    assert times == sorted(times)
    assert len(times) > 3
    stopped = clock(panel)
    assert near(place(panel), SPEED * stopped, 0)
    panel.wait_for_timeout(200)
    assert clock(panel) == stopped


def test_a_clip_that_does_not_loop_stops_at_its_end(panel: Page) -> None:
    do(panel, "(view.loop = false, view.speed = 4, view.seek(1.5), view.play())")
    panel.wait_for_function(f"{VIEW}.paused && {VIEW}.time === {CLIP_S}")
    settle(panel)
    assert near(place(panel), SPEED * CLIP_S, 0)
    panel.evaluate(f"{VIEW}.speed = 0.1; {VIEW}.play()")
    panel.wait_for_function(f"!{VIEW}.paused && {VIEW}.time < 1")


def test_a_playing_view_settles_with_the_next_frame(panel: Page) -> None:
    do(panel, "(view.speed = 0.1, view.play())")
    assert panel.evaluate(f"!{VIEW}.paused")
    do(panel, "view.setInput('lift', 1)")
    assert place(panel)[1] == pytest.approx(1, abs=PLACE * HALF_HEIGHT)


def test_set_input(panel: Page) -> None:
    do(panel, "view.setInput('lift', 0.5)")
    assert near(place(panel), 0, 0.5)
    assert panel.locator("vitrine-view .dials input[type=range]").input_value() == "0.5"
    do(panel, "view.setInput('lift', new Float32Array([1]))")
    assert near(place(panel), 0, 1)
    do(panel, "view.setInput('time', [1])")
    assert near(place(panel), SPEED, 1), "the page may hold any input"
    do(panel, "view.setInput('time', null)")
    do(panel, "view.setInput('lift', null)")
    assert near(place(panel), 0, 0)


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        ("setInput('lift', [1, 2])", "input", "'lift': wanted 1"),
        ("setInput('lift', [NaN])", "input", "finite"),
        ("setInput('lift')", "input", "undefined"),
        ("setInput('height', 1)", "input", "no input height; it has time, lift"),
        ("useCamera('lift')", "input", "no image input lift; it has picture"),
        ("setImage('picture', new Blob(['?']))", "media", "No picture"),
        ("setImage('picture', 'no/such.png')", "media", "no/such.png: status 404"),
    ],
)
def test_what_an_input_does_not_take(panel: Page, call: str, code: str, words: str) -> None:
    before = pixels(panel)
    ask = f"view.{call}.catch((error) => [error.code, error.message])"
    got, message = do(panel, ask)
    assert got == code
    assert words in message
    assert (pixels(panel) == before).all()


def test_a_picture_covers_its_input(panel: Page) -> None:
    do(panel, f"view.setImage('picture', {json.dumps(picture_url(RED, BLUE))})")
    left, right = halves(pixels(panel))
    assert left[0] > 2 * left[2]
    assert right[2] > 2 * right[0]
    assert max(left[1], right[1]) < 70, "the white quarters are cut off"
    do(panel, "view.setInput('picture', null)")
    left, right = halves(pixels(panel))
    assert np.abs(left - right).max() < 5


def test_pictures_from_a_canvas_a_file_and_a_drop(panel: Page) -> None:
    """Whatever the browser can make a bitmap of; the last one stays."""
    do(
        panel,
        """(() => {
            const canvas = new OffscreenCanvas(4, 4);
            const paper = canvas.getContext("2d");
            paper.fillStyle = "#00f";
            paper.fillRect(0, 0, 4, 4);
            return view.setImage("picture", canvas);
        })()""",
    )
    left, _ = halves(pixels(panel))
    assert left[2] > 2 * left[0]
    data = base64.b64decode(picture_url(RED, RED).partition(",")[2])
    with panel.expect_file_chooser() as choice:
        panel.get_by_role("button", name="Choose image").click()
    choice.value.set_files({"name": "red.png", "mimeType": "image/png", "buffer": data})
    wait_for_colour(panel, 0)
    panel.evaluate(
        f"""async (url) => {{
            const data = new DataTransfer();
            const blob = await (await fetch(url)).blob();
            data.items.add(new File([blob], "b.png", {{type: "image/png"}}));
            {part(".stage")}.dispatchEvent(new DragEvent("drop",
                {{dataTransfer: data, bubbles: true, composed: true, cancelable: true}}));
        }}""",
        picture_url(BLUE, BLUE),
    )
    wait_for_colour(panel, 2)


def wait_for_colour(page: Page, channel: int) -> None:
    """Until the square is of one colour."""
    for _ in range(50):
        settle(page)
        left, right = halves(pixels(page))
        if all(side[channel] > 1.5 * np.delete(side, channel).max() for side in (left, right)):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"still {left} and {right}")


def test_the_slider(panel: Page) -> None:
    slider = panel.get_by_role("slider", name="Lift")
    box = slider.bounding_box()
    assert box
    slider.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    settle(panel)
    assert near(place(panel), 0, 0.5)
    before = float(slider.input_value())
    slider.press("ArrowRight")
    slider.press("Shift+ArrowRight")
    settle(panel)
    turned = float(slider.input_value())
    assert turned == pytest.approx(before + 11 / 200)
    assert near(place(panel), 0, turned)
    assert panel.locator("vitrine-view .dials output").inner_text() == f"{turned:.2f}"
    slider.dblclick()
    settle(panel)
    assert slider.input_value() == "0"
    assert near(place(panel), 0, 0)


def test_the_time_line(panel: Page) -> None:
    scrub = panel.get_by_role("slider", name="Time")
    box = scrub.bounding_box()
    assert box
    scrub.click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
    settle(panel)
    time_s = clock(panel)
    assert time_s == pytest.approx(0.75 * CLIP_S, abs=0.05)
    assert near(place(panel), SPEED * time_s, 0)
    assert panel.locator("vitrine-view .time").inner_text() == f"{time_s:.1f} / {CLIP_S:.1f}"
    scrub.press("ArrowLeft")
    settle(panel)
    assert clock(panel) == pytest.approx(time_s - CLIP_S / 1000)

    panel.get_by_role("button", name="Play").click()
    panel.get_by_role("button", name="Pause").wait_for()
    panel.get_by_role("button", name="Pause").click()
    panel.get_by_role("button", name="Play").wait_for()
    panel.get_by_role("combobox", name="Speed").select_option("0.5")
    assert panel.evaluate(f"{VIEW}.speed") == 0.5
    panel.get_by_role("button", name="Loop").click()
    assert panel.evaluate(f"{VIEW}.loop") is False


def test_the_space_bar_plays_where_nothing_else_takes_it(panel: Page) -> None:
    stage = panel.locator("vitrine-view .stage")
    stage.press("Space")
    panel.wait_for_function(f"!{VIEW}.paused")
    stage.press("Space")
    panel.wait_for_function(f"{VIEW}.paused")
    panel.get_by_role("button", name="Inputs").press("Space")
    assert panel.locator("vitrine-view .dials").is_hidden()
    stage.press("c")
    assert panel.locator("vitrine-view .dials").is_visible()
    assert panel.evaluate(f"{VIEW}.paused")


def test_scrubbing_pauses_and_goes_on_where_it_is_let_go(panel: Page) -> None:
    panel.evaluate(f"{VIEW}.speed = 0.25; {VIEW}.play()")
    panel.wait_for_function(f"!{VIEW}.paused")
    box = panel.get_by_role("slider", name="Time").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    panel.mouse.move(box["x"] + 20, y)
    panel.mouse.down()
    panel.mouse.move(box["x"] + box["width"] / 2, y, steps=3)
    panel.wait_for_function(f"{VIEW}.paused")
    settle(panel)
    held = clock(panel)
    assert held == pytest.approx(CLIP_S / 2, abs=0.05)
    panel.mouse.up()
    panel.wait_for_function(f"!{VIEW}.paused && {VIEW}.time > {held}")


def test_the_pointer_is_followed(panel: Page) -> None:
    """Its place lies in the memory of the inputs: right and up, -1 to 1."""
    box = panel.locator("vitrine-view .stage").bounding_box()
    assert box
    panel.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
    panel.wait_for_timeout(50)
    settle(panel)
    code = (
        "(lambda g: list(__import__('struct').unpack_from('<3f', g.input_bytes,"
        " g.spec.layout()['follow'].offset_bytes)))"
        f"({DISPLAY}.stage.engine.generator)"
    )
    assert python(panel, code) == pytest.approx([-0.5, 0.5, 0], abs=0.01)


def test_a_lost_device_keeps_the_time_and_the_inputs(panel: Page) -> None:
    do(panel, "(view.seek(1), view.setInput('lift', 0.5))")
    do(panel, f"view.setImage('picture', {json.dumps(picture_url(RED, BLUE))})")
    before = pixels(panel)
    devices = panel.workers[0].evaluate("self.test.devices")
    panel.workers[0].evaluate("self.onmessage({ data: { type: 'lose' } })")
    panel.workers[0].evaluate(
        """(devices) => new Promise((resolve) => {
            const look = () => self.test.devices > devices ? resolve() : setTimeout(look, 20);
            look();
        })""",
        devices,
    )
    settle(panel)
    assert (pixels(panel) == before).all()
    assert panel.get_by_role("slider", name="Lift").input_value() == "0.5"
    do(panel, "view.seek(0)")
    assert near(place(panel), 0, 0.5)


def test_a_hidden_page_stands_still(panel: Page) -> None:
    """No frame is drawn, none is asked for; and then it goes on."""
    panel.evaluate(f"{VIEW}.speed = 0.25; {VIEW}.play()")
    panel.wait_for_function(f"{VIEW}.time > 0")
    hide = """(state) => {
        Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    panel.evaluate(hide, "hidden")
    panel.wait_for_timeout(200)
    stopped, before = clock(panel), counts(panel)
    panel.wait_for_timeout(400)
    assert clock(panel) == stopped
    assert counts(panel) == before
    panel.evaluate(hide, "visible")
    panel.wait_for_function(f"{VIEW}.time > {stopped}")
    assert clock(panel) - stopped < 0.1, "what passed meanwhile is not made up for"
    assert counts(panel)["submit"] > before["submit"]


def test_an_input_follows_its_track_until_it_is_set(browser: Browser, url: str) -> None:
    """And a page that asked before the scene was there gets what it asked for."""
    script = """addEventListener('DOMContentLoaded', () => {
        const view = document.querySelector('vitrine-view');
        view.time = 0.5;
        view.loop = false;
    });"""
    page = open_page(browser, url, "walk", script=script)
    assert clock(page) == 0.5
    assert page.evaluate(f"{VIEW}.loop") is False
    assert near(place(page), SPEED * 0.5, 0.375)
    do(page, "view.seek(1)")
    assert near(place(page), SPEED, 0.75)
    do(page, "view.setInput('lift', 0)")
    assert near(place(page), SPEED, 0)
    page.context.close()


def test_a_state_steps_while_it_plays_and_begins_anew(browser: Browser, url: str) -> None:
    """One step a frame for so many frames, however slow the machine is; none while it is paused."""
    page = open_page(browser, url, "drift", attributes="autoplay", hooked=True)
    page.wait_for_function(f"!{VIEW}.paused")
    page.workers[0].evaluate("(code) => self.test.python.runPython(code)", STEPPED)
    do(page, "view.restart()")
    assert near(place(page), 0.1, 0)
    python(page, "left.__setitem__(0, 5)")
    page.wait_for_function(f"{VIEW}.time > 5 / {RATE_HZ}")
    settle(page)
    assert near(place(page), 0.6, 0)
    do(page, "view.pause()")
    python(page, "left.__setitem__(0, 5)")
    page.workers[0].evaluate("self.onmessage({ data: { type: 'overlay', on: true } })")
    settle(page)
    assert near(place(page), 0.6, 0)
    assert python(page, "left[0]") < 5, "frames were drawn"
    page.get_by_role("button", name="From the start").click()
    settle(page)
    assert near(place(page), 0.1, 0)
    assert clock(page) == 0
    assert page.locator("vitrine-view .scrub").is_hidden()
    page.context.close()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("generator/program.json", 404, "generator/program.json could not be loaded (status 404)"),
        ("track-lift.bin", 200, "track-lift.bin has 3 bytes; its scene says 12"),
    ],
    ids=["program", "track"],
)
def test_a_download_that_fails_is_named(
    browser: Browser, url: str, path: str, status: int, words: str
) -> None:
    context = browser.new_context()
    context.route(f"**/walk/{path}", lambda route: route.fulfill(status=status, body="???"))
    page = open_page(browser, url, "walk", context=context, wait=False)
    code, message = page.evaluate(f"{VIEW}.ready.catch((e) => [e.code, e.message])")
    assert code == "download"
    assert words in message
    context.close()
