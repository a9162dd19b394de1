"""Mouse and fingers, with a worker that only listens: what each drag is, in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.page.test_element_messages import heard, part, show, started, url

__all__ = ["show", "url"]  # fixtures

pytestmark = pytest.mark.page

Touch = Callable[..., None]
HEIGHT_PX = 300
"""Of the element: drags are measured in it."""


@pytest.fixture
def touch(show: Callable[..., Page], page: Page) -> Touch:
    """Puts fingers where they are told to be; told of none, all lift."""
    started(show())
    page.evaluate("window.ids = []; addEventListener('pointerdown', (e) => ids.push(e.pointerId))")
    session = page.context.new_cdp_session(page)
    count = 0

    def touch_(*fingers: tuple[float, float]) -> None:
        nonlocal count
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        kind = "touchStart" if len(points) > count else "touchMove" if points else "touchEnd"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        count = len(points)

    return touch_


def lift(page: Page, finger: int) -> None:
    """One of several, which the protocol cannot: the event that the browser would make of it."""
    fire = part(".stage") + ".dispatchEvent(new PointerEvent('pointerup', {pointerId}))"
    page.evaluate(f"(finger) => {{ const pointerId = ids[finger]; {fire}; }}", finger)


def did(page: Page) -> dict[str, list[float]]:
    """What the worker was told since it was asked last: sums of drags and of zoom steps."""
    sums: dict[str, list[float]] = {}
    for message in heard(page, "input"):
        for kind in set(message) - {"type"}:
            parts = message[kind] if isinstance(message[kind], list) else [message[kind]]
            before = sums.get(kind, [0.0] * len(parts))
            sums[kind] = [a + b for a, b in zip(before, parts, strict=True)]
    page.workers[-1].evaluate("void (log.length = 0)")
    return sums


def test_each_button_has_its_own_drag(show: Callable[..., Page]) -> None:
    """That the picture moves does not tell a pan from an orbit."""
    page = started(show())
    page.locator("vitrine-view").focus()
    drags = [
        ("left", None, "orbit"),
        ("right", None, "pan"),
        ("middle", None, "pan"),
        ("left", "Shift", "pan"),
        ("left", "Alt", "look"),
        ("left", "w", "look"),
    ]
    for button, held, kind in drags:
        if held:
            page.keyboard.down(held)
        page.mouse.move(100, 100)
        page.mouse.down(button=button)  # type: ignore[arg-type]
        page.mouse.move(160, 130, steps=3)
        page.mouse.up(button=button)  # type: ignore[arg-type]
        told = did(page)
        told.pop("move", None)
        assert told == {kind: pytest.approx([60 / HEIGHT_PX, 30 / HEIGHT_PX])}, (button, held)
        if held:
            page.keyboard.up(held)


def test_two_fingers_pan_and_pinch(page: Page, touch: Touch) -> None:
    """Side by side they pan by what their middle moves; apart they zoom by the ratio."""
    touch((100, 100), (140, 100))
    touch((160, 130), (200, 130))
    told = did(page)
    assert told["pan"] == pytest.approx([60 / HEIGHT_PX, 30 / HEIGHT_PX])
    assert told["zoom"] == pytest.approx([0], abs=1e-9)
    assert set(told) == {"pan", "zoom"}, "and nothing turns"
    touch((140, 130), (220, 130))
    told = did(page)
    assert told["zoom"] == pytest.approx([math.log(2)])
    assert told["pan"] == pytest.approx([0, 0], abs=1e-9)


def test_the_finger_that_stays_orbits(page: Page, touch: Touch) -> None:
    """From where it is, without a jump; and a third one is nobody."""
    touch((100, 100), (140, 100))
    touch((100, 100), (140, 100), (300, 200))
    touch((100, 100), (140, 100), (340, 240))
    assert did(page) == {}
    lift(page, 1)
    touch((130, 160), (140, 100), (340, 240))
    assert did(page) == {"orbit": pytest.approx([30 / HEIGHT_PX, 60 / HEIGHT_PX])}
    touch()
    assert not page.evaluate(part(".stage") + ".classList.contains('dragging')")
