"""Camera, microphone and audio elements feed a generator; Chromium's fake devices play them.

The fake camera is a green picture on which something moves; the fake microphone beeps once a
second.
"""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserType, Page

from tests.page.generated import BANDS, VIEW, open_page, pixels, settle, write_site

pytestmark = pytest.mark.page

WEB = Path(__file__).resolve().parents[2] / "web"
FLAGS = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
TRACKS = """
window.tracks = [];
window.contexts = [];
const ask = MediaDevices.prototype.getUserMedia;
MediaDevices.prototype.getUserMedia = async function (wanted) {
  const stream = await ask.call(this, wanted);
  await new Promise((resolve) => setTimeout(resolve, window.slow ?? 0));
  tracks.push(...stream.getTracks());
  return stream;
};
const Real = AudioContext;
window.AudioContext = class extends Real {
  constructor(...rest) { super(...rest); contexts.push(this); }
};
const post = Worker.prototype.postMessage;
window.heard = [];
Worker.prototype.postMessage = function (message, ...rest) {
  if (message.type === "bands") {
    if (window.keep && Math.max(...(heard.at(-1) ?? [0])) > 0.5) return;
    heard.push(Array.from(message.bands));
  }
  return post.call(this, message, ...rest);
};
"""
"""What the page asked of the machine, and what it told the worker of sounds; with ``keep`` the
first loud one is the last."""

FLOAT = 2e-4
"""Single precision, under a logarithm that spans 80 dB."""
HEARD = 0.03
"""2.4 dB: a tone between two steps of the window, resampled by the browser."""

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def machine(
    browser_type: BrowserType, browser_type_launch_args: dict[str, Any]
) -> Iterator[Browser]:
    """A browser with a camera and a microphone."""
    flags = [*browser_type_launch_args["args"], *FLAGS]
    with browser_type.launch(**{**browser_type_launch_args, "args": flags}) as browser:
        yield browser


@pytest.fixture(scope="module")
def media_page(
    machine: Browser, tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]
) -> Iterator[Page]:
    """One page of the panel, for all tests."""
    url = serve(write_site(tmp_path_factory.mktemp("media") / "site")).rstrip("/") + "/"
    page = open_page(machine, url, attributes="", size=("700px", "400px"), script=TRACKS)
    yield page
    page.context.close()


@pytest.fixture
def panel(media_page: Page) -> Page:
    """The panel, which nothing feeds."""
    media_page.evaluate(
        f"""() => {{
            for (const name of ["picture", "sound"]) {VIEW}.release(name);
            tracks.length = contexts.length = heard.length = 0;
            return {VIEW}.setInput("picture", null);
        }}"""
    )
    settle(media_page)
    return media_page


def lit(page: Page) -> Array:
    """Mean colour of the square."""
    settle(page)
    image = pixels(page)
    mean: Array = image[image.max(axis=2) > 16].mean(axis=0)
    return mean


def until(page: Page, holds: Callable[[Array], bool]) -> Array:
    """Wait for a colour of the square."""
    for _ in range(100):
        colour = lit(page)
        if holds(colour):
            return colour
        page.wait_for_timeout(30)
    pytest.fail(f"the square is still {colour}")


def test_the_camera_paints_until_it_is_released(panel: Page) -> None:
    grey = lit(panel)
    assert np.ptp(grey) < 2
    panel.evaluate(f"{VIEW}.useCamera()")
    until(panel, lambda colour: colour[1] > 1.5 * max(colour[0], colour[2]))
    button = panel.get_by_role("button", name="Camera")
    assert button.get_attribute("aria-pressed") == "true"
    first = pixels(panel)
    for _ in range(50):
        panel.wait_for_timeout(50)
        if (pixels(panel) != first).any():
            break
    else:
        pytest.fail("the picture stands still")
    button.click()
    assert panel.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    assert button.get_attribute("aria-pressed") == "false"


def test_the_camera_gives_way_to_a_picture(panel: Page) -> None:
    panel.evaluate(f"{VIEW}.useCamera('picture')")
    panel.evaluate(
        f"""() => {{
            const canvas = new OffscreenCanvas(4, 4);
            const paper = canvas.getContext("2d");
            paper.fillStyle = "#f00";
            paper.fillRect(0, 0, 4, 4);
            return {VIEW}.setImage("picture", canvas);
        }}"""
    )
    until(panel, lambda colour: colour[0] > 2 * max(colour[1], colour[2]))
    assert panel.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    panel.wait_for_timeout(150)
    assert lit(panel)[0] > 2 * lit(panel)[1], "no late picture of the camera"


def test_a_camera_that_is_not_allowed(panel: Page) -> None:
    panel.evaluate(
        """() => {
            window.allowed = MediaDevices.prototype.getUserMedia;
            MediaDevices.prototype.getUserMedia = () =>
                Promise.reject(new DOMException("no", "NotAllowedError"));
        }"""
    )
    told = panel.evaluate(f"{VIEW}.useCamera().catch((error) => [error.code, error.message])")
    assert told == ["media", "No camera for picture: the browser was not allowed to use it."]
    panel.get_by_role("button", name="Camera").click()
    panel.locator("vitrine-view .hint.on").wait_for()
    assert "not allowed" in panel.locator("vitrine-view .hint").inner_text()
    assert panel.get_by_role("button", name="Camera").get_attribute("aria-pressed") == "false"
    panel.evaluate("() => { MediaDevices.prototype.getUserMedia = allowed; }")


def test_the_microphone_is_heard_until_it_is_released(panel: Page) -> None:
    silent = lit(panel)
    panel.evaluate("window.keep = true")
    button = panel.get_by_role("button", name="Microphone")
    button.click()
    until(panel, lambda colour: colour[1] > 2 * silent[1])
    assert button.get_attribute("aria-pressed") == "true"
    panel.evaluate("window.keep = false")
    button.click()
    until(panel, lambda colour: abs(colour[1] - silent[1]) < 2)
    assert panel.evaluate("tracks.map((track) => track.readyState)") == ["ended"]
    panel.wait_for_function("contexts.every(({ state }) => state === 'closed')")


def test_an_audio_element_is_heard_as_numpy_hears_it(panel: Page) -> None:
    """A tone of 1 kHz at half of full scale; 24 bands."""
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4 * 48_000) / 48_000)
    panel.evaluate(
        f"""async (url) => {{
            window.audio = new Audio(url);
            await {VIEW}.useAudio("sound", audio);
            await audio.play();
        }}""",
        wav_url(tone, 48_000),
    )
    panel.wait_for_function("heard.length > 30")
    bands, rate_hz = panel.evaluate("[heard.at(-1), contexts[0].sampleRate]")
    again = np.sin(2 * np.pi * 1000 * np.arange(rate_hz) / rate_hz) * 0.5
    assert np.argmax(bands) == np.argmax(mel_bands(again, rate_hz, BANDS))
    assert np.abs(np.array(bands) - mel_bands(again, rate_hz, BANDS)).max() < HEARD
    code = f"{VIEW}.useAudio('sound', elsewhere).catch((error) => error.code)"
    taken = "new AudioContext().createMediaElementSource(window.elsewhere = new Audio())"
    assert panel.evaluate(f"({taken}, {code})") == "media"
    panel.evaluate(f"{VIEW}.useAudio('sound', audio)")
    silent = panel.evaluate(f"{VIEW}.release('sound'), heard.at(-1)")
    assert silent == [0] * BANDS
    count = panel.evaluate("audio.currentTime > 0 && !audio.paused && heard.length")
    panel.wait_for_timeout(200)
    assert panel.evaluate("heard.length") == count, "the element plays on, unheard here"
    panel.evaluate(f"{VIEW}.useAudio('sound', audio)")
    panel.wait_for_function(f"heard.length > {count}")


def test_the_end_ends_everything(panel: Page) -> None:
    """Runs last: the view is gone after it."""
    panel.evaluate(f"Promise.all([{VIEW}.useCamera(), {VIEW}.useMicrophone()])")
    panel.evaluate(
        f"""async () => {{
            window.slow = 100;
            void {VIEW}.useCamera();
            await new Promise((resolve) => setTimeout(resolve, 50));
            {VIEW}.dispose();
        }}"""
    )
    panel.wait_for_function("tracks.length === 3 && tracks.every((t) => t.readyState === 'ended')")
    panel.wait_for_function("contexts.every(({ state }) => state === 'closed')")


def wav_url(samples: Array, rate_hz: int) -> str:
    """Mono, 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes((samples * 32767).astype("<i2").tobytes())
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()


def mel_bands(samples: Array, rate_hz: float, bands: int) -> Array:
    """The formula of docs/embedding.md, on the last window of some samples."""
    size = 2 ** round(np.log2(0.04 * rate_hz))
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = np.abs(np.fft.rfft(samples[-size:] * hann)) ** 2 * 4 / (1.5 * hann.sum() ** 2)
    bins = np.arange(size // 2 + 1) * rate_hz / size
    low, high = 2595 * np.log10(1 + np.array([60, min(8000, rate_hz / 2)]) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, bands + 2) / 2595) - 1)
    told = np.empty(bands)
    for band, (a, b, c) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        weights = np.clip(np.minimum((bins - a) / (b - a), (c - bins) / (c - b)), 0, None)
        if not weights.any():
            weights[round(b * size / rate_hz)] = 1
        told[band] = weights @ power
    return np.clip(1 + 10 * np.log10(told + 1e-12) / 80, 0, 1)


@pytest.mark.parametrize(("rate_hz", "bands"), [(48_000, 24), (44_100, 80), (16_000, 128)])
def test_bands_are_those_of_numpy(
    page: Page, serve: Callable[[Path], str], rate_hz: int, bands: int
) -> None:
    """Of a tone and of noise; the worklet's module alone, in pieces as the browser gives them."""
    page.goto(serve(WEB).rstrip("/") + "/view-mel.mjs")
    rng = np.random.default_rng(bands)
    count = 128 * 40
    tone = np.sin(2 * np.pi * 440 * np.arange(count) / rate_hz)
    for samples in (tone, 0.1 * rng.normal(size=count), np.zeros(count)):
        got, hop = page.evaluate(
            """async ([samples, rate, bands]) => {
                const { MelBands } = await import(location.href);
                const mel = new MelBands(rate, bands);
                const out = new Float32Array(bands);
                for (let i = 0; i < samples.length; i += 128) mel.add(samples.slice(i, i + 128));
                mel.read(out);
                return [Array.from(out), mel.hop];
            }""",
            [samples.tolist(), rate_hz, bands],
        )
        assert np.abs(np.array(got) - mel_bands(samples, rate_hz, bands)).max() < FLOAT
        assert hop % 128 == 0
        assert hop / rate_hz == pytest.approx(0.016, rel=0.15)
    assert json.dumps(got) == json.dumps([0] * bands), "silence is 0"
