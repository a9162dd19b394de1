"""Filters in a real Chromium: what a frame costs, what is seen, and that they come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.bundle import write_bundle
from pybuild.filters.bundle import MadeFilter, add_filters, make_filters
from pybuild.gaussians import Gaussians
from pybuild.poster import start_view
from pybuild.render import in_memory, render
from tests.page import generated
from tests.page.generated import VIEW, Pixels, open_page, part, settle, write_site
from tests.page.hooks import ENTRIES, PROFILE, counts, python
from tests.page.test_engine_page import PAGE_DB
from tests.pyengine import filters
from tests.pyengine.scenes import psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZES = "300x300/250x250/150x150"
"""The box's own, and smaller ones."""
CHAIN = "negative + halved"
FRAMES = 20
RIM_SHARE = 0.01
"""Pixels that one adapter takes for a splat's and another does not: depth jumps to 0 there."""
SHOWN_SIZE = f"{part('.stats [data-row=filter] + [data-row=filter]')}.textContent"
"""What the statistics say of the filter's size."""
LISTENING = """
window.told = [];
for (const type of ["ready", "filter"]) {
  addEventListener(type, ({ target }) => told.push([type, target.filter]), true);
}
"""
PACED = """
import pyengine.hosts.page as host
import pyengine.hosts.page_filter as filters
filters.TARGET_FPS = 30.0
real, cost_s = host.Display.frame, [0.0]

def frame(self, seconds, *rest):
    governor = self.stage.governor
    share = (1, 250**2 / 300**2, 150**2 / 300**2)[governor.level if governor else 0]
    return real(self, max(1 / 60, cost_s[0] * share) if seconds else 0.0, *rest)

host.Display.frame = frame
"""
"""A machine whose frames come at 60 Hz, or take so long for the largest size."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, MadeFilter]:
    """Filters by their names; the first is on unless the page says otherwise."""
    folder = tmp_path_factory.mktemp("models")
    one = "@size=300x300"
    builds = (filters.spoiled, filters.rooted, filters.trail, filters.deep)
    texts = [f"{filters.inverting(folder)}@size={SIZES}"]
    texts += [f"{build(folder)}{one}" for build in builds]
    texts.append(f"{filters.negative(folder)}{one}+{filters.halved(folder)}")
    return {item.spec.name: item for item in make_filters(texts)}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[[Path], str],
    cloud: Gaussians,
    made: Mapping[str, MadeFilter],
) -> str:
    """Scenes with all filters; the URL."""
    folder = tmp_path_factory.mktemp("filters") / "site"
    write_site(folder)
    write_bundle(cloud, folder / "cloud")
    for scene in ("scene", "panel", "cloud"):
        add_filters(folder / scene, list(made.values()))
    return serve(folder).rstrip("/") + "/"


@pytest.fixture
def shown(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Opens a scene in a page of its own."""
    pages = []

    def show(scene: str, attributes: str = 'controls="none" filter="none"', **options: Any) -> Page:
        page = open_page(browser, site, scene, attributes, hooked=True, **options)
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


def test_a_filtered_frame_is_one_call_and_makes_nothing(shown: Callable[..., Page]) -> None:
    """Nothing is made on the GPU nor read back while the view moves, and Python is called once."""
    page = shown("scene")
    for name in ("inverting", "trail"):
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
    """The splats are shown, the filter goes, and the visitor learns why.

    Also where a slider spoils it later: the first frame alone had been looked at.
    """
    page = shown("scene")
    plain = pixels(page)
    told = f"{part('.message')}.textContent.includes"
    words = f"made {300 * 300} pixels that are no finite numbers"
    pick(page, "spoiled")
    page.wait_for_function(f"{told}('The filter spoiled {words}') && {VIEW}.filter === ''")
    assert (pixels(page) == plain).all()
    pick(page, "rooted")
    assert np.abs(255 * np.sqrt(plain / 255.0) - pixels(page)).max() <= 2
    page.evaluate(f"{VIEW}.setInput('least', 2)")
    page.wait_for_function(f"{told}('The filter rooted {words}') && {VIEW}.filter === ''")
    assert (pixels(page) == plain).all()
    code, message = page.evaluate(f"{VIEW}.setFilter('nobody').catch((e) => [e.code, e.message])")
    assert code == "filter"
    assert "nobody" in message


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
            for (const name of ["inverting", "trail", "", "inverting"]) {{
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
    pick(page, "inverting", strength=0.5)
    assert page.evaluate(SHOWN_SIZE) == "300 × 300"
    page.evaluate(f"{VIEW}.style.width = {VIEW}.style.height = '150px'")
    page.wait_for_function(SHOWN_SIZE + " === '150 × 150'")
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
    """The first filter is on; picker, strength and the line between before and after.

    The scene is ready with it: for a moment the splats had been shown without.
    """
    page = shown("scene", attributes="", size=("680px", "440px"), script=LISTENING)
    assert page.evaluate("told") == [["ready", "inverting"], ["filter", "inverting"]]
    assert (pixels(page)[0] > 128).all()
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


def test_pixels_are_those_of_the_native_renderer(
    shown: Callable[..., Page], cloud: Gaussians, made: Mapping[str, MadeFilter]
) -> None:
    """Through a chain of two networks, which is in order, and one that reads depth."""
    page = shown("cloud")
    scene, load = in_memory(cloud)
    view = start_view(scene, 300, 300)
    plain = render(scene, load, view)
    for name in (CHAIN, "deep"):
        filtering, files = made[name].filtering(), made[name].files()
        wanted = render(scene, load, view, filtering=filtering, filter_files=files)
        pick(page, name)
        found = pixels(page)
        if name == CHAIN:
            assert np.abs((255.0 - plain) / 2 - wanted).max() <= 1
            assert psnr_db(found, wanted) > PAGE_DB
            continue
        assert np.median(wanted[wanted > 0]) > 32
        rim = (found == 0) != (wanted == 0)
        assert rim.sum() < RIM_SHARE * (wanted > 0).sum()
        assert psnr_db(np.where(rim, wanted, found), wanted) > PAGE_DB


def test_a_slow_page_shows_smaller_sizes(shown: Callable[..., Page]) -> None:
    """By the time between frames alone, and back up; the statistics say which size it is."""
    page = shown("scene")
    page.workers[0].evaluate("(code) => self.test.python.runPython(code)", PACED)
    pick(page, "inverting")
    assert page.evaluate(SHOWN_SIZE) == "300 × 300"
    reads = counts(page)["mapAsync"]
    python(page, "cost_s.__setitem__(0, 0.05)")
    move(page, 0.001)
    page.wait_for_function(SHOWN_SIZE + " === '250 × 250'")
    python(page, "cost_s.__setitem__(0, 0.0)")
    page.wait_for_function(SHOWN_SIZE + " === '300 × 300'")
    wait_frames(page)
    assert counts(page)["mapAsync"] == reads + 2, "once a new size, for what is not finite"
    page.evaluate(f"{VIEW}.controls = ''")
    page.locator("vitrine-view").press("i")
    python(page, "cost_s.__setitem__(0, 0.5)")
    page.wait_for_function(SHOWN_SIZE + " === '150 × 150, each 4 frames'")
    move(page, 0)
    settle(page)


def test_a_filter_that_cannot_be_had_is_told(browser: Browser, site: str) -> None:
    """The scene is ready all the same, as it is."""
    context = browser.new_context(viewport={"width": 400, "height": 400}, device_scale_factor=1)
    context.route("**/filter-*/program.json*", lambda route: route.fulfill(status=404))
    hear = "addEventListener('error', (event) => faults.push(event.detail?.code), true)"
    script = f"{LISTENING} window.faults = []; {hear};"
    page = open_page(browser, site, "scene", script=script, context=context, hooked=True)
    page.wait_for_function(
        f"{part('.message')}.textContent.includes('The filter inverting is not shown')"
    )
    assert page.evaluate("faults") == ["filter"]
    assert page.evaluate("told") == [["ready", ""], ["filter", ""]]
    assert pixels(page)[0].max() < 128, "inverted it would be light"
    context.close()
