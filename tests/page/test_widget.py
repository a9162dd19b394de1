"""The notebook's widget in a page: with a model whose kernel is this process, pixels and traits."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from pybuild.cli import main
from pybuild.held import held_script, write_held_engine, write_held_scene
from pybuild.options import BuildOptions
from tests.page.generated import VIEW, Pixels, pixels, settle
from tests.pybuild.generators.small_generators import row
from tests.pybuild.onnx.small_models import saved
from tests.pyengine import filters
from tests.pyengine.scenes import psnr_db
from vitrine.files import pieces

pytestmark = [pytest.mark.page, pytest.mark.gpu]

SIZE_PX = 256
PAGE_DB = 40
"""Two drivers round differently at the splats' edges."""
ROUNDED = 3
"""Of 255: half floats, and two roundings to bytes."""
TIMEOUT_MS = 90_000
EYE, TARGET, FOV = (1, -0.5, -6), (1, -0.5, 0), 50

STATE = {
    "_engine": "engine-1",
    "_scene": "scene-1",
    "_inputs": {"lift": 0.5},
    "camera": {"eye": EYE, "target": TARGET, "fov": FOV},
    "mode": "",
    "time": 0.75,
    "playing": False,
    "speed": 1,
    "filter": "",
    "strength": None,
    "split": None,
    "look": {},
    "height": SIZE_PX,
    "controls": False,
    "label": "A row",
    "ready": False,
    "info": {},
    "duration": 0,
}

MODEL = """
class Model {
  listeners = {};
  news = new Set();
  saved = {};
  sent = [];
  constructor(state) { this.state = state; }
  get(name) { return this.state[name]; }
  set(name, value) {
    this.state[name] = value;
    this.news.add(name);
    this.tell(`change:${name}`);
  }
  save_changes() {
    for (const name of this.news) this.saved[name] = this.state[name];
    this.news.clear();
  }
  async send(content, callbacks, buffers = []) {
    if (content.kind !== 'file') {
      this.sent.push({ ...content, bytes: buffers.map((one) => [...new Uint8Array(one)]) });
      return;
    }
    for (const { data, ...rest } of await kernel(content.path)) {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const buffers = data ? [new DataView(bytes.buffer)] : [];
      this.tell('msg:custom', { kind: 'file', id: content.id, ...rest }, buffers);
    }
  }
  on(event, listen) { (this.listeners[event] ??= new Set()).add(listen); }
  off(event, listen) { this.listeners[event]?.delete(listen); }
  tell(event, ...rest) { for (const listen of this.listeners[event] ?? []) listen(...rest); }
  /** As Python would: no news for it. */
  update(values) {
    Object.assign(this.state, values);
    for (const name of Object.keys(values)) this.tell(`change:${name}`);
  }
}
"""
"""What anywidget hands to a widget, as far as it is promised."""

START = """async ([esm, state, shift]) => {
  const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
  const { default: widget } = await import(url);
  state._inputs.shift = new DataView(Float32Array.from(shift).buffer);
  window.widget = widget;
  window.model = new Model(state);
  window.end = widget.render({ model, el: document.querySelector('#cell') });
}"""


@dataclass(slots=True)
class Shown:
    """A page with the widget, and the model's file beside what it was asked for."""

    page: Page
    model: str
    asked: list[str]
    complaints: list[str]

    def drawn(self, folder: Path, time_s: float, lift: float, *more: str) -> Pixels:
        """What the native host draws."""
        np.save(folder / "shift.npy", np.array([[0, 0.25, 0]], np.float32))
        picture = folder / "native.png"
        told = ["--set", f"lift={lift}", "--input", f"shift={folder / 'shift.npy'}"]
        camera = [f"--eye={_list(EYE)}", f"--target={_list(TARGET)}", f"--fov={FOV}", *more]
        size = ["--time", str(time_s), "--size", f"{SIZE_PX}x{SIZE_PX}"]
        assert main(["render", self.model, "-o", str(picture), *told, *camera, *size]) == 0
        return np.asarray(Image.open(picture).convert("RGB"))

    def update(self, **values: Any) -> None:
        """New traits from Python, and wait for their frame."""
        self.page.evaluate("(values) => model.update(values)", values)
        self.page.evaluate(f"{VIEW}.getState()")  # after what the traits asked
        settle(self.page)


def _list(values: tuple[float, ...]) -> str:
    return ",".join(map(str, values))


@pytest.fixture(scope="module")
def shown(
    browser: Browser,
    serve: Callable[[Path], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    """A generator in a cell, with the traits that Python gave it."""
    folder = tmp_path_factory.mktemp("widget")
    model = saved(row(bounds=[[-1, -2, -1], [2, 1, 1]]), folder)
    kernel = folder / "kernel"
    options = BuildOptions(filters=(f"{filters.negative(folder)}@size={SIZE_PX}x{SIZE_PX}",))
    write_held_scene(model, kernel, options, lambda *_: None, [])
    write_held_engine(kernel, [])
    (folder / "notebook").mkdir()
    html = "<!doctype html><link rel=icon href=data:,><body style=margin:0><div id=cell></div>"
    (folder / "notebook/index.html").write_text(html)
    context = browser.new_context(
        viewport={"width": SIZE_PX, "height": SIZE_PX}, device_scale_factor=1
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    shown = Shown(page, str(model), [], [])

    def answer(path: str) -> list[dict[str, Any]]:
        shown.asked.append(path)
        try:
            found = [
                {"packing": piece.packing, "last": piece.last, "data": _text(piece.data)}
                for piece in pieces(kernel, path)
            ]
        except OSError as error:
            found = [{"error": str(error), "data": ""}]
        return found

    page.expose_function("kernel", answer)
    page.on("console", lambda message: shown.complaints.append(message.text))
    page.on("pageerror", lambda error: shown.complaints.append(str(error)))
    page.goto(serve(folder / "notebook"))
    page.add_script_tag(content=MODEL + "window.Model = Model;")
    page.evaluate(START, [held_script("widget.mjs"), STATE, [0, 0.25, 0]])
    page.wait_for_function("model.saved.ready || model.sent.some(({ name }) => name === 'error')")
    yield shown
    context.close()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_scene_is_drawn_as_python_said(shown: Shown, tmp_path: Path) -> None:
    """Camera, time, a slider and an array: the picture is the native one, and nothing is told."""
    assert shown.page.evaluate("model.sent.filter(({ name }) => name === 'error')") == []
    expected = shown.drawn(tmp_path, 0.75, 0.5)
    assert expected.max() > 100
    assert psnr_db(pixels(shown.page), expected) >= PAGE_DB
    assert shown.complaints == []
    assert len(set(shown.asked)) == len(shown.asked), "each file is asked for once"
    saved_ = shown.page.evaluate("model.saved")
    assert saved_["info"]["count"] == shown.page.evaluate(f"{VIEW}.ready.then((i) => i.count)")
    assert saved_["duration"] == 2


def test_traits_change_the_picture(shown: Shown, tmp_path: Path) -> None:
    """Each is done once; none comes back as news."""
    before = shown.drawn(tmp_path, 0.25, 1.5, "--background=0.2,0.4,0.6")
    shown.page.evaluate(
        "() => model.update({ _inputs: { ...model.get('_inputs'), lift: 1.5 }, time: 0.25 })"
    )
    shown.update(look={"background": [0.2, 0.4, 0.6]})
    assert psnr_db(pixels(shown.page), before) >= PAGE_DB
    shown.update(look={})
    assert pixels(shown.page)[0, 0].max() == 0


def test_filters(shown: Shown) -> None:
    """One from Python, how much of it, and that the visitor took it off."""
    before = pixels(shown.page).astype(float)
    shown.page.evaluate("model.update({ filter: 'negative' })")
    shown.page.wait_for_function(f"{VIEW}.filter === 'negative'")
    settle(shown.page)
    assert np.abs(pixels(shown.page) - (255 - before)).max() <= ROUNDED
    shown.page.evaluate("model.update({ strength: 0.5 })")
    shown.page.evaluate(f"{VIEW}.setFilter('negative')")  # done after what the trait asked
    settle(shown.page)
    assert np.abs(pixels(shown.page) - 127.5).max() <= ROUNDED
    assert shown.page.evaluate("'filter' in model.saved") is False
    shown.page.evaluate(f"{VIEW}.setFilter(null)")
    shown.page.wait_for_function("model.saved.filter === ''")
    settle(shown.page)
    assert np.abs(pixels(shown.page) - before).max() <= ROUNDED


def test_an_input_that_is_wrong_is_told(shown: Shown) -> None:
    """As an event with the element's code."""
    shown.page.evaluate("model.update({ _inputs: { ...model.get('_inputs'), nose: 1 } })")
    shown.page.wait_for_function("model.sent.some(({ name }) => name === 'error')")
    (told,) = shown.page.evaluate("model.sent.filter(({ name }) => name === 'error')")
    assert told["detail"]["code"] == "input"
    assert "nose" in told["detail"]["message"]
    shown.page.evaluate(
        "() => { const { nose, ...rest } = model.get('_inputs'); model.update({ _inputs: rest }) }"
    )


def test_the_visitor_changes_the_traits(shown: Shown) -> None:
    """A drag the camera, a slider its input, the space bar whether it plays."""
    page = shown.page
    before = page.evaluate("model.state.camera")
    page.evaluate("model.saved = {}")
    page.mouse.move(60, 60)
    page.mouse.down()
    page.mouse.move(120, 90, steps=4)
    page.mouse.up()
    page.wait_for_function("model.saved.camera")
    after = page.evaluate("model.state.camera")
    assert after["eye"] != before["eye"]
    assert after["target"] == pytest.approx(before["target"], abs=1e-6)
    page.evaluate(f"{VIEW}.setInput('lift', 1.25)")
    page.locator("vitrine-view").dispatch_event("pointerup")
    page.wait_for_function("model.saved._inputs?.lift === 1.25")
    page.evaluate("model.update({ playing: true })")
    page.wait_for_function("model.saved.time > 0")
    page.locator("vitrine-view").focus()
    page.keyboard.press("Space")
    page.wait_for_function("model.saved.playing === false")


def test_keys_are_not_the_notebooks(shown: Shown) -> None:
    """In a notebook D twice deletes the cell; here it flies."""
    shown.page.evaluate("() => { document.onkeydown = ({ key }) => { window.heard = key } }")
    shown.page.locator("vitrine-view").focus()
    shown.page.keyboard.press("d")
    assert shown.page.evaluate("window.heard ?? null") is None
    assert shown.page.evaluate(f"{VIEW}.hasAttribute('data-lm-suppress-shortcuts')")


def test_a_picture_is_sent(shown: Shown) -> None:
    """The same that is on screen, at its size."""
    ask = {"kind": "do", "id": "p", "command": "screenshot", "given": {"width": 64, "height": 64}}
    shown.page.evaluate("(ask) => model.tell('msg:custom', ask, [])", ask)
    shown.page.wait_for_function("model.sent.some(({ id }) => id === 'p')")
    (answer,) = shown.page.evaluate("model.sent.filter(({ id }) => id === 'p')")
    assert "error" not in answer
    picture = Image.open(io.BytesIO(bytes(answer["bytes"][0])))
    assert picture.size == (64, 64)
    assert np.asarray(picture.convert("RGB")).max() > 100


def test_it_ends_with_its_cell(shown: Shown) -> None:
    """No worker, no listener is left."""
    assert len(shown.page.workers) == 1
    gone: list[Any] = []
    shown.page.workers[0].on("close", lambda worker: gone.append(worker))
    shown.page.evaluate("end()")
    while not gone:
        shown.page.wait_for_timeout(50)  # the worker is ended half a second after its goodbye
    listening = "Object.values(model.listeners).reduce((sum, all) => sum + all.size, 0)"
    assert shown.page.evaluate(listening) == 0
    assert shown.page.locator("vitrine-view").count() == 0


def test_a_kernel_that_fails_is_told_and_asked_again(shown: Shown) -> None:
    """In the cell, where not even the element's modules came."""
    shown.page.evaluate(
        """() => {
            const other = document.createElement('div');
            other.id = 'other';
            document.body.append(other);
            const model = new Model({ ...window.model.state, _engine: 'engine-2', _scene: 's-2' });
            model.send = ({ kind, id }) => kind === 'file' && queueMicrotask(() =>
                model.tell('msg:custom', { kind, id, error: 'the kernel is gone' }, []));
            const held = globalThis[Symbol.for('vitrine.held')];
            window.define = held.defineElement;
            held.defineElement = (base) => held.read(base + 'vitrine-view.mjs');
            widget.render({ model, el: other });
        }"""
    )
    told = shown.page.locator("#other [role=alert]")
    told.wait_for()
    assert "the kernel is gone" in told.inner_text()
    shown.page.evaluate("globalThis[Symbol.for('vitrine.held')].defineElement = async () => {}")
    told.get_by_role("button", name="Try again").click()
    shown.page.locator("#other vitrine-view").wait_for(state="attached")
    shown.page.evaluate("document.querySelector('#other').remove()")
