"""Every family of generators in Chromium: the numbers of onnxruntime, the pixels of render.

Each model of assets/generators is compiled, run in the page through the executor, and shown by the
page that is built of it, in two states: at another time, of another pose, picture, sound or view.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from pybuild.gaussians import Gaussians
from pybuild.generators.bundle import Made, write_generator
from pybuild.generators.compile import FRUSTUM, compile_generator
from pybuild.options import BuildOptions, GeneratorOptions
from pybuild.poster import start_view
from pybuild.render import Image8, Renderer
from pybuild.site import build_site
from pyengine.program import Program
from pyengine.view import WORLD_UP, View
from tests.exporters.oracle import FOLDER, Oracle, packed, relative_error
from tests.page.generated import VIEW, open_page, pixels, settle
from tests.page.programs import ProgramPage, arrays_of, job_of
from tests.pyengine.scenes import psnr_db

pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra dev")
pytestmark = [pytest.mark.page, pytest.mark.gpu]

Array = NDArray[Any]
Arrays = dict[str, Array]

CLOSE = 1e-3
"""Of an output's largest magnitude: the bar of the families."""
PAGE_DB = 40
"""Two drivers round differently at the splats' edges."""
CHANGED_DB = 32
"""Two states are further apart than this."""
WIDTH_PX, HEIGHT_PX = 160, 120
STEPS = 4
"""Before the step of a state that is compared."""
TRACK_FPS = 30


@dataclass(frozen=True, slots=True)
class State:
    """What a page is told before its pixels are looked at; it keeps what an earlier one set.

    Attributes
    ----------
    inputs : mapping
        Numbers for `setInput`, or the name of a picture for `setImage`.
    eye : (3,) float, optional
        The camera's place; the first one unless given.
    """

    time_s: float = 0.0
    inputs: Mapping[str, Any] = field(default_factory=dict)
    eye: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A model, two states of its page, and what its built scene is given."""

    model: str
    states: tuple[State, State]
    options: GeneratorOptions = field(default_factory=GeneratorOptions)

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.model}.onnx"


def tone(band: int) -> Array:
    """One loud band and its neighbours."""
    return np.exp(-0.5 * ((np.arange(32) - band) / 1.5) ** 2).astype(np.float32)


def picture(name: str) -> Array:
    """(128, 128, 3) uint8."""
    return np.asarray(Image.open(FOLDER / "pictures" / name).convert("RGB"))


WALK = GeneratorOptions(tracks=(f"joints={FOLDER / 'walk.npy'}@{TRACK_FPS}",))
FAMILIES = {
    family.model: family
    for family in (
        Family("scaffold", (State(), State(eye=(-2.0, -1.1, 1.4)))),
        Family("hexplane", (State(0.215), State(2.005))),
        Family(
            "avatar",
            (
                State(0.3, {"head": [0.7], "arms": [0.0]}),
                State(0.7, {"head": [0.0], "arms": [0.9]}),
            ),
            WALK,
        ),
        Family("compact", (State(), State(eye=(-2.0, -1.1, 1.4)))),
        Family(
            "feedforward",
            (State(inputs={"image": "room-1.png"}), State(inputs={"image": "room-3.png"})),
        ),
        Family(
            "recurrent",
            (
                State(inputs={"wind": [0.2], "pointer": [0.6, -0.5, 0.0]}),
                State(inputs={"wind": [1.0], "pointer": [-0.5, 0.5, 1.0]}),
            ),
        ),
        Family(
            "audio",
            (
                State(inputs={"mel": np.zeros(32)}),
                State(inputs={"mel": 4 * tone(4), "gain": [3.0]}),
            ),
        ),
    )
}


@pytest.fixture(scope="module")
def oracles() -> Callable[[str], Oracle]:
    """A session of each model, made once."""
    return cache(lambda name: Oracle(FAMILIES[name].path))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with an engine, and pictures to choose; each test adds its scene."""
    dot = Gaussians(
        np.zeros((1, 3), np.float32),
        np.full((1, 3), -1, np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full(1, 3, np.float32),
        np.ones((1, 1, 3), np.float32),
    )
    folder = tmp_path_factory.mktemp("families") / "site"
    build_site(dot, folder)
    for path in (FOLDER / "pictures").glob("room-?.png"):
        shutil.copy(path, folder / path.name)
    return folder


@pytest.fixture(scope="module")
def made(site: Path) -> Callable[[str], Made]:
    """The bundle of each model, written into the site once."""
    return cache(
        lambda name: write_generator(
            FAMILIES[name].path, site / name, BuildOptions(generator=FAMILIES[name].options)
        )
    )


@pytest.fixture(scope="module")
def programs(browser: Browser) -> Iterator[ProgramPage]:
    """One page for all."""
    with ProgramPage(browser) as programs:
        yield programs


def model_inputs(name: str, oracle: Oracle) -> Arrays:
    """What the model is run on: as onnxruntime takes it. A state is one of some steps."""
    walk = np.load(FOLDER / "walk.npy")
    numbers: dict[str, Any] = {
        "eye": (-2.0, -1.1, 1.4),
        "time": (2.005,),
        "joints": walk[9],
        "arms": (0.8,),
        "legs": (1.3,),
        "spine": (-0.4,),
        "head": (0.5,),
        "image": picture("room-2.png").transpose(2, 0, 1)[None] / 255,
        "wind": (0.8,),
        "pointer": (0.2, 0.1, 1.0),
        "mel": tone(6),
        "gain": (1.5,),
    }
    feeds = oracle.contract.inputs
    fed = {feed.name: feed.state for feed in feeds if feed.state is not None}
    inputs = {
        feed.name: np.zeros(feed.shape, np.float32)
        if feed.name in fed
        else np.asarray(numbers[feed.name], np.float32).reshape(feed.shape)
        for feed in feeds
    }
    for _ in range(STEPS if fed else 0):
        rows = oracle(**inputs)
        inputs |= {feed: rows[f"state.{o}"].astype(np.float32) for feed, o in fed.items()}
    return inputs


def compiled(made: Made, path: Path) -> tuple[Program, Mapping[str, bytes]]:
    """The program of the page, or one that computes all rows where that leaves some out."""
    network = made.network
    if all(tensor.name != FRUSTUM for tensor in network.program.inputs):
        return network.program, network.files
    found = compile_generator(path, made.contract, visible_first=False).compiled
    return found.program, found.files


@pytest.mark.parametrize("name", FAMILIES)
def test_gaussians_are_those_of_onnxruntime(
    name: str,
    programs: ProgramPage,
    oracles: Callable[[str], Oracle],
    made: Callable[[str], Made],
) -> None:
    """Position, opacity, covariance, colour or SH, count and states, each by its own magnitude."""
    oracle = oracles(name)
    program, files = compiled(made(name), FAMILIES[name].path)
    inputs = model_inputs(name, oracle)
    given = dict(inputs)
    if "image" in given:
        rgba = np.full((128, 128, 4), 255, np.uint8)
        rgba[..., :3] = picture("room-2.png")
        given["image"] = rgba.view("<u4")[..., 0]
    (answer,) = programs.run([job_of(program, files, given, programs.adapter)])
    got, wanted = arrays_of(program, answer), oracle(**inputs)
    alive = slice(None)
    if "count" in wanted:
        count = int(wanted["count"].reshape(-1)[0])
        assert got["gaussian.count"].tolist() == [count]
        alive = slice(count)
    rows = packed(wanted)[alive]
    for columns in (slice(0, 3), slice(3, 4), slice(4, 10)):
        error = relative_error(got["gaussian.packed"][alive, columns], rows[:, columns])
        assert error < CLOSE, columns
    for key, array in wanted.items():
        if key in ("color", "sh"):
            shade = got[f"gaussian.{key}"].reshape(len(array), -1)[alive]
            assert (
                relative_error(shade, array.reshape(len(array), -1)[alive, : shade.shape[1]])
                < CLOSE
            )
        elif key.startswith("state."):
            assert relative_error(got[key], array) < CLOSE


@pytest.mark.parametrize("name", FAMILIES)
def test_the_page_follows_its_inputs(
    name: str,
    browser: Browser,
    serve: Callable[[Path], str],
    site: Path,
    made: Callable[[str], Made],
) -> None:
    """In two states the pixels that are drawn natively, which differ; what has a state goes on."""
    generator = made(name)
    states = FAMILIES[name].states
    expected = [drawn(generator, state) for state in states]
    assert psnr_db(*expected) < CHANGED_DB
    size = (f"{WIDTH_PX}px", f"{HEIGHT_PX}px")
    page = open_page(browser, serve(site), name, size=size)
    try:
        for state, image in zip(states, expected, strict=True):
            tell(page, generator, state)
            assert psnr_db(pixels(page), image) >= PAGE_DB, state
        if stateful(generator):
            plays_and_begins_anew(page, expected[-1])
    finally:
        page.context.close()


def drawn(made: Made, state: State) -> Image8:
    """What `vitrine render` draws; of a state, after its first step."""
    time_s = 1 / (made.contract.rate_hz or 60) if stateful(made) else state.time_s
    with Renderer(made.scene, lambda _: b"", WIDTH_PX, HEIGHT_PX, made.network) as renderer:
        for name, value in state.inputs.items():
            renderer.set_input(name, picture(value) if isinstance(value, str) else value)
        return renderer.draw(view_of(made, state), time_s)


def view_of(made: Made, state: State) -> View:
    if state.eye is None:
        return start_view(made.scene, WIDTH_PX, HEIGHT_PX)
    pose = made.scene.pose
    return View.look_at(state.eye, pose.target, WORLD_UP, pose.fov_deg, WIDTH_PX, HEIGHT_PX)


def stateful(made: Made) -> bool:
    return any(feed.role == "state" for feed in made.contract.inputs)


def tell(page: Page, made: Made, state: State) -> None:
    """Bring the page to a state and wait for its frame."""
    inputs = {
        name: value if isinstance(value, str) else np.asarray(value).tolist()
        for name, value in state.inputs.items()
    }
    view = None if state.eye is None else json.loads(view_of(made, state).to_json())
    page.evaluate(
        f"""async ([inputs, time, view]) => {{
            const element = {VIEW};
            if (time) element.seek(time);
            if (view) await element.setView(view);
            for (const [name, value] of Object.entries(inputs)) {{
                if (typeof value === "string") await element.setImage(name, value);
                else await element.setInput(name, value);
            }}
        }}""",
        [inputs, state.time_s, view],
    )
    settle(page)


def plays_and_begins_anew(page: Page, first: Image8) -> None:
    """What moves has moved after a while, stands still when paused, and begins as before.

    It once began with the time at which it was stopped: a frame came between two messages.
    """
    page.evaluate(f"{VIEW}.play()")
    page.wait_for_function(f"{VIEW}.time > 0.4")
    page.evaluate(f"{VIEW}.pause()")
    settle(page)
    later = pixels(page)
    assert psnr_db(later, first) < CHANGED_DB
    page.wait_for_timeout(100)
    assert (pixels(page) == later).all()
    page.evaluate(f"{VIEW}.restart()")
    settle(page)
    assert psnr_db(pixels(page), first) >= PAGE_DB
