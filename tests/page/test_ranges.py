"""Chromium takes two disjoint writable ranges of one buffer, and refuses to read beside a write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.pyengine.ranges import BUFFER, START, ranges_plan, result_of

pytestmark = pytest.mark.page

WEB = Path(__file__).resolve().parents[2] / "web"
ORIGIN = "http://localhost:1/"
"""Nothing listens there: the test answers. WebGPU needs a trustworthy origin."""

RUN = """async ({plan, buffer, start}) => {
    const { Executor } = await import('/executor.mjs');
    const adapter = await navigator.gpu.requestAdapter();
    const device = await adapter.requestDevice();
    const errors = [];
    device.onuncapturederror = ({ error }) => errors.push(error.message);
    const executor = new Executor(device, plan, null, 'rgba8unorm');
    await executor.compile(() => {});
    executor.resize(1, 1);
    executor.write(buffer, 0, Uint8Array.from(start));
    executor.run(0, null);
    const size = executor.buffer(buffer).size;
    const readable = device.createBuffer({
        size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(executor.buffer(buffer), 0, readable, 0, size);
    device.queue.submit([encoder.finish()]);
    await readable.mapAsync(GPUMapMode.READ);
    const bytes = [...new Uint8Array(readable.getMappedRange())];
    device.destroy();
    return { errors, bytes };
}"""


@pytest.fixture(scope="module")
def gpu_page(browser: Browser) -> Iterator[Page]:
    """One load of an empty page that may import the modules of web/."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(ORIGIN)
        if name:
            route.fulfill(path=WEB / name, content_type="text/javascript")
        else:
            route.fulfill(content_type="text/html", body="<!doctype html>")

    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(90_000)
    page.route(f"{ORIGIN}**", answer)
    page.goto(ORIGIN)
    yield page
    context.close()


def ran(page: Page, access: str) -> dict[str, Any]:
    """Errors, and the bytes of the buffer afterwards."""
    plan = ranges_plan(access).to_dict()
    answer: dict[str, Any] = page.evaluate(
        RUN, {"plan": plan, "buffer": BUFFER, "start": list(START)}
    )
    return answer


def test_two_disjoint_ranges_of_one_buffer_are_written(gpu_page: Page) -> None:
    """In one dispatch; and the dispatch after sees what the one before wrote."""
    answer = ran(gpu_page, "read_write")
    assert answer["errors"] == []
    assert result_of(bytes(answer["bytes"])) == ([11], [1])


def test_a_buffer_is_not_read_and_written_at_once(gpu_page: Page) -> None:
    """The rule of the null host is the browser's too."""
    assert "writable usage" in " ".join(ran(gpu_page, "read")["errors"])
