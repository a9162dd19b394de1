"""Frames of a generator in the page: steady, timed and still ones."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.page.generated import VIEW, part, settle
from tests.page.hooks import ENTRIES, PROFILE, counts, python
from tests.page.test_generators import near, panel, panel_page, place, url

__all__ = ["panel", "panel_page", "url"]  # fixtures

pytestmark = [pytest.mark.page, pytest.mark.gpu]

CALLS_A_FRAME = 3
FRAMES = 10


def play(page: Page, frames: int) -> None:
    """Play so many frames, and pause."""
    until = counts(page)["submit"] + frames
    page.evaluate(f"{VIEW}.play()")
    page.workers[0].evaluate(
        """(until) => new Promise((resolve) => {
            const look = () =>
                self.test.counts.submit >= until ? resolve() : setTimeout(look, 10);
            look();
        })""",
        until,
    )
    page.evaluate(f"{VIEW}.pause()")
    page.wait_for_function(f"{VIEW}.paused")
    settle(page)


def test_steady_frames_make_nothing_and_cross_once(panel: Page) -> None:
    """Two uploads and one submission a frame: the uniforms and the inputs; no reading back."""
    play(panel, 3)
    before = counts(panel)
    panel.workers[0].evaluate("(code) => self.test.python.runPython(code)", PROFILE)
    play(panel, FRAMES)
    entries = python(panel, ENTRIES)
    python(panel, "__import__('sys').setprofile(None)")
    made = {name: n - before.get(name, 0) for name, n in counts(panel).items()}
    frames = made["submit"]
    assert frames >= FRAMES
    assert {name: n for name, n in made.items() if n} == {
        "createCommandEncoder": frames,
        "createView": frames,
        "writeBuffer": 2 * frames,
        "submit": frames,
    }
    assert set(entries) == {"frame", "play"}
    assert entries.count("play") == 2
    assert frames <= entries.count("frame") <= CALLS_A_FRAME * frames
    assert panel.workers[0].evaluate("self.test.errors") == []


def test_the_overlay_times_the_generator(panel: Page) -> None:
    stage = panel.locator("vitrine-view .stage")
    stage.press("i")
    row = part(".stats dd[data-row=generator]")
    panel.evaluate(f"{VIEW}.play()")
    panel.wait_for_function(f"parseFloat({row}.textContent) > 0")
    stage.press("i")
    panel.evaluate(f"{VIEW}.pause()")
    assert panel.workers[0].evaluate("self.test.errors") == []


def test_frames_go_on_when_the_overlay_is_closed_within_one(panel: Page) -> None:
    """What came while a timed frame was in flight was never looked at, until the next message: the
    closed overlay's times could not be read, and that ended the loop.
    """
    took = panel.workers[0].evaluate(
        """() => new Promise((resolve) => {
            const { mapAsync } = GPUBuffer.prototype;
            const post = self.postMessage;
            self.postMessage = (message) => {
                if (message.id !== -1) return post.call(self, message);
                self.postMessage = post;
                resolve(true);
            };
            GPUBuffer.prototype.mapAsync = function (...rest) {
                GPUBuffer.prototype.mapAsync = mapAsync;
                const read = mapAsync.apply(this, rest);
                const set = { type: "set", name: "lift", values: [1], id: -1 };
                queueMicrotask(() => {
                    self.onmessage({ data: { type: "overlay", on: false } });
                    self.onmessage({ data: set });
                });
                return read;
            };
            self.onmessage({ data: { type: "overlay", on: true } });
            setTimeout(() => resolve(false), 5000);
        })"""
    )
    assert took
    settle(panel)
    assert near(place(panel), 0, 1)


def test_a_still_clip_runs_nothing(panel: Page) -> None:
    """And a camera that moves does not run the generator, which does not look at it."""
    before = counts(panel)
    panel.wait_for_timeout(300)
    assert counts(panel) == before
    panel.locator("vitrine-view .stage").press("ArrowLeft")
    settle(panel)
    made = {name: n - before[name] for name, n in counts(panel).items()}
    assert made["submit"] == made["writeBuffer"] > 0, "the uniforms only"
    panel.evaluate(f"{VIEW}.reset()")
    settle(panel)
