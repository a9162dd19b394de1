"""The element with a worker that only listens: what it sends, and what it says to the visitor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.page

WEB = Path(__file__).resolve().parents[2] / "web"
VIEW = "document.querySelector('vitrine-view')"
WORKER = """
self.log = [];
let last = 0;
const early = [];
self.tell = (message) => last ? postMessage({ element: last, ...message }) : early.push(message);
self.onmessage = ({ data: { element, ...data } }) => {
  if (data.type === "init") {
    last = element;
    early.splice(0).forEach(self.tell);
    delete data.canvas;
  }
  if (data.type === "file") data.size = data.data.byteLength;
  self.log.push(data);
  const answer = (message) => postMessage({ element, id: data.id, ...message });
  if (data.type === "settle") answer({ type: "settled" });
  if (data.type === "view") {
    answer({ type: "view", error: data.view.fx ? null : "view: 'fx' missing" });
  }
  if (data.type === "close") close();
};
"""
INFO = {"count": 3, "shDegree": 0, "adapter": "stub", "gpuBytes": 12}
READY = {"type": "ready", "info": INFO}
HTML = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0 }} vitrine-view {{ width: 400px; height: 300px }}</style>
{body}<script type="module" src="vitrine-view.mjs"></script>"""
ELEMENT = '<vitrine-view src="scene.json"></vitrine-view>'


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """The element's modules beside the stub."""
    folder = tmp_path_factory.mktemp("stub")
    for module in [*WEB.glob("v*.mjs"), *WEB.glob("*.css")]:
        (folder / module.name).write_bytes(module.read_bytes())
    (folder / "worker.mjs").write_text(WORKER, encoding="utf-8")
    return serve(folder).rstrip("/") + "/"


@pytest.fixture
def show(page: Page, url: str) -> Callable[..., Page]:
    """Opens the page with a body; waits until the element is defined."""

    def show_(body: str = ELEMENT) -> Page:
        text = HTML.format(body=body)
        page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=text))
        page.goto(url + "test.html")
        page.evaluate("() => void customElements.whenDefined('vitrine-view')")
        return page

    return show_


def tell(page: Page, *messages: dict[str, Any]) -> None:
    """Say something in the worker's name."""
    if not page.workers:
        page.wait_for_event("worker")
    for message in messages:
        page.workers[-1].evaluate("message => tell(message)", message)


def heard(page: Page, kind: str) -> list[dict[str, Any]]:
    """Messages of a kind that the worker got."""
    frame(page)
    log: list[dict[str, Any]] = page.workers[-1].evaluate("log")
    return [message for message in log if message["type"] == kind]


def frame(page: Page) -> None:
    """Two animation frames: gathered input has been sent."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")


def started(page: Page) -> Page:
    tell(page, READY)
    page.evaluate(f"{VIEW}.ready")
    page.wait_for_function(part(".root") + ".dataset.state === 'ready'")
    return page


def part(selector: str) -> str:
    """JavaScript for an element inside the view."""
    return f"{VIEW}.shadowRoot.querySelector('{selector}')"


def says(page: Page) -> str:
    """The message on screen, or nothing."""
    frame(page)
    message = page.locator("vitrine-view .message")
    return message.inner_text() if message.is_visible() else ""


def drop(page: Page, name: str, size: int = 5) -> None:
    """A file dragged over the element and dropped."""
    page.evaluate(
        f"""([name, size]) => {{
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(size)], name));
            for (const type of ["dragenter", "dragover", "drop"]) {{
                {part(".stage")}.dispatchEvent(new DragEvent(type,
                    {{dataTransfer: data, bubbles: true, composed: true, cancelable: true}}));
            }}
        }}""",
        [name, size],
    )


def test_the_worker_learns_where_it_is(show: Callable[..., Page], url: str) -> None:
    page = show()
    tell(page)
    (init,) = heard(page, "init")
    assert init["src"] == url + "scene.json"
    assert init["base"] == url
    assert (init["width"], init["height"]) == (400, 300)


def test_progress_in_words(show: Callable[..., Page]) -> None:
    page = show()
    steps = [
        ("engine", 0, 0, "Starting the engine"),
        ("scene", 420, 1000, "Loading the scene, 42 %"),
        ("engine", 1, 1, "Loading the scene, 42 %"),
        ("scene", 1000, 1000, "Loading the scene"),
        ("shaders", 3, 12, "Preparing the GPU, 25 %"),
    ]
    bar = page.get_by_role("progressbar")
    shares = []
    for stage, loaded, total, words in steps:
        tell(page, {"type": "progress", "stage": stage, "loaded": loaded, "total": total})
        page.wait_for_function("words => " + part(".words") + ".textContent === words", arg=words)
        shares.append(int(bar.get_attribute("aria-valuenow") or 0))
    assert shares == sorted(shares)
    assert shares[-1] > shares[0]
    started(page)
    page.wait_for_function(f"getComputedStyle({part('.progress')}).opacity === '0'")


def test_input_is_gathered_and_measured_in_heights(show: Callable[..., Page]) -> None:
    page = started(show())
    page.evaluate(
        f"""() => {{
            const stage = {part(".stage")};
            stage.setPointerCapture = () => {{}};
            const fire = (type, x, y) => stage.dispatchEvent(new PointerEvent(type,
                {{pointerId: 1, pointerType: "mouse", button: 0, clientX: x, clientY: y}}));
            fire("pointerdown", 10, 10);
            for (let i = 1; i <= 30; i++) fire("pointermove", 10 + i, 10 + 2 * i);
            fire("pointerup", 40, 70);
        }}"""
    )
    (message,) = heard(page, "input")
    assert message["orbit"] == pytest.approx([0.1, 0.2])
    assert set(message) == {"type", "orbit"}


@pytest.mark.parametrize(
    ("event", "steps"),
    [
        ("{deltaY: -100}", 0.15),
        ("{deltaY: 3, deltaMode: 1}", -0.072),
        ("{deltaY: -10, ctrlKey: true}", 0.1),
        ("{deltaY: 1, deltaMode: 2}", -0.3),
    ],
)
def test_wheels_of_all_kinds(show: Callable[..., Page], event: str, steps: float) -> None:
    page = started(show())
    fire = part(".stage") + f".dispatchEvent(new WheelEvent('wheel', {event}))"
    page.evaluate("() => void " + fire)
    assert [message["zoom"] for message in heard(page, "input")] == [pytest.approx(steps)]


def test_fly_keys_are_told_when_they_change(show: Callable[..., Page]) -> None:
    page = started(show())
    page.locator("vitrine-view").focus()
    for act, key in (("down", "w"), ("down", "e"), ("up", "w"), ("up", "e")):
        getattr(page.keyboard, act)(key)
        frame(page)
    moves = [message["move"] for message in heard(page, "input")]
    assert moves == [[0, 0, 1], [0, -1, 1], [0, -1, 0], [0, 0, 0]]


def test_losing_the_focus_lets_go_of_the_keys(show: Callable[..., Page]) -> None:
    page = started(show(ELEMENT + "<button id=other>Other</button>"))
    page.locator("vitrine-view").focus()
    page.keyboard.down("d")
    frame(page)
    page.locator("#other").focus()
    assert heard(page, "input")[-1]["move"] == [0, 0, 0]


def test_a_held_arrow_goes_on_and_a_shortcut_of_the_browser_does_not(
    show: Callable[..., Page],
) -> None:
    page = started(show())
    page.locator("vitrine-view").focus()
    page.keyboard.down("ArrowRight")
    page.wait_for_timeout(600)
    page.keyboard.up("ArrowRight")
    turned = sum(message["orbit"][0] for message in heard(page, "input"))
    assert 0.06 < turned < 0.6
    before = len(heard(page, "reset"))
    page.keyboard.press("Alt+r")
    assert len(heard(page, "reset")) == before


def test_the_wheel_scrolls_the_page_until_the_scene_has_the_focus(
    show: Callable[..., Page],
) -> None:
    page = started(show("<div style='height: 3000px'>" + ELEMENT + "</div>"))
    page.mouse.move(200, 100)
    page.mouse.wheel(0, 30)
    page.wait_for_function("scrollY > 0")
    assert heard(page, "input") == []
    page.wait_for_function(part(".hint") + ".classList.contains('on')")
    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(200, 100)
    page.mouse.wheel(0, 30)
    frame(page)
    assert heard(page, "input")[-1]["zoom"] == pytest.approx(-0.045)
    assert page.evaluate("scrollY") == 0


def test_out_of_sight_is_told(show: Callable[..., Page]) -> None:
    page = started(show(ELEMENT + "<div style='height: 3000px'></div>"))
    page.evaluate("scrollTo(0, 2000)")
    page.wait_for_timeout(200)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(200)
    assert [message["on"] for message in heard(page, "visible")] == [False, True]


def test_a_dropped_file_goes_to_the_worker(show: Callable[..., Page]) -> None:
    page = show("<vitrine-view></vitrine-view>")
    assert "Drop a scene here" in says(page)
    drop(page, "Statue.PLY", 17)
    page.wait_for_event("worker") if not page.workers else None
    (init,) = heard(page, "init")
    assert init["src"] is None
    (file,) = heard(page, "file")
    assert (file["name"], file["size"]) == ("Statue.PLY", 17)
    started(page)
    assert says(page) == ""


def test_other_files_leave_all_as_it_was(show: Callable[..., Page]) -> None:
    page = started(show())
    drop(page, "holiday.jpeg")
    assert "“holiday.jpeg”" in says(page)
    page.get_by_role("button", name="Close").click()
    assert says(page) == ""
    assert heard(page, "file") == []
    load = f"{VIEW}.loadFile(new File([], 'a.zip')).catch(error => error.code)"
    assert page.evaluate(load) == "file"
    assert page.evaluate(f"{VIEW}.ready") == INFO


def test_a_broken_file_keeps_the_scene(show: Callable[..., Page]) -> None:
    page = started(show())
    page.evaluate(
        f"() => void (window.opened = {VIEW}.loadFile(new File(['x'], 'b.spz')).catch(e => e.code))"
    )
    page.wait_for_timeout(100)
    tell(page, {"type": "error", "code": "file", "message": "b.spz: byte 0: not gzip"})
    assert page.evaluate("opened") == "file"
    assert "not gzip" in says(page)
    assert len(page.workers) == 1
    assert page.evaluate(f"{VIEW}.ready") == INFO
    assert page.evaluate(part("canvas") + " !== null")


def test_files_are_opened_one_after_the_other(show: Callable[..., Page]) -> None:
    page = started(show())
    page.evaluate(
        f"""() => {{
            window.opened = ["a.ply", "b.splat"].map(
                name => {VIEW}.loadFile(new File(["x"], name)));
        }}"""
    )
    page.wait_for_timeout(100)
    assert [message["name"] for message in heard(page, "file")] == ["a.ply"]
    tell(page, READY)
    page.wait_for_timeout(100)
    assert [message["name"] for message in heard(page, "file")] == ["a.ply", "b.splat"]
    tell(page, READY)
    assert page.evaluate("Promise.all(opened)") == [INFO, INFO]


@pytest.mark.parametrize("code", ["no-webgpu", "no-adapter", "download", "limits", "engine"])
def test_each_failure_has_words_and_a_poster(show: Callable[..., Page], code: str) -> None:
    image = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='4' height='3'/>"
    page = show(ELEMENT.replace("src=", f'poster="{image}" src='))
    page.evaluate(f"() => void {VIEW}.addEventListener('error', e => window.error = e.detail)")
    tell(page, {"type": "error", "code": code, "message": "scene.json: status 404"})
    caught = page.evaluate(f"{VIEW}.ready.catch(e => [e instanceof Error, e.code, e.message])")
    assert caught == [True, code, "scene.json: status 404"]
    assert page.evaluate("error") == {"code": code, "message": "scene.json: status 404"}
    title, _, body = says(page).partition("\n")
    assert title
    assert len(body) > 20
    assert page.evaluate(f"getComputedStyle({part('.poster')}).opacity") == "1"
    assert page.evaluate(part("canvas") + " === null")
    box = page.locator("vitrine-view .message").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= 300


def test_a_worker_that_does_not_start_is_told(show: Callable[..., Page], page: Page) -> None:
    page.context.route("**/worker.mjs", lambda route: route.fulfill(status=404))
    show()
    assert page.evaluate(f"{VIEW}.ready.catch(error => error.code)") == "engine"
    assert "did not start" in says(page)


def test_events(show: Callable[..., Page]) -> None:
    page = show()
    page.evaluate(
        f"""() => {{
            window.events = [];
            for (const type of ["progress", "ready"]) {{
                {VIEW}.addEventListener(type, e => events.push([type, e.detail]));
            }}
        }}"""
    )
    progress = {"stage": "scene", "loaded": 1, "total": 2}
    tell(page, {"type": "progress", **progress})
    started(page)
    assert page.evaluate("events") == [["progress", progress], ["ready", INFO]]


def test_a_new_src_starts_anew_and_keeps_who_waits(show: Callable[..., Page], url: str) -> None:
    page = show()
    tell(page)
    page.evaluate(f"window.waiting = {VIEW}.ready; {VIEW}.src = 'other.json'; 0")
    page.wait_for_timeout(800)
    assert len(page.workers) == 1
    assert heard(page, "init")[0]["src"] == url + "other.json"
    tell(page, READY)
    assert page.evaluate("waiting") == INFO


FILES = f"""
window.told = [];
window.opened = ["a.ply", "b.splat"].map((name, at) => {VIEW}.loadFile(new File(["x"], name))
    .then(() => {{ told[at] = "shown"; }}, ({{ code }}) => {{ told[at] = code; }}));
"""


@pytest.mark.parametrize("end", ["dispose()", "remove()"])
def test_files_that_wait_are_not_opened_after_the_end(show: Callable[..., Page], end: str) -> None:
    """No worker is left, least of all of an element that is in no page."""
    page = started(show())
    page.evaluate(f"() => {{ {FILES} {VIEW}.{end}; }}")
    page.wait_for_timeout(1500)
    assert page.evaluate("told") == ["disposed", "disposed"]
    assert page.workers == []


def test_a_scene_that_is_asked_for_after_files_is_shown(
    show: Callable[..., Page], url: str
) -> None:
    page = started(show())
    page.evaluate(f"() => {{ {FILES} window.loaded = {VIEW}.load('other.json'); }}")
    page.wait_for_timeout(800)
    assert len(page.workers) == 1
    assert heard(page, "init")[-1]["src"] == url + "other.json"
    tell(page, READY)
    page.evaluate("loaded")
    assert heard(page, "file") == []
    assert page.evaluate("told") == ["disposed", "disposed"]


def test_an_element_in_no_page_opens_no_file(show: Callable[..., Page]) -> None:
    page = show("")
    code = page.evaluate(
        """() => Promise.race([
            document.createElement("vitrine-view").loadFile(new File(["x"], "a.ply"))
                .catch((error) => error.code),
            new Promise((resolve) => setTimeout(resolve, 2000, "nothing")),
        ])"""
    )
    assert code == "disposed"
    assert page.workers == []


def test_a_new_src_is_asked_from_that_moment_on(show: Callable[..., Page], url: str) -> None:
    """What the page says in the same turn goes to the scene that comes."""
    page = started(show())
    page.evaluate(
        f"""() => {{
            {VIEW}.src = "other.json";
            window.info = null;
            {VIEW}.ready.then((told) => {{ window.info = told; }});
        }}"""
    )
    page.wait_for_timeout(800)
    assert heard(page, "init")[-1]["src"] == url + "other.json"
    assert page.evaluate("info") is None
    tell(page, READY)
    page.wait_for_function("info")


def test_a_new_src_is_not_begun_after_the_end(show: Callable[..., Page]) -> None:
    page = started(show())
    page.evaluate(f"() => {{ {VIEW}.src = 'other.json'; {VIEW}.dispose(); }}")
    page.wait_for_timeout(1500)
    assert page.workers == []


def test_a_poster_that_is_no_url_is_left_out(show: Callable[..., Page]) -> None:
    started(show('<vitrine-view src="scene.json" poster="http://"></vitrine-view>'))


def test_no_side_is_longer_than_a_texture(show: Callable[..., Page]) -> None:
    """A box as tall as a long page keeps its shape in fewer pixels."""
    page = started(show())
    page.evaluate(f"{VIEW}.style.cssText = 'width: 400px; height: 16384px'")
    page.wait_for_timeout(300)
    last = heard(page, "resize")[-1]
    assert (last["width"], last["height"]) == (200, 8192)


def test_properties_set_before_the_module_loads(show: Callable[..., Page], url: str) -> None:
    early = "<vitrine-view></vitrine-view><script>" + VIEW + ".src = 'early.json'</script>"
    page = show(early)
    tell(page)
    assert heard(page, "init")[-1]["src"] == url + "early.json"
    assert page.evaluate(f"{VIEW}.getAttribute('src')") == "early.json"


def test_controls_none_hides_the_tools(show: Callable[..., Page]) -> None:
    page = started(show(ELEMENT.replace("src=", 'controls="none" src=')))
    assert page.locator("vitrine-view .toolbar").is_hidden()
    page.locator("vitrine-view").focus()
    page.keyboard.press("i")
    page.keyboard.press("?")
    assert page.locator("vitrine-view .stats").is_hidden()
    assert page.get_by_role("dialog").is_hidden()
    page.evaluate(f"() => {VIEW}.removeAttribute('controls')")
    assert page.locator("vitrine-view .toolbar").is_visible()


def test_it_speaks_to_a_screen_reader(show: Callable[..., Page]) -> None:
    page = started(show(ELEMENT.replace("src=", 'aria-label="A brass bell" src=')))
    stage = page.get_by_role("application", name="A brass bell")
    assert "Arrow keys orbit" in (stage.get_attribute("aria-description") or "")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{VIEW}.shadowRoot.activeElement === {part('.stage')}")
    assert page.evaluate(f"getComputedStyle({part('.ring')}).boxShadow") != "none"
    names = [button.get_attribute("aria-label") for button in page.get_by_role("button").all()]
    assert names == ["View", "Reset the view", "Frame times", "Controls", "Full screen"]


def test_no_fades_for_those_who_asked(show: Callable[..., Page], page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    started(show())
    transitions = f"getComputedStyle({part('.poster')}).transitionDuration"
    assert page.evaluate(transitions) == "0s"


def test_without_a_height_it_is_sixteen_by_nine(show: Callable[..., Page]) -> None:
    page = show('<vitrine-view src="scene.json" style="height: auto; width: 320px"></vitrine-view>')
    box = page.locator("vitrine-view").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (320, 180)
