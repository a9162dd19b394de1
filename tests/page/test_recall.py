"""What a visit compiled is there in the next one before Python is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.page.generated import open_page, pixels, settle, write_site

pytestmark = [pytest.mark.page, pytest.mark.gpu]

HELD = """
import * as real from './pyodide.mjs?real';
const COMPILED = ["createComputePipelineAsync", "createRenderPipelineAsync"];
const asked = () => COMPILED.reduce((sum, name) => sum + (self.test.counts[name] ?? 0), 0);
export async function loadPyodide(options) {
  const python = await real.loadPyodide(options);
  for (let tries = 0; tries < 500 && asked() < self.wanted; tries += 1) {
    await new Promise((done) => setTimeout(done, 20));
  }
  self.test.early = asked();
  self.test.asked = asked;
  return self.test.python = python;
}
"""
"""Python is not there before so many pipelines were asked for, or ten seconds have passed."""
SAVED = """async () => {
    for (let tries = 0; tries < 500; tries += 1) {
        const cache = await caches.open("vitrine-shaders");
        const [request] = await cache.keys();
        if (request) return (await (await cache.match(request)).text()).length;
        await new Promise((done) => setTimeout(done, 20));
    }
    return 0;
}"""
SPOIL = """async () => {
    const cache = await caches.open("vitrine-shaders");
    const [request] = await cache.keys();
    const text = await (await cache.match(request)).text();
    await cache.put(request, new Response((SPOILT)(text)));
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """Where the scenes are served."""
    return serve(write_site(tmp_path_factory.mktemp("recall") / "site")).rstrip("/") + "/"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A visitor, whose browser remembers nothing."""
    context = browser.new_context(viewport={"width": 400, "height": 400})
    yield context
    context.close()


def visit(browser: Browser, context: BrowserContext, url: str, wanted: int) -> Page:
    """Open the scene while Python waits for pipelines."""
    body = HELD.replace("self.wanted", str(wanted))
    return open_page(
        browser,
        url,
        "scene",
        context=context,
        hooked=True,
        modules={"pyodide.mjs": body},
    )


def told(page: Page) -> tuple[int, int]:
    """Pipelines that were asked for before Python was there, and in all."""
    early, asked = page.workers[0].evaluate("[self.test.early, self.test.asked()]")
    assert page.workers[0].evaluate("self.test.errors") == []
    return early, asked


def test_pipelines_are_compiled_while_python_starts(
    browser: Browser, context: BrowserContext, url: str
) -> None:
    """The first visit has none; the second all, and compiles no other."""
    page = visit(browser, context, url, 0)
    before, (early, asked) = pixels(page), told(page)
    assert early == 0
    assert page.evaluate(SAVED) > 1000
    page.close()
    again = visit(browser, context, url, asked)
    assert told(again) == (asked, asked)
    np.testing.assert_array_equal(pixels(again), before)


def test_what_is_not_as_it_was_kept_is_not_used(
    browser: Browser, context: BrowserContext, url: str
) -> None:
    """Damaged, or of another adapter: all is compiled when the plan is there, and kept anew."""
    page = visit(browser, context, url, 0)
    _, asked = told(page)
    kept = page.evaluate(SAVED)
    for spoil in ("() => '{'", """text => text.replace('"adapter":"', '"adapter":"another ')"""):
        page.evaluate(SPOIL.replace("SPOILT", spoil))
        page.close()
        page = visit(browser, context, url, 0)
        settle(page)
        assert told(page) == (0, asked)
        page.wait_for_function(f"({SAVED})().then((length) => length === {kept})")
