"""A page that was opened once opens without its server; a new build is seen; nothing old stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from pybuild.gaussians import Gaussians
from pybuild.options import BuildOptions
from pybuild.server import serving
from pybuild.site import build_site
from tests.page.test_start import READY_MS, SETTLED, pixels

pytestmark = [pytest.mark.page, pytest.mark.gpu]

OPTIONS = BuildOptions(eye=(0, 0, -5), target=(0, 0, 0))
KEPT = "navigator.serviceWorker.ready.then(() => true)"
"""Resolves when the service worker has all files of a start."""
NAMES = """
async () => {
  const names = (await caches.keys()).filter((name) => name.startsWith('vitrine '));
  const caches_ = await Promise.all(names.map((name) => caches.open(name)));
  const keys = await Promise.all(caches_.map((cache) => cache.keys()));
  return keys.flat().map(({ url }) => new URL(url).pathname);
}
"""
ASKED = """
async (name) => {
  const answer = await fetch(name, { headers: { Range: 'bytes=0-9' } });
  return [answer.status, (await answer.arrayBuffer()).byteLength];
}
"""
INSTALLED = """
async () => {
  const { offline } = document.querySelector('script[data-offline]').dataset;
  const kept = await navigator.serviceWorker.register(offline);
  await kept.update().catch(() => {});
  const worker = kept.installing ?? kept.waiting ?? kept.active;
  while (worker?.state === 'installing') {
    await new Promise((done) => worker.addEventListener('statechange', done, { once: true }));
  }
  return worker?.state ?? 'redundant';
}
"""
"""What became of the newest service worker."""
REPLACED = """
async (url) => {
  for (;;) {
    const { active, waiting } = await navigator.serviceWorker.getRegistration(url);
    if (!waiting && active.state === 'activated') return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
"""
"""Resolves when the newest service worker of a page elsewhere is the one that answers."""
GONE = """
async () => {
  for (;;) {
    const left = await navigator.serviceWorker.getRegistrations();
    if (!left.length && !(await caches.keys()).some((name) => name.startsWith('vitrine '))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
"""
SAVED = """async () => {
    const view = document.querySelector("vitrine-view");
    return (await view.screenshot({ width: 32, height: 20 })).type;
}"""


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A profile without a cache and without a service worker."""
    size: ViewportSize = {"width": 320, "height": 200}
    context = browser.new_context(viewport=size, reduced_motion="reduce")
    context.set_default_timeout(READY_MS)
    yield context
    context.close()


def opened(visitor: BrowserContext, url: str, drawn: bool = True) -> Page:
    """The site in a tab of its own."""
    page = visitor.new_page()
    page.goto(url)
    if drawn:
        page.evaluate(SETTLED)
    return page


def port_of(url: str) -> int:
    """For a server that comes back."""
    port = urlsplit(url).port
    assert port is not None
    return port


def test_a_page_opens_again_without_its_server(
    visitor: BrowserContext, cloud: Gaussians, tmp_path: Path
) -> None:
    """Below a path, in a new tab too; then a new build, whose files alone stay."""
    site = tmp_path / "some" / "where"
    build_site(cloud, site, OPTIONS)
    (site / "own.html").write_text("mine")
    (tmp_path / "beside.html").write_text("not of the site")
    (old,) = site.glob("scene/geometry-*.bin")
    with serving(tmp_path) as root:
        url = f"{root}some/where/"
        page = opened(visitor, url)
        page.evaluate(KEPT)
        picture = pixels(page)
        assert page.evaluate(ASKED, f"scene/{old.name}") == [206, 10], "a part stays a part"
    assert np.ptp(picture) > 100
    page.reload()
    page.evaluate(SETTLED)
    assert np.array_equal(pixels(page), picture)
    assert page.evaluate(SAVED) == "image/png", "its modules were never used before"
    page.close()
    page = opened(visitor, f"{url}?from=mail#d=1")
    assert np.abs(pixels(page) - picture).mean() < 0.5

    build_site(cloud.take(np.arange(300)), site, OPTIONS)
    (new,) = site.glob("scene/geometry-*.bin")
    with serving(tmp_path, port=port_of(url)):
        page.goto(url)
        page.evaluate(SETTLED)
        fewer = pixels(page)
        assert np.abs(fewer - picture).mean() > 1, "what the server has, at once"
        assert page.evaluate(INSTALLED) == "installed"
        page.close()  # the last one of the old version
        page = opened(visitor, f"{root}beside.html", drawn=False)
        page.evaluate(REPLACED, url)  # Chromium may lose what is asked meanwhile: decision 14
        page.goto(f"{url}own.html")
        assert page.inner_text("body") == "mine", "a page of the user's own"
        page.goto(url)
        page.evaluate(SETTLED)
    page.reload()
    page.evaluate(SETTLED)
    assert np.array_equal(pixels(page), fewer)
    page.wait_for_function(
        f"(async () => !(await ({NAMES})()).some((n) => n.endsWith('{old.name}')))()"
    )
    kept = page.evaluate(NAMES)
    assert f"/some/where/scene/{new.name}" in kept
    assert all(name.startswith("/some/where/") for name in kept)


def test_what_is_not_wanted_any_more_goes(
    visitor: BrowserContext, cloud: Gaussians, tmp_path: Path
) -> None:
    """A site that is watched, and one that is built with --no-offline, clear up in the browser."""
    build_site(cloud, tmp_path / "site", OPTIONS)
    with serving(tmp_path / "site") as url:
        page = opened(visitor, url)
        page.evaluate(KEPT)
        assert page.evaluate(NAMES)
    with serving(tmp_path / "site", port=port_of(url), watched=True):
        page.goto(url)
        page.evaluate(GONE)
    build_site(cloud, tmp_path / "site", replace(OPTIONS, offline=False))
    with serving(tmp_path / "site", port=port_of(url)):
        page.goto(url)
        page.evaluate(SETTLED)
        assert page.evaluate("navigator.serviceWorker.getRegistrations()") == []


class _Failing(BaseHTTPRequestHandler):
    """A host whose server is away."""

    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        pass


def test_failures_are_not_kept(visitor: BrowserContext, cloud: Gaussians, tmp_path: Path) -> None:
    """Nothing is kept of a site with a hole; a host that answers with its own failure is away."""
    build_site(cloud, tmp_path, OPTIONS)
    poster = tmp_path / "scene" / "poster.webp"
    data = poster.read_bytes()
    poster.unlink()
    with serving(tmp_path) as url:
        page = opened(visitor, url)
        assert page.evaluate(INSTALLED) == "redundant"
        poster.write_bytes(data)
        page.reload()
        page.evaluate(SETTLED)
        page.evaluate(KEPT)
        picture = pixels(page)
    server = ThreadingHTTPServer(("127.0.0.1", port_of(url)), _Failing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        page.reload()
        page.evaluate(SETTLED)
        assert np.array_equal(pixels(page), picture)
        assert page.evaluate("fetch('scene/other.bin').then(({ status }) => status)") == 503
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
