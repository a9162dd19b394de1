"""Several elements of a page: one worker, one Python, one device; what befalls one is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from tests.page.generated import VIEW, open_page, pixels, settle, write_site
from tests.page.hooks import DISPLAYS, counts, python

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
LOOK_MS = 20


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


def lose(page: Page) -> None:
    """Take the device away, and wait until the next one is there."""
    page.workers[0].evaluate(
        """async () => {
            const wanted = self.test.devices + 1;
            self.onmessage({ data: { type: "lose" } });
            while (self.test.devices < wanted) await new Promise((done) => setTimeout(done, 20));
        }"""
    )


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
    lose(page)
    page.evaluate("second.settled()")
    settle(page)
    for index, wanted in enumerate(before):
        np.testing.assert_array_equal(pixels(page, index), wanted)
    assert page.workers[0].evaluate("self.test.devices") == 2


def test_a_scene_on_its_way_survives_a_lost_device(page: Page) -> None:
    """Nothing tells of the loss where buffers are filled: it is opened again on the next device."""
    page.evaluate(ADD, ["second", "scene"])
    wanted = pixels(page, 1)
    page.evaluate("second.remove()")
    held: list[Route] = []
    page.route("**/scene/*.bin*", lambda route: held.append(route))
    page.evaluate(f"() => {{ window.added = ({ADD})(['third', 'scene']); }}")
    while not held:
        page.wait_for_timeout(LOOK_MS)
    lose(page)
    settle(page)
    page.unroute("**/scene/*.bin*")
    for route in held:
        route.continue_()
    page.evaluate("void added.then(() => { window.there = true; })")
    page.wait_for_function("window.there")
    np.testing.assert_array_equal(pixels(page, 1), wanted)


def test_values_of_an_input_outlive_a_device(page: Page) -> None:
    """Those that no frame had taken are taken by one of the next device."""
    page.evaluate(
        f"""() => {{
            window.asked = [];
            window.asking = setInterval(
                () => asked.push({VIEW}.setInput("lift", 0.5 + asked.length / 1000)), 5);
        }}"""
    )
    lose(page)
    page.evaluate("clearInterval(asking)")
    page.evaluate("Promise.all(asked).then((all) => { window.taken = all.length; }) && 0")
    page.wait_for_function("window.taken")
    settle(page)


def test_what_one_element_cannot_say_is_its_own(page: Page) -> None:
    """An exception where its message is read, and nobody else hears of it."""
    page.evaluate(ADD, ["second", "panel"])
    page.evaluate(f"window.heard = []; {VIEW}.addEventListener('error', () => heard.push(1))")
    told = page.evaluate(
        """() => new Promise((resolve) => {
            second.addEventListener("error", ({ detail }) => resolve(detail.code));
            second.setView({ eye: 1n }).catch(() => {});
        })"""
    )
    assert told == "engine"
    assert page.evaluate("heard") == []
    page.evaluate(f"{VIEW}.seek(1)")
    settle(page)


def test_a_python_that_is_of_no_use_is_replaced(page: Page) -> None:
    """By the worker of whoever starts next; those that were there may be started again."""
    (worker,) = page.workers
    worker.evaluate("() => { self.test.python._api.on_fatal(new Error('out of memory')); }")
    page.locator("vitrine-view").get_by_role("button", name="Retry").click()
    settle(page)
    assert worker not in page.workers or len(page.workers) == 2
    page.evaluate(ADD, ["second", "panel"])
