"""Several elements of a page: one worker, one Python, one device; what befalls one is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from tests.page.generated import VIEW, open_page, pixels, settle, write_site
from tests.page.hooks import counts, python

pytestmark = [pytest.mark.page, pytest.mark.gpu]

ADD = """async ([name, scene]) => {
    const view = document.createElement("vitrine-view");
    Object.assign(view.style, { width: "100px", height: "100px" });
    view.setAttribute("controls", "none");
    view.src = `${scene}/scene.json`;
    window[name] = view;
    document.body.append(view);
    await view.ready;
    await view.settled();
}"""
DISPLAYS = "[d for d in __import__('gc').get_objects() if type(d).__name__ == 'Display']"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where the scenes are served."""
    return serve(write_site(tmp_path_factory.mktemp("sharing") / "site")).rstrip("/") + "/"


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page with one element, which shows the panel."""
    page = open_page(browser, url, hooked=True)
    yield page
    assert page.workers[0].evaluate("self.test.errors") == []
    page.context.close()


def test_a_second_element_brings_its_scene_alone(page: Page) -> None:
    """Its buffers; not one pipeline where the scene is of a kind that is shown already."""
    before = counts(page)
    page.evaluate(ADD, ["second", "panel"])
    after = counts(page)
    assert len(page.workers) == 1
    assert page.workers[0].evaluate("self.test.devices") == 1
    assert python(page, f"len({DISPLAYS})") == 2
    assert after["createBuffer"] > before["createBuffer"]
    for made in ("createComputePipelineAsync", "createRenderPipelineAsync"):
        assert after[made] == before[made]
    page.evaluate(ADD, ["third", "drift"])
    assert counts(page)["createComputePipelineAsync"] > after["createComputePipelineAsync"]


def test_elements_do_not_hear_each_other(page: Page) -> None:
    """Time, inputs, the camera and errors are each element's own; one goes, the others stay."""
    page.evaluate(ADD, ["second", "panel"])
    before = pixels(page)
    page.evaluate(
        """async () => {
            second.seek(1);
            await second.setInput("lift", 0.5);
            await second.setCamera({ eye: [1, 2, -9] });
            await second.settled();
        }"""
    )
    settle(page)
    np.testing.assert_array_equal(pixels(page), before)
    assert page.evaluate(f"{VIEW}.time") != page.evaluate("second.time")
    page.evaluate("second.src = 'nothing/scene.json'")
    assert page.evaluate("second.ready.catch(({ code }) => code)") == "download"
    page.evaluate("second.remove()")
    page.evaluate(f"{VIEW}.seek(1)")
    settle(page)
    assert page.evaluate(f"{VIEW}.time") == 1
    assert python(page, f"len({DISPLAYS})") == 1


def test_a_lost_device_brings_all_scenes_back(page: Page) -> None:
    page.evaluate(ADD, ["second", "scene"])
    before = [pixels(page, index) for index in range(2)]
    page.workers[0].evaluate(
        """async () => {
            self.onmessage({ data: { type: "lose" } });
            while (self.test.devices < 2) await new Promise((done) => setTimeout(done, 20));
        }"""
    )
    page.evaluate("second.settled()")
    settle(page)
    for index, wanted in enumerate(before):
        np.testing.assert_array_equal(pixels(page, index), wanted)
    assert page.workers[0].evaluate("self.test.devices") == 2
