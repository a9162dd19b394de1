"""One HTML file, opened from disk: it draws what the native host draws, and loads nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from pybuild.cli import main
from pybuild.export import export_page
from pybuild.poster import start_view
from pybuild.render import in_memory, render
from pyengine.view import WORLD_UP, View
from tests.page.generated import VIEW, pixels, settle
from tests.page.test_element import cloud
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import saved
from tests.pyengine.scenes import psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZE_PX = 256
PAGE_DB = 40
"""Two drivers round differently at the splats' edges."""
TIMEOUT_MS = 90_000
WORKLET = "https://vitrine.invalid/vitrine/view-mel-worklet.mjs"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small cloud as a page of one file; not to be changed."""
    path = tmp_path_factory.mktemp("export") / "a scene.html"
    export_page(cloud(), path)
    return path


@dataclass(slots=True)
class Shown:
    """A page from disk, what it asked for, and what was said on its console."""

    page: Page
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def open_file(browser: Browser, path: Path, **options: Any) -> Shown:
    """Open a page from disk, at the size that tests compare."""
    context = browser.new_context(
        viewport={"width": SIZE_PX, "height": SIZE_PX}, device_scale_factor=1, **options
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    shown = Shown(page)
    page.on("request", lambda request: shown.asked.append(request.url))
    page.on("console", lambda message: shown.said.append(message.text))
    page.on("pageerror", lambda error: shown.said.append(str(error)))
    page.goto(path.as_uri())
    return shown


def show(page: Page) -> None:
    """Wait for the first frame; nothing else is in the pictures."""
    settle(page)
    page.evaluate(
        f"""() => {{
            {VIEW}.setAttribute('controls', 'none');
            {VIEW}.shadowRoot.querySelector('.poster').hidden = true;
        }}"""
    )


@pytest.fixture(scope="module")
def shown(browser: Browser, exported: Path) -> Iterator[Shown]:
    """The page with its first view."""
    shown = open_file(browser, exported)
    show(shown.page)
    assert shown.said == []  # before screenshots, whose style the policy refuses
    yield shown
    shown.page.context.close()


def test_the_page_opens_from_disk_and_shows_the_scene(
    shown: Shown, exported: Path, adapter: Any
) -> None:
    """No server, no download, nothing that its own policy forbids; and the device may get lost."""
    page = shown.page
    scene, load = in_memory(cloud())
    expected = render(scene, load, start_view(scene, SIZE_PX, SIZE_PX))
    assert expected.max() > 100
    assert psnr_db(pixels(page), expected) >= PAGE_DB
    assert {url.split(":")[0] for url in shown.asked} <= {"file", "blob", "data"}
    assert [url for url in shown.asked if url.startswith("file")] == [exported.as_uri()]
    page.evaluate(
        f"""() => {{ window.again = new Promise((resolve) =>
            {VIEW}.addEventListener('progress', () => resolve(1), {{ once: true }})) }}"""
    )
    page.workers[0].evaluate("self.onmessage({ data: { type: 'lose' } })")
    assert page.evaluate("again") == 1, "it reads its files again"
    settle(page)
    assert psnr_db(pixels(page), expected) >= PAGE_DB


def test_the_poster_needs_no_script(browser: Browser, exported: Path) -> None:
    """It is there before the engine, in the place where the element's own will be."""
    page = open_file(browser, exported, java_script_enabled=False).page
    assert pixels(page).std() > 10
    page.context.close()


def test_the_browser_forbids_the_page_to_load_anything(shown: Shown) -> None:
    """A page that is sent around tells nobody who opens it."""
    told = shown.page.evaluate(
        """async () => {
            const told = new Promise((resolve) =>
                document.addEventListener('securitypolicyviolation', resolve, { once: true }));
            const failed = await fetch('https://example.org/').then(() => false, () => true);
            return [failed, (await told).effectiveDirective];
        }"""
    )
    assert told == [True, "connect-src"]


def test_what_hears_sound_loads_from_disk(shown: Shown) -> None:
    """The audio thread takes neither a blob: URL nor a module that imports one."""
    shown.page.evaluate(
        f"""async () => {{
            const url = await globalThis[Symbol.for('vitrine.held')].worklet('{WORKLET}');
            const context = new AudioContext();
            await context.audioWorklet.addModule(url);
            new AudioWorkletNode(context, 'vitrine-mel', {{ processorOptions: {{ bands: 4 }} }});
            await context.close();
        }}"""
    )


def test_a_generator_plays_from_one_file(browser: Browser, tmp_path: Path) -> None:
    """Its program, weights and track are inside; the pixels are those of vitrine render."""
    np.save(tmp_path / "shift.npy", np.array([[0, 0, 0], [0, 0.5, 0], [0, 1, 0]], np.float32))
    model = str(saved(row(bounds=[[-1, -2, -1], [2, 1, 1]]), tmp_path))
    given = ["--set", "lift=0.5", "--track", f"shift={tmp_path / 'shift.npy'}@2"]
    shown, page_file = tmp_path / "shown.png", tmp_path / "row.html"
    view = View.look_at((1, -0.5, -6), (1, -0.5, 0), WORLD_UP, 50, SIZE_PX, SIZE_PX).to_json()
    (tmp_path / "view.json").write_text(view)
    at = ["--time", "0.75", "--view", str(tmp_path / "view.json")]
    assert main(["export", model, "-o", str(page_file), *given]) == 0
    assert main(["render", model, "-o", str(shown), *given, *at]) == 0
    expected = np.asarray(Image.open(shown).convert("RGB"))
    assert expected.max() > 100
    page = open_file(browser, page_file).page
    show(page)
    page.evaluate(f"() => {{ {VIEW}.pause(); {VIEW}.seek(0.75); }}")
    page.evaluate(f"(view) => {VIEW}.setView(view)", json.loads(view))
    settle(page)
    assert psnr_db(pixels(page), expected) >= PAGE_DB
    page.context.close()
