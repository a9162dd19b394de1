"""The element's player and inputs with a worker that only listens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Page

from pyengine.timeline import MAX_SPEED
from tests.page.test_element_messages import (
    ELEMENT,
    INFO,
    READY,
    VIEW,
    frame,
    heard,
    part,
    show,
    started,
    tell,
    url,
)

__all__ = ["show", "url"]  # fixtures

pytestmark = pytest.mark.page

Show = Callable[..., Page]

PLACE = {"batched": False, "track": None, "control": None, "offset_bytes": 512, "size_bytes": 4}
FEEDS: list[dict[str, Any]] = [
    PLACE | {"name": "time", "role": "time", "shape": [1]},
    PLACE
    | {
        "name": "lift",
        "role": "control",
        "shape": [1],
        "control": {"label": "Lift", "min": -1, "max": 3, "default": 1},
    },
    PLACE | {"name": "face_image", "role": "image", "shape": [4, 4]},
    PLACE | {"name": "sound", "role": "audio.mel", "shape": [8]},
    PLACE | {"name": "follow", "role": "pointer", "shape": [2]},
]
STATE = PLACE | {"name": "moved", "role": "state", "shape": [3]}
CLIP = {"duration": 80.0, "loop": True}
CLOCK = {"type": "clock", "time": 0, "phase": 0, "playing": False, "speed": 1, "steps": 0}


def ready(**generator: Any) -> dict[str, Any]:
    """What a worker tells of a generator."""
    made = {"feeds": FEEDS, "clip": CLIP, "rate": None} | generator
    return {"type": "ready", "info": INFO | {"generator": made}}


def begun(page: Page, **generator: Any) -> Page:
    """The page when a generator is there."""
    tell(page, ready(**generator))
    page.evaluate(f"{VIEW}.ready")
    page.wait_for_function(part(".root") + ".dataset.state === 'ready'")
    return page


def asked(page: Page) -> list[list[Any]]:
    """What the worker was asked to play, in order."""
    frame(page)
    log: list[dict[str, Any]] = page.workers[-1].evaluate("log")
    keys = {"play": "on", "seek": "time", "speed": "speed", "loop": "on", "restart": "type"}
    return [[m["type"], m[keys[m["type"]]]] for m in log if m["type"] in keys]


def test_a_scene_without_a_network_has_no_player(show: Show) -> None:
    page = started(show())
    assert page.locator("vitrine-view .player").is_hidden()
    assert page.locator("vitrine-view .dials").is_hidden()
    assert page.get_by_role("button", name="Inputs").is_hidden()
    page.locator("vitrine-view .stage").press("Space")
    assert asked(page) == []
    told = page.evaluate(f"{VIEW}.setInput('lift', 1).catch((error) => error.message)")
    assert told == "This scene has no input lift."


def test_what_a_still_scene_was_asked_is_not_asked_of_the_next(show: Show) -> None:
    page = started(show())
    page.evaluate(f"() => {{ {VIEW}.play(); {VIEW}.seek(3); {VIEW}.load('other.json'); }}")
    page.wait_for_timeout(800)
    assert asked(begun(page)) == [["loop", True], ["speed", 1]]


@pytest.mark.parametrize(
    ("attributes", "before", "wanted"),
    [
        ("", "", [["loop", True], ["speed", 1]]),
        ("autoplay", "", [["loop", True], ["speed", 1], ["play", True]]),
        ("autoplay", "view.pause()", [["loop", True], ["speed", 1]]),
        ('speed="-0.5" loop="false"', "", [["loop", False], ["speed", -0.5]]),
        ('speed="fast" loop', "", [["loop", True], ["speed", 1]]),
        ('speed="1000"', "", [["loop", True], ["speed", MAX_SPEED]]),
        (
            "",
            "view.seek(3); view.play(); view.speed = 2",
            [["loop", True], ["speed", 2], ["seek", 3], ["play", True]],
        ),
    ],
)
def test_what_was_asked_for_before_it_was_there(
    show: Show, attributes: str, before: str, wanted: list[list[Any]]
) -> None:
    page = show(ELEMENT.replace("src=", f"{attributes} src="))
    page.evaluate(f"() => {{ const view = {VIEW}; {before} }}")
    assert asked(begun(page)) == wanted


def test_reduced_motion_does_not_play_by_itself(show: Show, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    begun(show(ELEMENT.replace("src=", "autoplay src=")))
    assert ["play", True] not in asked(page)
    page.locator("vitrine-view .stage").press("Space")
    assert asked(page)[-1] == ["play", True]
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_timeout(200)  # a change is told with the next frame
    tell(page, CLOCK | {"playing": True})
    page.wait_for_function(f"!{VIEW}.paused")
    page.emulate_media(reduced_motion="reduce")
    page.wait_for_timeout(200)
    assert asked(page)[-1] == ["play", False]


def test_the_clock_is_told_to_page_and_visitor(show: Show) -> None:
    page = begun(show())
    page.evaluate(
        f"""() => {{
            window.told = [];
            for (const type of ["play", "pause", "timeupdate"]) {{
                {VIEW}.addEventListener(type, ({{ detail }}) => told.push([type, detail]));
            }}
        }}"""
    )
    tell(page, CLOCK, CLOCK | {"time": 63.25, "phase": 0.790625, "playing": True})
    page.wait_for_function("told.length === 2")
    at = {"time": 63.25, "phase": 0.790625}
    assert page.evaluate("told") == [["timeupdate", at], ["play", at]]
    assert page.locator("vitrine-view .time").text_content() == "1:03.3 / 1:20.0"
    assert page.get_by_role("button", name="Pause").is_visible()
    assert page.get_by_role("slider", name="Time").get_attribute("aria-valuetext") == "63.3 s"
    assert page.evaluate(f"[{VIEW}.time, {VIEW}.paused, {VIEW}.duration]") == [63.25, False, 80]


def test_any_speed_can_be_shown(show: Show) -> None:
    page = begun(show())
    speed = page.get_by_role("combobox", name="Speed")
    for wanted in (0.1, -1.25, 2):
        page.evaluate(f"{VIEW}.speed = {wanted}")
        assert float(speed.input_value()) == wanted
    assert speed.locator("option").count() == 6
    assert [value for kind, value in asked(page) if kind == "speed"] == [1, 0.1, -1.25, 2]


def test_a_slider_sends_its_value(show: Show) -> None:
    page = begun(show())
    page.get_by_role("button", name="Inputs").click()
    slider = page.get_by_role("slider", name="Lift")
    assert slider.input_value() == "1"
    for press in ("ArrowRight", "End", "Home", "Delete"):
        slider.press(press)
    sent = heard(page, "set")
    assert [message["values"] for message in sent] == [[1.02], [3], [-1], [1]]
    assert {message["name"] for message in sent} == {"lift"}
    assert heard(page, "input") == [], "the keys of a slider do not turn the scene"
    slider.press("r")
    assert len(heard(page, "reset")) == 1, "the others do what they always do"


def test_a_slider_is_spoken_once(show: Show) -> None:
    """An output is a live region: the number beside a slider was spoken after the slider's own."""
    page = begun(show())
    page.get_by_role("button", name="Inputs").click()
    session = page.context.new_cdp_session(page)
    tree = session.send("Accessibility.getFullAXTree")["nodes"]
    numbers = [node for node in tree if node.get("role", {}).get("value") == "status"]
    assert len(numbers) >= 1, "the slider's"
    for node in numbers:
        told = {item["name"]: item["value"].get("value") for item in node.get("properties", [])}
        assert told.get("live", "off") == "off"


def test_an_input_answers(show: Show) -> None:
    page = begun(show())
    page.evaluate(f"() => void (window.done = {VIEW}.setInput('lift', [2]).then(() => 'taken'))")
    (message,) = heard(page, "set")
    tell(page, {"type": "set", "id": message["id"], "error": None})
    assert page.evaluate("done") == "taken"
    page.get_by_role("button", name="Inputs").click()
    assert page.get_by_role("slider", name="Lift").input_value() == "2"
    page.evaluate(f"() => void (window.done = {VIEW}.setInput('lift', 2).catch((e) => e.code))")
    tell(page, {"type": "set", "id": heard(page, "set")[-1]["id"], "error": "wanted"})
    assert page.evaluate("done") == "input"


def test_of_two_pictures_the_later_one_is_shown(show: Show) -> None:
    page = begun(show())
    page.evaluate(
        f"""() => {{
            const real = createImageBitmap;
            let wait_ms = 200;
            window.createImageBitmap = async (source) => {{
                await new Promise((resolve) => setTimeout(resolve, wait_ms -= 100));
                return real(source);
            }};
            const sizes = [3, 7].map((size) => new OffscreenCanvas(size, size));
            for (const canvas of sizes) canvas.getContext("2d");
            return Promise.all(sizes.map((canvas) => {VIEW}.setImage("face_image", canvas)));
        }}"""
    )
    frame(page)
    widths = "log.filter(({ type }) => type === 'image').map(({ bitmap }) => bitmap.width)"
    assert page.workers[-1].evaluate(widths) == [7]


def test_the_pointer_is_sent(show: Show) -> None:
    page = begun(show(), feeds=[FEEDS[-1]])
    page.mouse.move(100, 75)
    page.mouse.down()
    page.mouse.move(300, 225)
    page.mouse.up()
    sent = [(m["x"], m["y"], m["pressed"]) for m in heard(page, "pointer")]
    assert sent[0] == (-0.5, 0.5, False)
    assert (-0.5, 0.5, True) in sent
    assert sent[-1] == (0.5, -0.5, False)


def test_a_state_without_a_clip_begins_anew(show: Show) -> None:
    page = begun(show(), feeds=[STATE], clip=None, rate=60)
    assert page.get_by_role("slider", name="Time").is_hidden()
    assert page.get_by_role("button", name="Loop").is_hidden()
    page.get_by_role("button", name="From the start").click()
    assert asked(page)[-2:] == [["seek", 0], ["restart", "restart"]], "in this order: see restart()"
    assert page.evaluate(f"{VIEW}.duration") == float("inf")


def test_another_scene_begins_without_what_was_there(show: Show) -> None:
    page = begun(show())
    tell(page, CLOCK | {"time": 5, "playing": True})
    page.wait_for_function(f"{VIEW}.time === 5")
    page.evaluate(f"{VIEW}.src = 'other.json'")
    page.wait_for_function(f"{VIEW}.time === 0")
    assert page.evaluate(f"{VIEW}.paused")
    page.wait_for_timeout(100)
    tell(page, READY)
    page.evaluate(f"{VIEW}.ready")
    assert page.locator("vitrine-view .player").is_hidden()
    assert page.get_by_role("button", name="Inputs").is_hidden()


def test_a_device_that_came_back_leaves_the_player_alone(show: Show) -> None:
    page = begun(show())
    page.get_by_role("button", name="Inputs").click()
    page.get_by_role("slider", name="Lift").press("End")
    before = asked(page)
    tell(page, {"type": "lost", "message": "gone"}, ready(), {"type": "restored"})
    assert page.get_by_role("slider", name="Lift").input_value() == "3"
    assert asked(page) == before


def test_without_controls_there_are_keys_and_methods_only(show: Show) -> None:
    page = begun(show(ELEMENT.replace("src=", 'controls="none" src=')))
    assert page.locator("vitrine-view .player").is_hidden()
    assert page.locator("vitrine-view .dials").is_hidden()
    page.locator("vitrine-view .stage").press("Space")
    assert asked(page)[-1] == ["play", True]


@pytest.mark.parametrize("stepped", [False, True], ids=["clip", "state"])
@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_the_controls_fit(show: Show, page: Page, touch: bool, stepped: bool) -> None:
    """Side by side or one above the other, inside the box, whatever its width.

    Without a slider for its time the bar of a phone lay over the toolbar.
    """
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": touch})
    page.set_viewport_size({"width": 900, "height": 560})
    begun(show(), **({"feeds": [*FEEDS, STATE]} if stepped else {}))
    assert page.locator("vitrine-view .dials").is_hidden(), "400 px are left to the scene"
    page.get_by_role("button", name="Inputs").click()
    for width in (320, 390, 639, 640, 900):
        page.evaluate(f"{VIEW}.style.cssText = 'width: {width}px; height: 560px'")
        names = (".player", ".toolbar", ".dials")
        boxes = [page.locator(f"vitrine-view {name}").bounding_box() for name in names]
        shown = [box or pytest.fail("hidden") for box in boxes]
        for box in shown:
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= 560
        for one, two in combinations(shown, 2):
            beside = sorted((one, two), key=lambda box: box["x"])
            above = sorted((one, two), key=lambda box: box["y"])
            assert (
                beside[0]["x"] + beside[0]["width"] <= beside[1]["x"]
                or above[0]["y"] + above[0]["height"] <= above[1]["y"]
            )
        scrub = page.locator("vitrine-view .scrub").bounding_box()
        assert (scrub is None) == stepped
        assert scrub is None or scrub["width"] >= 60


def test_sliders_stand_in_pairs_over_a_phones_scene(show: Show) -> None:
    """One below the other they hid half of it; a narrower box has no room for two."""
    page = begun(show(), feeds=[FEEDS[1], FEEDS[1] | {"name": "bend"}])
    page.get_by_role("button", name="Inputs").click()
    for width, rows in ((390, 1), (320, 2)):
        page.evaluate(f"{VIEW}.style.cssText = 'width: {width}px; height: 700px'")
        boxes = [slider.bounding_box() for slider in page.locator("vitrine-view .dial").all()]
        assert len({box["y"] for box in boxes if box}) == rows


def test_a_wide_box_has_room_for_the_inputs(show: Show, page: Page) -> None:
    page.set_viewport_size({"width": 900, "height": 560})
    page.add_init_script(
        f"addEventListener('DOMContentLoaded', () => {VIEW}.style.width = '900px')"
    )
    assert begun(show()).locator("vitrine-view .dials").is_visible()
