"""The view in a real page: camera modes, bookmarks, the path, the look, and links to all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from pybuild.gaussians import Gaussians
from pybuild.site import build_site
from tests.page.test_element import (
    ELEMENT,
    VIEW,
    Pixels,
    changed,
    cloud,
    open_page,
    part,
    settle,
)
from tests.page.test_element import shot as seen_on_screen

__all__ = ["open_page"]  # a fixture

pytestmark = pytest.mark.page

Open = Callable[..., Page]
LINKED = ELEMENT.format("hash")


def shot(page: Page) -> Pixels:
    """The scene without what fades in and out over it."""
    return seen_on_screen(page, hidden=".ring, .toolbar, .hint, .pins")


def coloured() -> Gaussians:
    """The element's cloud with colours that change with the direction."""
    plain = cloud()
    rng = np.random.default_rng(11)
    sh = np.zeros((len(plain.sh), 4, 3), np.float32)
    sh[:, 0] = plain.sh[:, 0]
    sh[:, 1:] = rng.normal(size=(len(sh), 3, 3)) * 0.6
    return Gaussians(plain.positions, plain.log_scales, plain.quaternions, plain.opacity_logits, sh)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where a site of that cloud is served."""
    folder = tmp_path_factory.mktemp("view") / "site"
    build_site(coloured(), folder)
    return serve(folder).rstrip("/") + "/"


@pytest.fixture(scope="module")
def shared_page(open_page: Open) -> Page:
    """One page for all tests, which leave no bookmark and the scene's look."""
    return open_page(LINKED, permissions=["clipboard-read", "clipboard-write"])


@pytest.fixture
def page(shared_page: Page) -> Page:
    """The shared page as it began."""
    run(shared_page, "open", text="v=1")
    shared_page.evaluate(f"{VIEW}.mode = 'colour'; {VIEW}.annotations = []")
    shared_page.evaluate("history.replaceState(null, '', location.pathname)")
    hidden = shared_page.evaluate(part(".viewing") + ".hidden")
    if not hidden:
        shared_page.locator("vitrine-view .stage").press("o")
    shared_page.locator("vitrine-view .stage").focus()
    settle(shared_page)
    return shared_page


MARKUP = "<img src=x onerror='window.harm = 1'> & \n<b>bold</b>"


def labels(page: Page) -> Any:
    """Of each annotation its text, how many elements are in it, and where it lies."""
    return page.evaluate(
        f"""[...{VIEW}.shadowRoot.querySelectorAll('.pins .label:not(.length)')].map((label) =>
            [label.textContent, label.childElementCount, label.style.transform])"""
    )


def run(page: Page, what: str, **more: Any) -> Any:
    """Do something to the view past the element, and give the state."""
    message = {"do": what, **more}
    return page.evaluate(
        """async (message) => {
            const worker = document.querySelector("vitrine-view");
            const [viewing] = Object.getOwnPropertySymbols(worker)
                .filter((name) => name.description === "viewing").map((name) => worker[name]);
            return (await viewing.ask(message.do, message)).state;
        }""",
        message,
    )


def state(page: Page) -> Any:
    return page.evaluate(f"{VIEW}.getState()")


def until(page: Page, test: str) -> None:
    """Ask for the state until it is so."""
    page.evaluate(
        f"""async () => {{
            for (let state; !state || !({test}); state = await {VIEW}.getState()) {{
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )


def rests(page: Page) -> None:
    """Until nothing moves by itself any more."""
    until(page, "!state.moving")
    settle(page)


def test_bookmarks_by_keys_and_a_flight_back(page: Page) -> None:
    first = shot(page)
    page.keyboard.press("b")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert changed(first, shot(page)) > 0.05
    page.keyboard.press("1")
    until(page, "state.moving === 'flight'")
    rests(page)
    assert changed(first, shot(page)) == 0
    assert state(page)["bookmarks"] == ["View 1"]


def test_a_turntable_turns_until_it_is_touched(page: Page) -> None:
    first = shot(page)
    page.keyboard.press("t")
    until(page, "state.camera.eye[0] > 0.3")
    assert state(page)["mode"] == "turntable"
    page.keyboard.press("ArrowUp")
    rests(page)
    assert state(page)["mode"] == "orbit"
    still = shot(page)
    assert changed(first, still) > 0.05
    page.wait_for_timeout(200)
    assert changed(still, shot(page)) == 0


def test_flying_looks_around_from_one_place(page: Page) -> None:
    eye = state(page)["camera"]["eye"]
    page.keyboard.press("m")
    page.mouse.move(160, 120)
    page.mouse.down()
    page.mouse.move(200, 130, steps=3)
    page.mouse.up()
    settle(page)
    seen = state(page)
    assert seen["mode"] == "fly"
    assert seen["camera"]["eye"] == pytest.approx(eye, abs=1e-6)
    page.keyboard.press("m")


def test_the_path_goes_through_the_bookmarks_and_stops(page: Page) -> None:
    for eye in ([0, 0, -5], [5, 0, 0], [0, 0, 5]):
        page.evaluate(f"eye => {VIEW}.setCamera({{eye, target: [0, 0, 0]}})", eye)
        page.evaluate(f"{VIEW}.addBookmark()")
    page.evaluate(f"{VIEW}.playPath({{seconds: 1}})")
    assert state(page)["moving"] == "path"
    rests(page)
    assert state(page)["camera"]["eye"] == pytest.approx([0, 0, 5], abs=1e-6)
    page.evaluate(f"{VIEW}.playPath({{seconds: 60}})")
    page.keyboard.press("p")
    rests(page)


def test_frames_are_told_while_somebody_listens(page: Page) -> None:
    """By any way to listen; nobody asks the worker for them before, or after the last one left."""
    hearers = f"""(() => {{
        const [frames] = Object.getOwnPropertySymbols({VIEW})
            .filter((name) => name.description === "frames").map((name) => {VIEW}[name]);
        return frames.heard;
    }})()"""
    assert page.evaluate(hearers) == 0
    page.evaluate(
        f"""() => {{
            window.told = {{ all: 0, once: 0, until: 0, handled: 0 }};
            const count = (name) => ({{ detail }}) => {{ told[name] += detail.cpuMs >= 0; }};
            const [all, handled] = [count("all"), {{ handleEvent: count("handled") }}];
            window.leave = new AbortController();
            {VIEW}.addEventListener("frame", all);
            {VIEW}.addEventListener("frame", all);
            {VIEW}.addEventListener("frame", handled, true);
            {VIEW}.addEventListener("frame", count("once"), {{ once: true }});
            {VIEW}.addEventListener("frame", count("until"), {{ signal: leave.signal }});
            window.end = [
                () => leave.abort(),
                () => {VIEW}.removeEventListener("frame", handled, {{ capture: true }}),
                () => {VIEW}.removeEventListener("frame", all),
            ];
        }}"""
    )
    assert page.evaluate(hearers) == 4
    page.keyboard.down("ArrowLeft")
    page.wait_for_function("told.all > 2")
    page.keyboard.up("ArrowLeft")
    assert page.evaluate("told.once") == 1
    assert page.evaluate("[told.until, told.handled].every((times) => times > 2)")
    for left in (2, 1, 0):
        page.evaluate("end.shift()()")
        assert page.evaluate(hearers) == left


def test_errors_are_of_the_promise(page: Page) -> None:
    for call, told in (
        ("setCamera({eye: [1, 2]})", "three numbers"),
        ("goTo(7)", "bookmark 8"),
        ("playPath()", "two bookmarks"),
        ("setLook({background: 'red'})", "rrggbb"),
    ):
        code, message = page.evaluate(f"{VIEW}.{call}.catch(error => [error.code, error.message])")
        assert code == "view"
        assert told in message


def test_the_panel_does_what_the_methods_do(page: Page) -> None:
    first = shot(page)
    page.keyboard.press("o")
    panel = page.get_by_role("region", name="View")
    assert page.evaluate(f"{VIEW}.shadowRoot.activeElement.value") == "orbit"
    assert panel.get_by_role("group", name="Objects").count() == 0, "there are none"
    panel.get_by_label("Fly").check()
    until(page, "state.mode === 'fly'")
    panel.get_by_role("button", name="Add bookmark").click()
    panel.get_by_role("button", name="Rename View 1").click()
    page.keyboard.type("b1o")  # into the box, and no command
    page.keyboard.press("Enter")
    panel.get_by_role("button", name="b1o", exact=False).first.wait_for()
    panel.get_by_label("Background", exact=True).fill("#205080")
    panel.get_by_label("Colour by direction").select_option("0")
    panel.get_by_label("Anti-aliasing").select_option("mip")
    panel.get_by_role("slider", name="Splat size").fill("0.5")
    until(page, "state.look.splatScale === 0.5")
    seen = state(page)
    assert seen["bookmarks"] == ["b1o"]
    assert seen["look"] == {
        "background": pytest.approx([0x20 / 255, 0x50 / 255, 0x80 / 255]),
        "shDegree": 0,
        "splatScale": 0.5,
        "antialiasing": "mip",
    }
    panel.get_by_label("Statistics").check()
    assert page.locator("vitrine-view .stats").is_visible()
    page.locator("vitrine-view .stage").press("i")
    assert not panel.get_by_label("Statistics").is_checked()
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    settle(page)
    looked = shot(page)
    assert changed(first, looked) > 0.5
    assert (looked[0, 0] == (0x20, 0x50, 0x80)).all(), "the background"


@pytest.mark.parametrize(
    "look",
    [{"shDegree": 0}, {"splatScale": 0.5}, {"antialiasing": "mip"}, {"background": "#ffffff"}],
    ids=lambda look: next(iter(look)),
)
def test_each_part_of_the_look_is_seen_and_given_back(page: Page, look: dict[str, Any]) -> None:
    first = shot(page)
    page.evaluate(f"look => {VIEW}.setLook(look)", look)
    settle(page)
    assert changed(first, shot(page)) > 0.02
    page.evaluate(f"look => {VIEW}.setLook(look)", dict.fromkeys(look))
    settle(page)
    assert changed(first, shot(page)) == 0


def test_a_link_shows_the_same_pixels_in_another_page(page: Page, open_page: Open) -> None:
    page.evaluate(f"{VIEW}.addBookmark('Ärmel & Co.')")
    page.evaluate(f"{VIEW}.setCamera({{eye: [1.23456789, -0.5, -3.3333333], fov: 40}})")
    look = {"background": [0.1, 0.2, 0.3], "shDegree": 0, "splatScale": 0.7, "antialiasing": "mip"}
    page.evaluate(f"look => {VIEW}.setLook(look)", look)
    page.evaluate(f"{VIEW}.mode = 'outlines'")
    note = {"position": [0.2, -0.1, 0.3], "text": MARKUP}
    page.evaluate(f"note => {VIEW}.annotate(note)", note)
    page.wait_for_function("location.hash.includes('show=outlines')")
    settle(page)
    wanted, label = shot(page), labels(page)
    page.wait_for_function("location.hash.includes('scale=0.7')")
    link = page.evaluate(f"{VIEW}.link()")
    assert link.partition("#")[2] == page.evaluate("location.hash.slice(1)")
    page.keyboard.press("l")
    page.evaluate(
        """async (link) => {
            while (await navigator.clipboard.readText() !== link) {
                await new Promise(requestAnimationFrame);
            }
        }""",
        link,
    )
    drawn = "window.addEventListener('load', () => %s.on('mode', () => { window.drawn = 1; }))"
    other = open_page(LINKED, drawn % VIEW, hash=link.partition("#")[2] + "&scent=rose")
    told = other.locator("vitrine-view .message")
    told.wait_for()
    assert "Not all of the view is as asked" in told.inner_text()
    assert "'scent' is passed over" in told.inner_text()
    told.get_by_role("button", name="Close").click()
    got, seen, told_there = shot(other), state(other), labels(other)
    assert other.evaluate(f"[{VIEW}.mode, window.drawn]") == ["outlines", 1]
    assert other.evaluate(f"{VIEW}.annotations.map(({{text}}) => text)") == [MARKUP]
    assert other.evaluate("[window.harm, document.images.length]") == [None, 0]
    other.context.close()
    assert changed(wanted, got) == 0
    assert seen["bookmarks"] == ["Ärmel & Co."]
    assert label == told_there == [label[0]], "the same text at the same place"
    assert label[0][:2] == [MARKUP, 0]


def test_a_new_hash_is_followed_and_a_bad_one_is_told(page: Page) -> None:
    first = shot(page)
    bad = "sh=seven&show=dept&note=here:1,nan,2&obj.chair=p1,2,3&note=there:0,0,0"
    page.evaluate(f"location.hash = 'v=1&camera=0,0,-9,0,0,0,50&{bad}'")
    told = page.locator("vitrine-view .message")
    told.wait_for()
    for part_of_it in (
        "'sh' is passed over",
        "'show' is passed over: mode: wanted one of colour, depth",
        "'note' is passed over: wanted a number, got 'nan'",
        "objects are passed over: the scene has none",
    ):
        assert part_of_it in told.inner_text()
    assert page.evaluate(f"{VIEW}.annotations.map(({{text}}) => text)") == ["there"]
    told.get_by_role("button", name="Close").click()
    settle(page)
    assert state(page)["camera"]["eye"] == pytest.approx([0, 0, -9])
    assert changed(first, shot(page)) > 0.05
    own = page.evaluate(f"{VIEW}.annotate({{ position: [0, 0, 0], text: 'own' }})")
    page.evaluate("location.hash = 'v=1&camera=0,0,-9,0,0,0,50'")
    page.wait_for_function(f"{VIEW}.annotations.length === 1")
    assert page.evaluate(f"{VIEW}.annotations[0].id") == own, "what a visitor wrote stays"
    page.evaluate("location.hash = 'about'")
    settle(page)
    assert told.is_hidden()
    assert state(page)["camera"]["eye"] == pytest.approx([0, 0, -9])


def test_attributes_and_reduced_motion(open_page: Open) -> None:
    attributes = (
        'controls="none" camera="0 0 -7 0 0 0 30" camera-mode="turntable 40" '
        'background="#ff0000" sh-degree="0" splat-scale="0.5" antialiasing="mip"'
    )
    page = open_page(ELEMENT.format(attributes), reduced_motion="reduce")
    seen = state(page)
    assert seen["camera"]["eye"] == pytest.approx([0, 0, -7])
    assert seen["camera"]["fov"] == pytest.approx(30)
    assert seen["moving"] == "", "it does not begin to turn"
    assert (seen["look"]["shDegree"], seen["look"]["antialiasing"]) == (0, "mip")
    assert (shot(page)[0, 0] == (255, 0, 0)).all()
    page.evaluate(f"{VIEW}.setAttribute('background', '#00ff00')")
    settle(page)
    assert (shot(page)[0, 0] == (0, 255, 0)).all()
    page.locator("vitrine-view").focus()
    page.keyboard.press("o")
    page.keyboard.press("b")
    assert page.locator("vitrine-view .viewing").is_hidden()
    assert state(page)["bookmarks"] == []
    page.evaluate(f"{VIEW}.addBookmark()")
    page.evaluate(f"{VIEW}.setCamera({{eye: [0, 0, -9]}})")
    page.evaluate(f"{VIEW}.goTo(0)")
    assert state(page)["camera"]["eye"] == pytest.approx([0, 0, -7]), "no flight"
    page.evaluate(f"{VIEW}.setMode('turntable', {{speed: 40}})")
    assert state(page)["moving"] == "turntable", "asked for"
    page.context.close()
