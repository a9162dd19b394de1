"""Render modes in a real Chromium: their pixels, that they go as they came, and picking there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.bundle import write_bundle
from pybuild.filters.bundle import add_filters, make_filters
from pybuild.gaussians import Gaussians
from pybuild.render import in_memory, render
from pybuild.site import build_site
from pyengine.passes.modes import MODES
from pyengine.view import WORLD_UP, View
from tests.page.generated import VIEW, Pixels, open_page, part, settle
from tests.page.test_filters import pixels
from tests.page.test_pick import event
from tests.pyengine import filters
from tests.pyengine.scenes import psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZE = 300
MODE_DB = 28.0
"""Chromium's adapter against the native one: rims, and 16-bit keys seen through a slope."""
COLOUR_DB = 40.0


@pytest.fixture(scope="module")
def opened(
    browser: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    serve: Callable[[Path], str],
    cloud: Gaussians,
) -> Iterator[tuple[Page, Pixels]]:
    """A scene with a filter that is off, in the view of `front`, and what was on screen at first:
    the attribute's mode, in the place of which there are colours then.
    """
    folder = tmp_path_factory.mktemp("modes") / "site"
    build_site(cloud, folder)
    write_bundle(cloud, folder / "filtered")
    made = make_filters([f"{filters.inverting(folder.parent)}@size={SIZE}x{SIZE}"])
    add_filters(folder / "filtered", made)
    url = serve(folder).rstrip("/") + "/"
    attributes = 'controls="none" filter="none" mode="depth"'
    box = (f"{SIZE}px", f"{SIZE}px")
    page = open_page(browser, url, "filtered", attributes, box, hooked=True)
    page.evaluate(
        f"self.events = []; {VIEW}.addEventListener('mode', (e) => events.push(['mode', e.detail]))"
    )
    page.evaluate(f"(view) => {VIEW}.setView(view)", json.loads(front().to_json()))
    settle(page)
    first = pixels(page)
    draw(page, "colour")
    yield page, first
    assert page.workers[0].evaluate("self.test.errors") == []
    page.context.close()


@pytest.fixture(scope="module")
def page(opened: tuple[Page, Pixels]) -> Page:
    """The page of all tests, which leave colours in it."""
    return opened[0]


def front() -> View:
    """The cloud from the front."""
    view = View.look_at((0.5, -0.5, -4), (0, 0, 0), WORLD_UP, 45, SIZE, SIZE)
    return replace(view, cx=140.0)


def draw(page: Page, mode: str) -> Any:
    """What is on screen in a mode."""
    page.evaluate(f"(mode) => {{ {VIEW}.mode = mode; }}", mode)
    assert event(page, "mode") == {"mode": mode}
    settle(page)
    return pixels(page)


def test_modes_and_back(page: Page, cloud: Gaussians) -> None:
    """Each is the native picture; colours are again what they were, from as many bytes."""
    scene, load = in_memory(cloud)
    before = pixels(page)
    for mode in MODES:
        shown = draw(page, mode)
        wanted = render(scene, load, front(), mode=mode)
        ratio = psnr_db(shown, wanted)
        print(f"{mode}: the page against native {ratio:.1f} dB")
        assert ratio >= MODE_DB
        assert psnr_db(shown, before) < 30, "the picture is that of colours"
    np.testing.assert_array_equal(draw(page, "colour"), before)
    assert psnr_db(before, render(scene, load, front())) >= COLOUR_DB


def test_an_attribute_draws_it_from_the_start(opened: tuple[Page, Pixels]) -> None:
    """As the property does later."""
    page, first = opened
    np.testing.assert_array_equal(draw(page, "depth"), first)
    assert psnr_db(draw(page, "colour"), first) < 30


def test_a_lost_device_comes_back_with_it(page: Page) -> None:
    """Nothing tells it again; and colours come back there as they were."""
    colours, normals = pixels(page), draw(page, "normals")
    lost = page.workers[0].evaluate(
        """async () => {
            const before = self.test.devices;
            self.onmessage({ data: { type: 'lose' } });
            while (self.test.devices === before) await new Promise((done) => setTimeout(done, 20));
            return self.test.devices - before;
        }"""
    )
    assert lost == 1
    settle(page)
    np.testing.assert_array_equal(pixels(page), normals)
    assert page.evaluate(f"[{VIEW}.mode, {part('.modes select')}.value]") == ["normals"] * 2
    assert "show=normals" in page.evaluate(f"{VIEW}.link()")
    np.testing.assert_array_equal(draw(page, "colour"), colours)


def test_a_filter_waits_for_colours(page: Page) -> None:
    """A mode shows the splats past the filter, which is on again with colours."""
    page.evaluate(f"{VIEW}.setFilter('inverting')")
    settle(page)
    inverted = pixels(page)
    shown = draw(page, "depth")
    picked = page.evaluate(f"{VIEW}.pick(140, 150)")
    page.evaluate(f"{VIEW}.setFilter('')")
    settle(page)
    np.testing.assert_array_equal(pixels(page), shown)
    page.evaluate(f"{VIEW}.setFilter('inverting')")
    again = draw(page, "colour")
    assert psnr_db(again, inverted) > 40
    assert page.evaluate(f"{VIEW}.pick(140, 150)") == picked
    page.evaluate(f"{VIEW}.setFilter('')")
    settle(page)


def test_a_name_that_is_none(page: Page) -> None:
    """Is told, and nothing changes."""
    page.evaluate(f"{VIEW}.addEventListener('error', (e) => events.push(['error', e.detail]))")
    before = pixels(page)
    page.evaluate(f"{VIEW}.mode = 'dept'")
    assert "wanted one of colour, depth" in event(page, "error")["message"]
    page.evaluate(f"{VIEW}.mode = 'colour'")
    event(page, "mode")
    settle(page)
    assert page.evaluate(f"{part('.modes select')}.value") == "colour"
    style = ".message, .ring, .panel, .progress { display: none !important }"
    assert page.locator("vitrine-view").screenshot(style=style)
    assert before.shape == pixels(page).shape
