"""Picking in a real Chromium: where a click lands, what it costs, lines and labels that follow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.gaussians import Gaussians
from pybuild.site import build_site
from pyengine.view import WORLD_UP, View
from tests.page.generated import VIEW, open_page, part, settle
from tests.pyengine.test_pick import wall

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZE = 300
TRUTH_SHARE = 0.01
"""Issue 6: a picked position is within 1 % of the truth."""
DEPTHS = (3.0, 5.0)
"""A sheet on the left, and one behind it and beside it."""
LOOK = """
    const view = document.querySelector("vitrine-view");
    self.events = [];
    for (const type of ["pick", "measure", "annotations", "annotations-seen"]) {
        view.addEventListener(type, ({ detail }) => self.events.push([type, detail]));
    }
"""


def sheets() -> Gaussians:
    """The nearer sheet ends in the middle: left of it there is nothing behind that shows."""
    near, far = wall(DEPTHS[:1], 0.97), wall(DEPTHS[1:], 0.97)
    near = near.take(np.flatnonzero(near.positions[:, 0] < 0))
    names = ("positions", "log_scales", "quaternions", "opacity_logits", "sh")
    return Gaussians(
        *(np.concatenate([getattr(part, name) for part in (near, far)]) for name in names)
    )


@pytest.fixture(scope="module")
def page(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]
) -> Iterator[Page]:
    """One page for all tests."""
    folder = tmp_path_factory.mktemp("pick") / "site"
    build_site(sheets(), folder)
    url = serve(folder).rstrip("/") + "/"
    page = open_page(browser, url, "scene", "", (f"{SIZE}px", f"{SIZE}px"), hooked=True)
    page.evaluate(LOOK)
    yield page
    assert page.workers[0].evaluate("self.test.errors") == []
    page.context.close()


@pytest.fixture(autouse=True)
def begun(page: Page) -> None:
    """The camera at the origin, nothing in the hand, no marks, no events."""
    page.evaluate(f"{VIEW}.tool = ''; {VIEW}.measure(); {VIEW}.annotations = []")
    show(page, front())
    page.evaluate("self.events.length = 0")


def front() -> View:
    """From the origin along z; 3 units wide at depth 3."""
    identity = tuple(np.eye(4).ravel().tolist())
    return View(SIZE, SIZE, SIZE, SIZE, SIZE / 2, SIZE / 2, identity)


def show(page: Page, view: View) -> None:
    """Put the camera there."""
    page.evaluate(f"(view) => {VIEW}.setView(view)", json.loads(view.to_json()))
    settle(page)


def click(page: Page, x: float, y: float, count: int = 1) -> None:
    """In pixels of the element."""
    page.locator("vitrine-view .stage").click(position={"x": x, "y": y}, click_count=count)


def event(page: Page, kind: str) -> Any:
    """What the first event of a kind tells, once it came; it is taken away."""
    return page.evaluate(
        """async (kind) => {
            for (const begun = performance.now(); performance.now() < begun + 30_000;) {
                const index = self.events.findIndex(([type]) => type === kind);
                if (index >= 0) return self.events.splice(index, 1)[0][1];
                await new Promise(requestAnimationFrame);
            }
            throw new Error(`no ${kind}: ${JSON.stringify(self.events)}`);
        }""",
        kind,
    )


def counts(page: Page) -> dict[str, int]:
    """Calls to WebGPU so far."""
    found: dict[str, int] = page.workers[0].evaluate("({ ...self.test.counts })")
    return found


def hit(x: float, y: float, depth: float) -> list[float]:
    """Where the ray through the centre of a pixel of `front` has a depth."""
    across, down = (int(x) + 0.5) / SIZE - 0.5, (int(y) + 0.5) / SIZE - 0.5
    return [across * depth, down * depth, depth]


def test_a_click_tells_where_it_landed_and_costs_four_bytes(page: Page) -> None:
    """Pipelines at the first click and never again; nothing of it in a frame."""
    before = counts(page)
    for index, (x, y, depth) in enumerate([(90, 140, DEPTHS[0]), (210, 150, DEPTHS[1])]):
        click(page, x, y)
        picked = event(page, "pick")
        wanted = hit(x, y, depth)
        assert picked["position"] == pytest.approx(wanted, abs=TRUTH_SHARE * depth)
        assert picked["distance"] == pytest.approx(np.linalg.norm(wanted), rel=TRUTH_SHARE)
        after = counts(page)
        grown = {name: after[name] - before.get(name, 0) for name in after}
        assert grown["mapAsync"] == 1
        assert grown["createBuffer"] == (1 if index else 4)
        if index:
            assert not grown["createComputePipelineAsync"]
        before = after
    click(page, 285, 60)
    assert event(page, "pick") is None
    page.evaluate(f"{VIEW}.reset()")
    settle(page)
    assert counts(page)["mapAsync"] == before["mapAsync"] + 1, "a frame read something back"


def test_a_drag_is_no_click_and_a_method_is_one(page: Page) -> None:
    """Drags move the camera alone; `pick` waits for what is asked for."""
    page.mouse.move(100, 100)
    page.mouse.down()
    page.mouse.move(130, 100, steps=3)
    page.mouse.up()
    settle(page)
    view = front()
    moved = View.look_at((0.4, 0.2, 0), (0.4, 0.2, 1), WORLD_UP, 53.13, SIZE, SIZE)
    code = f"async (view) => {{ {VIEW}.setView(view); return {VIEW}.pick(210, 150); }}"
    picked = page.evaluate(code, json.loads(moved.to_json()))
    wanted = np.add(hit(210, 150, DEPTHS[1]), (0.4, 0.2, 0))
    assert picked["position"] == pytest.approx(list(wanted), abs=TRUTH_SHARE * DEPTHS[1])
    assert page.evaluate("self.events") == []
    assert view.width == SIZE
    with pytest.raises(Exception, match="outside of the element"):
        page.evaluate(f"{VIEW}.pick(-1, 0)")


def test_a_double_click_flies_there(page: Page) -> None:
    """What was clicked comes to the middle, as far as it was."""
    click(page, 210, 150, count=2)
    wanted = hit(210, 150, DEPTHS[1])
    page.evaluate(
        f"""async (wanted) => {{
            const near = ({{ moving, camera }}) =>
                !moving && camera.target.every((x, i) => Math.abs(x - wanted[i]) < 0.06);
            while (!near(await {VIEW}.getState())) await new Promise(requestAnimationFrame);
        }}""",
        wanted,
    )
    camera = page.evaluate(f"{VIEW}.getState()")["camera"]
    away = np.subtract(camera["target"], camera["eye"])
    assert np.linalg.norm(away) == pytest.approx(np.linalg.norm(wanted), rel=0.02)


def test_measuring_by_mouse_and_by_keys(page: Page) -> None:
    """Two clicks are a length; the line follows the camera; Escape takes it away, then the tool."""
    page.locator("vitrine-view .stage").press("g")
    assert page.evaluate(f"{VIEW}.tool") == "measure"
    click(page, 190, 150)
    assert event(page, "measure") is None
    click(page, 250, 190)
    told = event(page, "measure")
    ends = [hit(190, 150, DEPTHS[1]), hit(250, 190, DEPTHS[1])]
    length = float(np.linalg.norm(np.subtract(*ends)))
    assert told["length"] == pytest.approx(length, rel=0.02)
    label = page.locator("vitrine-view .length")
    assert float(label.inner_text()) == pytest.approx(told["length"], rel=0.005)
    line = page.evaluate(f"{part('.pins line')}.getAttribute('x2')")
    assert float(line) == pytest.approx(250.5, abs=1)
    line = page.evaluate(f"{part('.pins line')}.getAttribute('y2')")
    assert float(line) == pytest.approx(190.5, abs=1)
    show(page, replace(front(), cx=SIZE / 2 - 30))
    line = page.evaluate(f"{part('.pins line')}.getAttribute('x2')")
    assert float(line) == pytest.approx(220.5, abs=1)
    stage = page.locator("vitrine-view .stage")
    stage.press("Escape")
    assert page.evaluate(f"{VIEW}.measurement") is None
    stage.press("Enter")
    picked = event(page, "pick")
    assert picked is not None
    stage.press("Escape")
    stage.press("Escape")
    assert page.evaluate(f"{VIEW}.tool") == ""


def test_annotations_fade_behind_what_is_nearer(page: Page) -> None:
    """One on each sheet and one on the far sheet behind the near one; kept as JSON, given back."""
    calls = counts(page).get("mapAsync", 0)
    positions = [hit(90, 140, 3.0), hit(210, 150, 5.0), hit(90, 140, 5.0)]
    notes = [{"position": place, "text": f"place {i}"} for i, place in enumerate(positions)]
    ids = page.evaluate(f"(notes) => notes.map((note) => {VIEW}.annotate(note))", notes)
    told = event(page, "annotations-seen")
    while len(told["hidden"]) < 3:
        told = event(page, "annotations-seen")
    assert told["hidden"] == [False, False, True]
    faded = page.evaluate(
        f"[...{VIEW}.shadowRoot.querySelectorAll('.pins .label:not(.length)')]"
        ".map((label) => label.classList.contains('behind'))"
    )
    assert faded == [False, False, True]
    reads = counts(page)["mapAsync"]
    assert reads > calls
    show(page, replace(front(), cx=SIZE / 2 - 20))
    assert event(page, "annotations-seen")["hidden"] == [False, False, True]
    assert counts(page)["mapAsync"] == reads + 1, "read back other than once, at rest"
    many = [{"position": positions[i % 3], "text": str(i)} for i in range(20)]
    many[4]["position"] = [0, 0, -1]
    kept = page.evaluate(f"JSON.stringify({VIEW}.annotations)")
    reads = counts(page)["mapAsync"]
    page.evaluate(f"(notes) => {{ {VIEW}.annotations = notes; }}", many)
    told = event(page, "annotations-seen")
    while len(told["hidden"]) < 20:
        told = event(page, "annotations-seen")
    assert told["hidden"] == [None if i == 4 else i % 3 == 2 for i in range(20)]
    assert counts(page)["mapAsync"] == reads + 2, "sixteen at a time"
    page.evaluate(f"(text) => {{ {VIEW}.annotations = JSON.parse(text); }}", kept)
    assert page.evaluate(f"{VIEW}.removeAnnotation({ids[1]!r})")
    assert [note["text"] for note in page.evaluate(f"{VIEW}.annotations")] == ["place 0", "place 2"]
    page.evaluate(f"(text) => {{ {VIEW}.annotations = JSON.parse(text); }}", kept)
    assert page.evaluate(f"{VIEW}.annotations") == json.loads(kept)
    with pytest.raises(Exception, match="wanted a point of three numbers"):
        page.evaluate(f"{VIEW}.annotate({{ position: [1, 2], text: 'x' }})")


def test_a_visitor_writes_one(page: Page) -> None:
    """The tool, a click, a text, Enter."""
    page.locator("vitrine-view .stage").press("n")
    click(page, 210, 150)
    page.locator("vitrine-view .pins input").fill("a corner")
    page.keyboard.press("Enter")
    (note,) = page.evaluate(f"{VIEW}.annotations")
    assert note["text"] == "a corner"
    assert note["position"] == pytest.approx(hit(210, 150, 5.0), abs=0.05)
