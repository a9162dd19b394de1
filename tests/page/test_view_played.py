"""Links, pictures and films of a scene that plays, with a filter on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from pybuild.filters.bundle import add_filters, make_filters
from tests.page.generated import (
    CLIP_S,
    VIEW,
    Pixels,
    centre,
    open_page,
    part,
    pixels,
    settle,
    write_site,
)
from tests.page.test_capture import blocks, played, taken
from tests.pyengine import filters

pytestmark = [pytest.mark.page, pytest.mark.gpu]

ATTRIBUTES = 'controls="none" hash filter="none" loop="false"'
SIZES = "300x300"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """A square that moves with time and a slider, and a filter with a slider."""
    folder = tmp_path_factory.mktemp("played") / "site"
    models = tmp_path_factory.mktemp("models")
    write_site(folder)
    add_filters(folder / "panel", make_filters([f"{filters.gain(models)}@size={SIZES}"]))
    return serve(folder).rstrip("/") + "/"


@pytest.fixture
def show(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    """Opens the scene, perhaps with what a link says."""
    pages = []

    def show_(hash_: str = "") -> Page:
        script = f"history.replaceState(null, '', {json.dumps('#' + hash_)})" if hash_ else ""
        pages.append(open_page(browser, url, attributes=ATTRIBUTES, script=script))
        return pages[-1]

    yield show_
    for page in pages:
        page.context.close()


def test_a_link_a_picture_and_a_film(show: Callable[..., Page]) -> None:
    page = show()
    plain = pixels(page)
    first = page.evaluate(f"{VIEW}.link()").partition("#")[2]
    page.evaluate(
        f"""async () => {{
            {VIEW}.seek(0.5);
            await {VIEW}.setInput("lift", 0.25);
            await {VIEW}.setFilter("gain", {{strength: 0.75}});
            await {VIEW}.setInput("gain", 1.5);
        }}"""
    )
    settle(page)
    wanted = pixels(page)
    assert (wanted != plain).any()
    link = page.evaluate(f"{VIEW}.link()").partition("#")[2]
    for told in ("time=0.5", "play=0", "strength=0.75", "in.lift=0.25", "in.gain=1.5"):
        assert told in link

    picture = decoded(taken(page, "screenshot", width=300, height=300)[1])
    assert np.abs(picture.astype(int) - wanted).max() <= 1, "the filter's picture, too"
    told = page.evaluate(f"{VIEW}.screenshot({{transparent: true}}).catch(error => error.message)")
    assert "take the filter off" in told

    other = show(link)
    settle(other)
    assert other.evaluate(f"{VIEW}.filter") == "gain"
    assert other.evaluate(f"{VIEW}.time") == pytest.approx(0.5)
    assert (pixels(other) == wanted).all()

    other.evaluate("(hash) => { location.hash = hash; }", first)
    other.wait_for_function(f"!{VIEW}.filter && {VIEW}.time === 0")
    settle(other)
    assert (pixels(other) == plain).all()
    assert other.evaluate(part(".message") + ".textContent") == "", "its slider went with it"
    other.evaluate(f"{VIEW}.seek(0.5)")
    settle(other)
    asked = {"what": "clip", "fps": 5, "width": 300, "height": 300}
    before = pixels(other)
    film = taken(other, "record", **asked)[1]
    times = [time for time, _ in blocks(film)]
    assert times == [200 * i for i in range(round(5 * CLIP_S) + 1)], "both ends"
    assert other.evaluate(f"{VIEW}.time") == pytest.approx(0.5), "as it was"
    settle(other)
    assert (pixels(other) == before).all()
    _, (first, last) = played(other, film, "video/webm", 0.2, 0.05, CLIP_S + 0.1)
    assert centre(first)[0] == pytest.approx(0, abs=0.02)
    assert centre(last)[0] > 0.3, "it moved right"


def decoded(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
