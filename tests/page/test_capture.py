"""Pictures and films from a real page, against the native renderer."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

from pybuild.render import in_memory, render
from pyengine.camera_shot import Shot
from tests.page.test_element import (
    ELEMENT,
    VIEW,
    changed,
    cloud,
    lose_device,
    open_page,
    settle,
    url,
)
from tests.page.test_element import shot as seen_on_screen
from tests.pyengine.scenes import psnr_db

__all__ = ["open_page", "url"]  # fixtures

pytestmark = [pytest.mark.page, pytest.mark.gpu]

PAGE_DB = 40.0
"""Chromium's adapter against the native one, as in test_engine_page.py."""
FILM_DB = 33.0
"""After a lossy codec, with half the chroma: 38 and more; another frame of the turn has 14."""
SIZE = (200, 150)
ENCODED = "width: 200, height: 150, framerate: 10, bitrate: 4e6"
BLOB = """async (blob) => {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    return [blob.type, btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""))];
}"""
SEEK = """async ([data, type, seconds, step]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const video = document.createElement("video");
    video.muted = true;
    video.style.cssText = "position: fixed; left: 0; bottom: 0; width: 40px";
    video.src = URL.createObjectURL(new Blob([bytes], {type}));
    document.body.append(video); // what is not in the page is not always painted
    await new Promise((done, fail) => {
        video.onloadeddata = done;
        video.onerror = () => fail(video.error);
    });
    const frames = [];
    for (const time of seconds) {
        const painted = new Promise((done) => {
            const look = (_, {mediaTime}) => mediaTime <= time && time < mediaTime + step
                ? done() : video.requestVideoFrameCallback(look);
            video.requestVideoFrameCallback(look);
        });
        video.currentTime = time;
        await painted;
        const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
        canvas.getContext("2d").drawImage(video, 0, 0);
        const blob = await canvas.convertToBlob();
        const png = new Uint8Array(await blob.arrayBuffer());
        frames.push(btoa(png.reduce((text, byte) => text + String.fromCharCode(byte), "")));
    }
    const {duration} = video;
    video.remove();
    return {duration, frames};
}"""
"""What a player shows at some times of a film whose frames last ``step`` seconds."""

Pixels = NDArray[np.uint8]
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def page(open_page: Open) -> Page:
    """One page, which pictures leave as it is."""
    page = open_page(ELEMENT.format("background='#204060'"), accept_downloads=True)
    page.set_viewport_size({"width": 640, "height": 560})
    page.evaluate(f"{VIEW}.style.cssText = 'width: 400px; height: 500px'")
    settle(page)
    return page


def shot(page: Page) -> Pixels:
    """The canvas without what fades in and out over it."""
    return seen_on_screen(page, hidden=".ring, .toolbar, .hint")


def taken(page: Page, call: str, **options: Any) -> tuple[str, bytes]:
    """MIME type and bytes of what a method of the element gives."""
    script = f"async (options) => ({BLOB})(await {VIEW}.{call}(options))"
    kind, data = page.evaluate(script, options)
    return kind, base64.b64decode(data)


def pixels(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)))


def native(
    page: Page, width: int, height: int, background: tuple[float, ...], turn: float = 0
) -> Pixels:
    """What the native renderer makes of the page's camera, turned about its target."""
    seen = page.evaluate(f"{VIEW}.getState()")["camera"]
    there = Shot.of(seen["eye"], seen["target"], math.radians(seen["fov"]))
    turned = replace(there, yaw=there.yaw + turn)
    scene, load = in_memory(cloud())
    return render(scene, load, turned.view(width, height), background)


BLUE = (0x20 / 255, 0x40 / 255, 0x60 / 255)


@pytest.mark.parametrize("size", [(640, 480), (4200, 40)], ids=["whole", "tiles"])
def test_a_picture_of_any_size_is_the_native_one(page: Page, size: tuple[int, int]) -> None:
    before = shot(page)
    kind, data = taken(page, "screenshot", width=size[0], height=size[1])
    assert kind == "image/png"
    picture = pixels(data)
    assert picture.shape == (size[1], size[0], 3)
    assert psnr_db(picture, native(page, *size, BLUE)) >= PAGE_DB
    settle(page)
    assert changed(before, shot(page)) == 0, "the canvas"


def test_a_transparent_picture_fits_over_any_background(page: Page) -> None:
    width, height = SIZE
    picture = pixels(taken(page, "screenshot", width=width, transparent=True)[1]).astype(float)
    height = picture.shape[0]
    assert picture.shape == (250, width, 4), "the shape of the canvas"
    alpha = picture[..., 3:] / 255
    assert alpha.min() == 0
    assert alpha.max() > 0.9
    for background in ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0)):
        over = picture[..., :3] * alpha + 255 * np.array(background) * (1 - alpha)
        wanted = native(page, width, height, background)
        assert psnr_db(over.round().astype(np.uint8), wanted) >= PAGE_DB


def test_other_types_and_sizes_that_cannot_be(page: Page) -> None:
    kind, data = taken(page, "screenshot", width=64, height=48, type="image/webp", quality=0.9)
    assert kind == "image/webp"
    assert pixels(data).shape == (48, 64, 3)
    for call, told in (
        ("screenshot({width: 0})", "wanted 1 to 16384 a side"),
        ("screenshot({width: 20000, height: 10})", "20000 x 10"),
        ("screenshot({width: 16384, height: 16384})", "134217728 in all"),
        ("screenshot({type: 'image/none'})", "writes no image/none"),
        ("record({what: 'clip'})", "no clip"),
        ("record({what: 'path'})", "two bookmarks"),
        ("record({codec: 'none'})", "encodes no none"),
        ("record({type: 'image/gif'})", "not image/gif"),
    ):
        code, message = page.evaluate(f"{VIEW}.{call}.catch(error => [error.code, error.message])")
        assert code == "view"
        assert told in message


def elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """EBML elements: identifier, where the content begins, where it ends."""
    end = len(data) if end is None else end
    while start < end:
        length = 9 - data[start].bit_length()
        name = int.from_bytes(data[start : start + length])
        start += length
        length = 9 - data[start].bit_length()
        size = int.from_bytes(data[start : start + length]) & ((1 << 7 * length) - 1)
        start += length
        yield name, start, start + size
        start += size


def blocks(data: bytes) -> list[tuple[int, bool]]:
    """Time in milliseconds of each frame, and whether it can be shown alone."""
    (segment,) = [(a, b) for name, a, b in elements(data) if name == 0x18538067]
    found = []
    for name, a, b in elements(data, *segment):
        if name != 0x1F43B675:
            continue
        begin = 0
        for inner, c, d in elements(data, a, b):
            if inner == 0xE7:
                begin = int.from_bytes(data[c:d])
            elif inner == 0xA3:
                time = begin + int.from_bytes(data[c + 1 : c + 3], signed=True)
                found.append((time, bool(data[c + 3] & 0x80)))
    return found


def played(
    page: Page, data: bytes, kind: str, step_s: float, *times_s: float
) -> tuple[float, list[Pixels]]:
    """How long a film is in seconds, and what is seen at some times."""
    shown = page.evaluate(SEEK, [base64.b64encode(data).decode(), kind, times_s, step_s])
    return shown["duration"], [pixels(base64.b64decode(t))[..., :3] for t in shown["frames"]]


def samples(data: bytes) -> list[tuple[int, bool]]:
    """Of an MP4 file, as `blocks`."""

    def inside(path: str, start: int = 0, end: int = len(data)) -> tuple[int, int]:
        name, _, rest = path.partition("/")
        while start < end:
            size = int.from_bytes(data[start : start + 4])
            if data[start + 4 : start + 8] == name.encode():
                return inside(rest, start + 8, start + size) if rest else (start + 8, start + size)
            start += size
        raise AssertionError(f"no box {name}")

    def numbers(path: str) -> list[int]:
        start, end = inside(path)
        return [int.from_bytes(data[i : i + 4]) for i in range(start, end, 4)]

    table = "moov/trak/mdia/minf/stbl/"
    scale, length = numbers("moov/trak/mdia/mdhd")[3:5]
    assert numbers(table + "stsz")[2] == sum(numbers(table + "stts")[2::2])
    assert sum(numbers(table + "stsz")[3:]) == inside("mdat")[1] - inside("mdat")[0]
    assert numbers(table + "stco")[2] == inside("mdat")[0]
    keys, at, found = numbers(table + "stss")[2:], 0, []
    for count, step in zip(
        numbers(table + "stts")[2::2], numbers(table + "stts")[3::2], strict=True
    ):
        for _ in range(count):
            found.append((round(1000 * at / scale), len(found) + 1 in keys))
            at += step
    assert at == length
    return found


@pytest.mark.parametrize(
    ("kind", "codec"), [("video/webm", None), (None, "vp8"), ("video/mp4", None)]
)
def test_a_film_of_the_turntable_plays(page: Page, kind: str | None, codec: str | None) -> None:
    ask = f"async (codec) => VideoEncoder.isConfigSupported({{codec, {ENCODED}}})"
    if kind == "video/mp4" and not page.evaluate(ask, "avc1.640028")["supported"]:
        pytest.skip("this Chromium is built without H.264")
    before, state = shot(page), page.evaluate(f"{VIEW}.getState()")
    asked = {"what": "turntable", "seconds": 1.2, "fps": 10, "width": 201, "height": 151}
    made, data = taken(page, "record", **asked, bitrate=4_000_000, type=kind, codec=codec)
    assert made == (kind or "video/webm")
    times = samples(data) if kind == "video/mp4" else blocks(data)
    assert [time for time, _ in times] == [100 * i for i in range(12)]
    assert times[0][1]
    duration, images = played(page, data, made, 0.1, 0.05, 0.35, 0.95)
    assert duration == pytest.approx(1.2)
    assert images[0].shape == (150, 200, 3), "sides are even"
    for image, index in zip(images, (0, 3, 9), strict=True):
        turn = math.tau * index / 12
        assert psnr_db(image, native(page, 200, 150, BLUE, turn)) >= FILM_DB, index
    assert psnr_db(images[1], native(page, 200, 150, BLUE)) < FILM_DB, "it turns"
    settle(page)
    assert page.evaluate(f"{VIEW}.getState()") == state
    assert changed(before, shot(page)) == 0


def test_a_film_tells_how_far_it_is_and_can_be_cancelled(page: Page) -> None:
    name, told = page.evaluate(
        f"""async () => {{
            const abort = new AbortController();
            const told = [];
            const progress = (done, total) => {{
                told.push([done, total]);
                if (done === 3) abort.abort();
            }};
            const {{signal}} = abort;
            const film = {{what: "turntable", width: 64, height: 48, signal, progress}};
            const name = await {VIEW}.record(film).catch((error) => error.name);
            return [name, told];
        }}"""
    )
    assert name == "AbortError"
    assert told[:3] == [[1, 600], [2, 600], [3, 600]]
    assert len(told) < 100
    page.locator("vitrine-view .stage").press("ArrowLeft")
    settle(page)  # frames go on
    page.evaluate(f"{VIEW}.reset()")
    settle(page)


def test_a_film_ends_with_its_device_and_can_be_made_again(page: Page) -> None:
    page.evaluate(
        f"""() => {{
            window.begun = new Promise((resolve) => {{
                const film = {{what: "turntable", width: 64, height: 48, progress: resolve}};
                window.ended = {VIEW}.record(film).catch(({{code, message}}) => [code, message]);
            }});
        }}"""
    )
    page.evaluate("begun.then(() => {})")
    lose_device(page)
    code, message = page.evaluate("ended")
    assert code == "view"
    assert message.endswith("; ask again once the scene is back") or "changed meanwhile" in message
    kind, _ = taken(page, "record", what="turntable", width=64, height=48, seconds=0.2, fps=10)
    assert kind == "video/webm"


def test_the_buttons_save_files(page: Page) -> None:
    page.locator("vitrine-view .stage").focus()
    with page.expect_download() as saved:
        page.keyboard.press("x")
    assert saved.value.suggested_filename == "view.png"
    assert pixels(saved.value.path().read_bytes()).shape == (500, 400, 3)
    page.keyboard.press("o")
    panel = page.get_by_role("region", name="View")
    panel.get_by_label("Size of the picture").select_option("2")
    panel.get_by_label("Transparent").check()
    with page.expect_download() as saved:
        panel.get_by_role("button", name="Save picture").click()
    assert pixels(saved.value.path().read_bytes()).shape == (1000, 800, 4)
    panel.get_by_role("button", name="Record video").click()
    panel.get_by_role("button", name="Cancel").click()
    panel.get_by_role("button", name="Cancel").wait_for(state="hidden")
    page.keyboard.press("Escape")
