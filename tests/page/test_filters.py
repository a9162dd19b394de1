"""Filters in a real Chromium: what a frame costs, what is seen, and that they come and go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper
from playwright.sync_api import Browser, Page

from pybuild.filters.bundle import add_filters, make_filters
from tests.page import generated
from tests.page.generated import VIEW, Pixels, open_page, part, settle, write_site
from tests.page.test_engine_page import ENTRIES, HOOKS, PROFILE
from tests.pybuild.onnx.small_models import model

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZES = "300x300/150x150"
"""The box's own, and half of it."""
FRAMES = 20
QUIET = HOOKS.replace("%OVERRIDE%", "{}")


def _filter(nodes: Sequence[onnx.NodeProto], constants: dict[str, Any], **said: Any) -> ModelProto:
    """Of an image x of any size to an image y, with an input more for each constant-like name."""
    entries = {
        "vitrine.contract": "1",
        "vitrine.kind": "filter",
        "vitrine.input.x": "image",
        "vitrine.output.y": "image",
    } | {f"vitrine.{key}": value for key, value in said.pop("more", {}).items()}
    image = [1, 3, "h", "w"]
    inputs = {"x": image} | said.pop("inputs", {})
    return model(list(nodes), inputs, ["y"], constants, **entries)


def inverting() -> ModelProto:
    """White where nothing is; a slider moves it."""
    nodes = [
        helper.make_node("Sub", ["one", "x"], ["turned"]),
        helper.make_node("Mul", ["turned", "gain"], ["y"]),
    ]
    control = {"label": "Gain", "min": 0, "max": 1, "default": 1}
    more = {"control.gain": json.dumps(control)}
    return _filter(nodes, {"one": np.float32(1)}, inputs={"gain": [1]}, more=more)


def broken() -> ModelProto:
    """No number of it is finite."""
    nodes = [
        helper.make_node("Sub", ["x", "two"], ["below"]),
        helper.make_node("Sqrt", ["below"], ["y"]),
    ]
    return _filter(nodes, {"two": np.float32(2)})


def rooted() -> ModelProto:
    """The root of what is above a slider: finite at first."""
    nodes = [
        helper.make_node("Sub", ["x", "least"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["y"]),
    ]
    control = {"label": "Least", "min": 0, "max": 2, "default": 0}
    return _filter(nodes, {}, inputs={"least": [1]}, more={"control.least": json.dumps(control)})


def trailing() -> ModelProto:
    """Half of the image before stays."""
    nodes = [
        helper.make_node("Add", ["x", "before"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["y"]),
    ]
    image = [1, 3, "h", "w"]
    more = {"input.before": "previous"}
    return _filter(nodes, {"half": np.float32(0.5)}, inputs={"before": image}, more=more)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Scenes with filters, none of which is on at first; the URL."""
    folder = tmp_path_factory.mktemp("filters")
    texts = []
    for made in (inverting, broken, rooted, trailing):
        path = folder / f"{made.__name__}.onnx"
        onnx.save(made(), path)
        texts.append(f"{path}@size={SIZES if made is inverting else '300x300'}")
    write_site(folder / "site")
    filters = make_filters(texts)
    for scene in ("scene", "panel"):
        add_filters(folder / "site" / scene, filters)
        (folder / "site" / scene / "scene.json.br").unlink(missing_ok=True)  # of the one before
    return serve(folder / "site").rstrip("/") + "/"


@pytest.fixture
def shown(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Opens a scene in a page of its own."""
    pages = []

    def show(scene: str, attributes: str = 'controls="none" filter="none"', **options: Any) -> Page:
        page = open_page(browser, site, scene, attributes, hooks=QUIET, **options)
        pages.append(page)
        slow = "import pyengine.hosts.page_filter as host; host.TARGET_FPS = 0.001"
        page.workers[0].evaluate("(c) => self.test.python.runPython(c)", slow)
        return page

    yield show
    for page in pages:
        assert page.workers[0].evaluate("self.test.errors") == []
        page.context.close()


def pick(page: Page, name: str, **look: float) -> None:
    """Put a filter on, and wait for its picture."""
    page.evaluate(f"([name, look]) => {VIEW}.setFilter(name, look)", [name, look])
    settle(page)


def pixels(page: Page) -> Pixels:
    """What is on screen, once the progress bar has faded."""
    page.wait_for_function(f"getComputedStyle({part('.progress')}).opacity === '0'")
    return generated.pixels(page)


def python(page: Page, code: str) -> Any:
    """Value of Python code in the page."""
    text = f"import json; json.dumps({code})"
    return json.loads(page.workers[0].evaluate("(c) => self.test.python.runPython(c)", text))


def counts(page: Page) -> dict[str, int]:
    """Calls to WebGPU so far."""
    found: dict[str, int] = page.workers[0].evaluate("({ ...self.test.counts })")
    return found


def move(page: Page, axis: float) -> None:
    """Hold a fly key; 0: let it go."""
    page.workers[0].evaluate(
        "(x) => self.onmessage({ data: { type: 'input', move: [x, 0, 0] } })", axis
    )


def wait_frames(page: Page) -> None:
    """Wait until some more are drawn."""
    page.workers[0].evaluate(
        """(count) => new Promise((resolve) => {
            const until = self.test.counts.submit + count;
            const look = () => self.test.counts.submit >= until ? resolve() : setTimeout(look, 20);
            look();
        })""",
        FRAMES,
    )


@pytest.mark.parametrize("name", ["inverting", "trailing"])
def test_a_filtered_frame_is_one_call_and_makes_nothing(
    shown: Callable[..., Page], name: str
) -> None:
    """Nothing is made on the GPU nor read back while the view moves, and Python is called once."""
    page = shown("scene")
    pick(page, name)
    move(page, 0.02)
    wait_frames(page)
    page.workers[0].evaluate("(code) => self.test.python.runPython(code)", PROFILE)
    before = counts(page)
    wait_frames(page)
    after = counts(page)
    entries = python(page, ENTRIES)
    python(page, "sys.setprofile(None)")
    move(page, 0)
    settle(page)
    grown = {key for key in after if after[key] != before.get(key, 0)}
    assert grown <= {"createCommandEncoder", "submit", "writeBuffer", "createView"}
    assert after["submit"] - before["submit"] >= FRAMES
    assert set(entries) == {"frame"}


def test_a_filter_is_seen_and_goes_without_a_trace(shown: Callable[..., Page]) -> None:
    """Also by its slider; strength 0 and a split at the right end are the splats too."""
    page = shown("scene")
    plain = pixels(page)
    pick(page, "inverting")
    inverted = pixels(page)
    assert page.evaluate(f"{VIEW}.filter") == "inverting"
    difference = np.abs(255.0 - plain - inverted)
    assert difference.max() <= 2
    page.evaluate(f"{VIEW}.setInput('gain', 0)")
    settle(page)
    assert pixels(page).max() == 0
    page.evaluate(f"{VIEW}.setInput('gain', null)")
    pick(page, "inverting", strength=0)
    assert np.abs(pixels(page).astype(int) - plain).max() <= 1
    pick(page, "inverting", strength=1, split=1)
    assert np.abs(pixels(page).astype(int) - plain).max() <= 1
    pick(page, "inverting", split=0.5)
    half = pixels(page)
    assert np.abs(half[:, :148].astype(int) - plain[:, :148]).max() <= 1
    assert (half[:, 152:] == inverted[:, 152:]).all()
    pick(page, "")
    assert (pixels(page) == plain).all()
    assert page.evaluate(f"{VIEW}.filter") == ""


def test_what_is_not_finite_is_told(shown: Callable[..., Page]) -> None:
    """The splats are shown, the filter goes, and the visitor learns why."""
    page = shown("scene")
    plain = pixels(page)
    pick(page, "broken")
    page.wait_for_function(f"{part('.message h2')} && {VIEW}.filter === ''")
    assert (pixels(page) == plain).all()
    text = page.evaluate(part(".message") + ".textContent")
    assert f"The filter broken made {300 * 300} pixels that are no finite numbers" in text
    told = page.evaluate(f"{VIEW}.setFilter('nobody').catch((e) => [e.code, e.message])")
    assert told[0] == "filter"
    assert "nobody" in told[1]


def test_what_is_not_finite_later_is_told_at_rest(shown: Callable[..., Page]) -> None:
    """A slider spoils it: the first frame alone had been looked at, so the visitor never knew."""
    page = shown("scene")
    plain = pixels(page)
    pick(page, "rooted")
    rooted = pixels(page)
    assert np.abs(255 * np.sqrt(plain / 255.0) - rooted).max() <= 2
    page.evaluate(f"{VIEW}.setInput('least', 2)")
    page.wait_for_function(f"{part('.message h2')} && {VIEW}.filter === ''")
    assert (pixels(page) == plain).all()
    text = page.evaluate(part(".message") + ".textContent")
    assert f"The filter rooted made {300 * 300} pixels that are no finite numbers" in text


def test_filters_change_while_a_clip_plays(shown: Callable[..., Page]) -> None:
    """Frames go on meanwhile; the clip does not jump back, and nothing is lost of its inputs."""
    page = shown("panel")
    page.evaluate(
        f"""async () => {{
            window.times = [];
            {VIEW}.addEventListener("timeupdate", ({{ detail }}) => times.push(detail.time));
            {VIEW}.loop = false;
            await {VIEW}.setInput("lift", 0.5);
            {VIEW}.play();
            for (const name of ["inverting", "trailing", "", "inverting"]) {{
                await {VIEW}.setFilter(name);
            }}
            {VIEW}.pause();
            {VIEW}.seek(1);
        }}"""
    )
    settle(page)
    times = page.evaluate("times")
    playing = times[:-1]
    assert len(playing) > 2
    assert playing == sorted(playing)
    inverted = pixels(page)
    pick(page, "")
    assert np.abs(255.0 - pixels(page) - inverted).max() <= 2


def test_the_size_follows_the_canvas(shown: Callable[..., Page]) -> None:
    """A smaller box takes the smaller programs; after a lost device the same filter is on."""
    page = shown("scene")
    sizes = f"{part('.stats [data-row=filter] + [data-row=filter]')}.textContent"
    pick(page, "inverting", strength=0.5)
    assert page.evaluate(sizes) == "300 × 300"
    page.evaluate(f"{VIEW}.style.width = {VIEW}.style.height = '150px'")
    page.wait_for_function(sizes + " === '150 × 150'")
    settle(page)
    before = pixels(page)
    page.evaluate(
        f"""() => {{
            window.again = new Promise((resolve) => {VIEW}.addEventListener("filter", resolve));
        }}"""
    )
    page.workers[0].evaluate("self.onmessage({ data: { type: 'lose' } })")
    page.evaluate("async () => void await again")
    settle(page)
    assert (pixels(page) == before).all()


def test_controls(shown: Callable[..., Page]) -> None:
    """The first filter is on; picker, strength and the line between before and after."""
    page = shown("scene", attributes="", size=("680px", "440px"))
    page.wait_for_function(f"{VIEW}.filter === 'inverting'")
    settle(page)
    picker = page.get_by_role("combobox", name="Filter")
    assert picker.input_value() == "inverting"
    page.get_by_role("slider", name="Strength").press("End")
    page.get_by_role("button", name="Before | after").click()
    divider = page.get_by_role("slider", name="Before and after")
    assert divider.get_attribute("aria-valuenow") == "50"
    divider.press("Shift+ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "60"
    settle(page)
    inverted, plain = (int(pixels(page)[10, x, 0]) for x in (600, 80))
    assert inverted > 128 > plain
    picker.select_option("")
    page.wait_for_function(f"{VIEW}.filter === ''")
    assert divider.is_hidden()
