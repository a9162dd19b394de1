"""axe-core finds nothing serious: in the gallery, and in a demo with all of its panels open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from playwright.sync_api import Browser, Page

from pybuild.filters.bundle import add_filters, make_filters
from pybuild.gallery import build_gallery
from tests.page.generated import TIMEOUT_MS, VIEW, panel, part, settle
from tests.pyengine import filters

pytestmark = [pytest.mark.page, pytest.mark.gpu]

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
ROWS = """
[[demo]]
name = "cloud"
title = "Cloud"
text = "Seven hundred Gaussians."
family = "Still scene"
source = "cloud.ply"

[[demo]]
name = "panel"
title = "Panel"
text = "It has a clip, a slider, a picture, sound, a filter, and another object."
family = "Network"
source = "panel.toml"
"""
OBJECTS = """
[[object]]
file = "cloud.ply"

[[object]]
file = "panel.onnx"
"""


@pytest.fixture(scope="module")
def gallery(
    serve: Callable[[Path], str], scene_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Where a gallery of two demos is served; the second has whatever a view can show."""
    folder = tmp_path_factory.mktemp("axe")
    (folder / "cloud.ply").write_bytes(scene_file.read_bytes())
    (folder / "demos.toml").write_text(ROWS)
    made = panel()
    made.metadata_props.add(key="vitrine.bounds", value="[[-1, -2, -0.1], [3, 1, 0.1]]")
    onnx.save(made, str(folder / "panel.onnx"))
    (folder / "panel.toml").write_text(OBJECTS)
    build_gallery(folder / "demos.toml", folder / "out")
    scene = folder / "out" / "panel" / "scene"
    add_filters(scene, make_filters([f"{filters.inverting(folder)}@size=150x150"]))
    return serve(folder / "out").rstrip("/") + "/"


@pytest.fixture(params=[PHONE, DESKTOP], ids=["phone", "desktop"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page with the size and the pointer of a phone, or of a desk."""
    phone = request.param is PHONE
    context = browser.new_context(viewport=request.param, has_touch=phone, is_mobile=phone)
    made = context.new_page()
    made.set_default_timeout(TIMEOUT_MS)
    yield made
    context.close()


def faults(page: Page) -> list[str]:
    """What axe finds, with the first element of each."""
    if not page.evaluate("'axe' in window"):
        assert AXE.is_file(), "axe-core is missing: make node_modules/.installed"
        page.add_script_tag(path=AXE)
    found: list[dict[str, Any]] = page.evaluate(
        "async () => (await axe.run({resultTypes: ['violations']})).violations"
    )
    return [
        f"{item['id']}: {item['help']}: {item['nodes'][0]['html']}"
        for item in found
        if item["impact"] in GRAVE
    ]


def test_the_gallery(page: Page, gallery: str) -> None:
    """A link a demo, named by its title."""
    page.goto(gallery)
    page.wait_for_load_state("networkidle")
    assert faults(page) == []
    assert [link.inner_text() for link in page.get_by_role("link").all()] == ["Cloud", "Panel"]
    card = page.get_by_role("listitem").first.bounding_box()
    assert card is not None
    page.mouse.click(card["x"] + 5, card["y"] + 5)
    page.wait_for_url("**/cloud/")


def test_a_demo_with_its_panels_open(page: Page, gallery: str) -> None:
    """Inputs, filter, frame times; then the view's panel; an object's handles; then help."""
    page.goto(f"{gallery}panel/")
    settle(page)
    stage = page.locator("vitrine-view .stage")
    stage.press("i")
    if page.evaluate(part(".dials") + ".hidden"):
        stage.press("c")
    assert page.locator("vitrine-view .dials").is_visible()
    assert faults(page) == []
    stage.press("b")
    stage.press("o")
    page.locator("vitrine-view .viewing ol li").wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="cloud", exact=True).click()
    page.get_by_role("slider", name="Move along x").focus()
    settle(page)
    assert page.evaluate(f"{VIEW}.selected") == "cloud"
    assert faults(page) == []
    stage.press("?")
    assert page.get_by_role("dialog", name="Controls").is_visible()
    assert faults(page) == []
