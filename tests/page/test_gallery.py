"""The gallery in Chromium: nothing of a demo is loaded before its click, by hand or by key."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pybuild.gallery import build_gallery
from pybuild.server import serving
from tests.page.generated import TIMEOUT_MS, pixels, settle

pytestmark = [pytest.mark.page, pytest.mark.gpu]

ROWS = """
[[demo]]
name = "one"
title = "One"
text = "The cloud."
family = "Still scene"
source = "cloud.ply"

[[demo]]
name = "two"
title = "Two"
text = "The cloud again."
family = "Still scene"
source = "cloud.ply"
background = [0, 0, 1]
"""


def test_a_demo_is_a_key_away(browser: Browser, scene_file: Path, tmp_path: Path) -> None:
    """Posters and the page at first; then the demo, with the shared engine; and back. Without the
    server there are the cards and the demo that was seen.
    """
    (tmp_path / "cloud.ply").write_bytes(scene_file.read_bytes())
    (tmp_path / "demos.toml").write_text(ROWS)
    build_gallery(tmp_path / "demos.toml", tmp_path / "out")
    server = ExitStack()
    url = server.enter_context(serving(tmp_path / "out"))
    context = browser.new_context(viewport={"width": 390, "height": 500}, device_scale_factor=1)
    page = context.new_page()
    try:
        page.set_default_timeout(TIMEOUT_MS)
        asked: list[str] = []
        failed: list[str] = []
        page.on("request", lambda request: asked.append(request.url.removeprefix(url)))
        page.on("requestfailed", lambda request: failed.append(request.url))
        page.goto(url)
        page.wait_for_load_state("networkidle")
        posters = {"one/scene/poster.webp", "two/scene/poster.webp"}
        own = {name for name in asked if name.startswith("vitrine/gallery-cards-")}
        assert len(own) == 2
        assert set(asked) - {"data:,"} - own == {"", *posters}
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "nothing juts out of a phone"
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/two/")
        settle(page)
        assert "vitrine/pyodide-314.0.7/pyodide.asm.wasm" in asked
        assert not any(name.startswith("one/") for name in asked if name not in posters)
        assert pixels(page)[..., 2].mean() > 200, "its blue background"
        page.get_by_role("link", name="All demos").click()
        page.wait_for_url(url)
        assert page.get_by_role("link").count() == 2
        assert failed == []
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        server.close()
        page.reload()
        assert page.get_by_role("list").evaluate("({ offsetHeight }) => offsetHeight") > 300
        page.get_by_role("link", name="Two").click()
        settle(page)
        assert pixels(page)[..., 2].mean() > 200
    finally:
        server.close()
        context.close()
