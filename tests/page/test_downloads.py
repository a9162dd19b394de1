"""The page's early downloads are the worker's own: nothing large is sent twice."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from playwright.sync_api import Page

from pybuild import serve as server
from pybuild.server import serving

LARGE = (".bin", ".wasm", ".zip")
READY_MS = 90_000


@pytest.mark.page
def test_nothing_large_is_sent_twice(
    page: Page, built_site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cold and warm; and the console says nothing.

    Preload links would do the same, but Chromium warns that they are not used: it does not see
    that a worker's fetch takes its answer from the cache.
    """
    sent: Counter[str] = Counter()
    asked: set[str] = set()
    respond = server._respond

    class Counted(server._File):
        """Counts the answers that have a body."""

        async def prepare(self, request: web.BaseRequest) -> object:  # type: ignore[override]
            writer = await super().prepare(request)
            if self.status == 200:
                sent[request.path] += 1
            return writer

    def watching(request: web.Request, folder: Path, watched: bool) -> web.StreamResponse:
        asked.add(request.path)
        return respond(request, folder, watched)

    monkeypatch.setattr(server, "_File", Counted)
    monkeypatch.setattr(server, "_respond", watching)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    ready = "document.querySelector('vitrine-view').ready.then(() => true)"
    page.set_default_timeout(READY_MS)
    with serving(built_site) as url:
        page.goto(url)
        assert page.evaluate(ready)
        cold = dict(sent)
        sent.clear()
        page.goto("about:blank")
        page.goto(url)
        assert page.evaluate(ready)
    large = [path for path in asked if path.endswith(LARGE)]
    assert len(large) >= 6
    assert {path: cold.get(path) for path in large} == dict.fromkeys(large, 1)
    assert [path for path in sent if path.endswith((*LARGE, ".mjs"))] == []
    assert said == []
