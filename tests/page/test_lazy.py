"""When a scene is begun, what of its frames a page hears, and how much memory it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pybuild.site import build_site
from tests.page.test_element import (
    BARE,
    ELEMENT,
    READY_MS,
    VIEW,
    changed,
    cloud,
    open_page,
    settle,
    shot,
)

__all__ = ["open_page"]  # a fixture

pytestmark = pytest.mark.page

Open = Callable[..., Page]
FAR = '<div style="height: 3000px"></div>'
SAVING = "Object.defineProperty(navigator, 'connection', {value: {saveData: true}})"
CALM_MS = 400
"""A moving view has drawn again by then, unless it is paused; a slow machine lets the test pass."""
ROW_BYTES = {1: 12, 3: 48}
"""Of SH, by its degree."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where a site of a small cloud with SH of degree 3 is served."""
    plain = cloud()
    sh = np.random.default_rng(5).normal(size=(len(plain.sh), 16, 3)) * 0.4
    sh[:, 0] = plain.sh[:, 0]
    folder = tmp_path_factory.mktemp("lazy") / "site"
    build_site(replace(plain, sh=sh.astype(np.float32)), folder)
    return serve(folder).rstrip("/") + "/"


def requested(page: Page) -> list[str]:
    """Names of what the page and its workers ask for, from now on."""
    names: list[str] = []
    page.context.on("request", lambda request: names.append(request.url.rsplit("/", 1)[-1]))
    return names


def test_a_scene_begins_in_sight_and_rests_out_of_it(open_page: Open) -> None:
    """Below the fold there is the poster and no worker; out of sight a turntable stands still."""
    page = open_page(FAR + BARE, wait=False)
    names = requested(page)
    page.evaluate("() => void customElements.whenDefined('vitrine-view')")
    poster = "document.querySelector('vitrine-view')?.shadowRoot?.querySelector('.picture')"
    page.wait_for_function(f"{poster}?.complete")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.workers == []
    assert not {"pyodide.asm.wasm", "scene.json"} & set(names)
    page.evaluate("scrollTo(0, 3000)")
    settle(page)
    assert len(page.workers) == 1
    page.evaluate(
        f"""async () => {{
            window.frames_seen = 0;
            {VIEW}.on("frame", () => {{ window.frames_seen += 1; }});
            await {VIEW}.setMode("turntable", {{speed: 30}});
        }}"""
    )
    page.wait_for_function("frames_seen > 2")
    page.evaluate(
        """new Promise((done) => {
            const gone = new IntersectionObserver(([entry]) => {
                if (!entry.isIntersecting) setTimeout(done, 100);
            });
            gone.observe(document.querySelector("vitrine-view"));
            scrollTo(0, 0);
        })"""
    )
    seen = page.evaluate(f"{VIEW}.getState().then(() => frames_seen)")
    page.wait_for_timeout(CALM_MS)
    assert page.evaluate("frames_seen") == seen
    page.evaluate("scrollTo(0, 3000)")
    page.wait_for_function(f"frames_seen > {seen}")
    page.context.close()


def test_load_does_not_wait_to_be_seen(open_page: Open) -> None:
    """Asked for by a script; the same source again is loaded again. `on` is taken back."""
    page = open_page(FAR + BARE, wait=False)
    page.evaluate("() => void customElements.whenDefined('vitrine-view')")
    told = page.evaluate(
        f"""async () => {{
            const told = [];
            const off = {VIEW}.on("load", (info) => told.push(info.count));
            const info = await {VIEW}.load("scene/scene.json");
            off();
            const again = await {VIEW}.load("scene/scene.json");
            return [told, info.count, again.count];
        }}"""
    )
    assert told == [[300], 300, 300]
    page.context.close()


def test_data_is_saved_until_the_visitor_asks(browser: Browser, url: str) -> None:
    """In the built page too, which otherwise fetches ahead."""
    context = browser.new_context(viewport={"width": 640, "height": 480})
    context.add_init_script(SAVING)
    page = context.new_page()
    page.set_default_timeout(READY_MS)
    names = requested(page)
    page.goto(url)
    button = page.get_by_role("button", name="Load the scene")
    button.wait_for()
    page.wait_for_load_state("networkidle")
    heavy = {"pyodide.asm.wasm", "scene.json", "worker.mjs"}
    assert not heavy & set(names)
    assert not [name for name in names if name.endswith(".bin")]
    assert "poster.webp" in names
    button.click()
    settle(page)
    assert heavy <= set(names)
    context.close()


def test_a_budget_takes_bands_of_sh_and_then_refuses(open_page: Open) -> None:
    """With room for degree 1, the picture is that of the whole scene at degree 1."""
    whole = open_page(ELEMENT.format('controls="none" sh-degree="1"'))
    info = whole.evaluate(f"{VIEW}.ready")
    assert info["shDegree"] == 3
    room = info["gpuBytes"] - 512 * (ROW_BYTES[3] - ROW_BYTES[1])
    wanted = shot(whole)
    full = open_page(ELEMENT.format('controls="none"'))
    assert changed(shot(full), wanted) > 0.05, "the bands are seen"
    full.context.close()
    page = open_page(ELEMENT.format(f'controls="none" budget="{room / 1e6}"'))
    kept = page.evaluate(f"{VIEW}.ready")
    assert kept["shDegree"] == 1
    assert kept["gpuBytes"] <= room
    assert changed(shot(page), wanted) == 0
    whole.context.close()
    failed = page.evaluate(
        f"""async () => {{
            {VIEW}.budget = 0.01;
            return {VIEW}.load("scene/scene.json").catch(({{code, message}}) => [code, message]);
        }}"""
    )
    assert failed[0] == "limits"
    assert "0.01 MB" in failed[1]
    assert page.get_by_role("alert").get_by_text("too large").is_visible()
    page.context.close()
