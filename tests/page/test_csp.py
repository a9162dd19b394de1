"""A built site and a gallery under the Content-Security-Policy of docs/embedding.md, in force."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Browser

from pybuild import formats
from pybuild.gallery import build_gallery
from pybuild.page import content_policy
from pybuild.poster import start_view
from pybuild.render import in_memory, render
from pybuild.site import build_site
from tests.page.generated import VIEW, pixels, settle
from tests.page.test_element import cloud
from tests.pyengine.scenes import psnr_db

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE_PX = 256
PAGE_DB = 40
"""Two drivers round differently at the splats' edges."""
TIMEOUT_MS = 90_000
WATCH = """
  window.violations = [];
  document.addEventListener('securitypolicyviolation', (event) =>
    violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));
"""
DEMO = """
[[demo]]
name = "one"
title = "A cloud"
text = "Of few."
family = "Still scene"
source = "cloud.ply"
"""
DISPLAY = "(element) => getComputedStyle(element).display"
HEAR = """
  (url) => new AudioContext().audioWorklet.addModule(url.replace('view-media', 'view-mel-worklet'))
"""


class Strict(SimpleHTTPRequestHandler):
    """Serves files as any host would, and the policy with each of them."""

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        """With the policy: a worker is bound by that of its own script."""
        self.send_header("Content-Security-Policy", content_policy())
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where ``site/`` of the small cloud, and ``gallery/``, are served under the policy."""
    folder = tmp_path_factory.mktemp("policy")
    build_site(cloud(), folder / "site")
    formats.write(folder / "cloud.ply", cloud())
    (folder / "demos.toml").write_text(DEMO)
    build_gallery(folder / "demos.toml", folder / "gallery")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Strict, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_docs_have_the_policy() -> None:
    """Whoever copies it gets the hashes of this version, in the header and in the meta element."""
    text = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
    header = re.search(r"^Content-Security-Policy: (.*?)\n```", text, re.DOTALL | re.MULTILINE)
    assert header is not None
    assert re.sub(r"\s+", " ", header[1]) == content_policy()


@pytest.mark.page
@pytest.mark.gpu
def test_a_site_needs_nothing_that_the_policy_forbids(
    browser: Browser, url: str, adapter: Any
) -> None:
    """The scene is drawn, panels open, the audio thread has its module; nothing is reported."""
    context = browser.new_context(
        viewport={"width": SIZE_PX, "height": SIZE_PX}, device_scale_factor=1
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(WATCH)
    page.goto(f"{url}site/")
    settle(page)
    page.locator("vitrine-view").focus()
    for key in ("o", "o", "?", "Escape", "i", "i"):
        page.keyboard.press(key)
    media = page.locator('link[href$="/view-media.mjs"]').get_attribute("href")
    page.evaluate(HEAR, media)
    picture = page.evaluate(f"{VIEW}.screenshot({{ width: 16, height: 16 }}).then((b) => b.size)")
    assert picture > 0
    assert page.evaluate("violations") == []
    assert complaints == []
    assert page.evaluate(f"{VIEW}.getBoundingClientRect().height") == SIZE_PX, "the page's style"
    page.evaluate(
        f"""() => {{
            {VIEW}.setAttribute('controls', 'none');
            {VIEW}.shadowRoot.querySelector('.poster').hidden = true;
            {VIEW}.blur();
        }}"""
    )
    settle(page)
    scene, load = in_memory(cloud())
    expected = render(scene, load, start_view(scene, SIZE_PX, SIZE_PX))
    assert psnr_db(pixels(page), expected) >= PAGE_DB
    page.evaluate("fetch('https://example.org/').catch(() => {})")
    assert "connect-src: https://example.org/" in page.evaluate("violations"), "it is in force"
    context.close()


@pytest.mark.page
@pytest.mark.gpu
def test_a_gallery_needs_nothing_that_the_policy_forbids(
    browser: Browser, url: str, adapter: Any
) -> None:
    """Its cards and a demo's bar have their styles, its script and the service worker run."""
    context = browser.new_context(viewport={"width": SIZE_PX, "height": SIZE_PX})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(WATCH)
    page.goto(f"{url}gallery/")
    assert page.locator("ul").evaluate(DISPLAY) == "grid"
    page.evaluate("delete Navigator.prototype.gpu")
    page.evaluate("import(document.querySelector('script').src + '?again')")
    page.get_by_role("status").wait_for()
    assert page.evaluate("violations") == []
    page.get_by_role("link", name="A cloud").click()
    settle(page)
    assert page.locator("header").evaluate(DISPLAY) == "flex"
    assert page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    assert page.evaluate("violations") == []
    assert complaints == []
    context.close()
