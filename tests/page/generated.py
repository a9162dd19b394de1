"""Small generators for the page, whose pixels tell what their inputs hold; sites that play them.

`panel` is a square of dots: it moves right with time and up with a slider, takes its colours from a
picture, and shines in green with what it hears. `drift` moves right with each step of a state.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from pybuild.gaussians import Gaussians
from pybuild.generators.compile import compile_generator
from pybuild.generators.describe import describe
from pybuild.programs import write_program
from pybuild.site import build_site
from pyengine.bundle import Pose, Scene
from pyengine.camera_inputs import IDENTITY
from pyengine.contract import Contract
from pyengine.feeds import FeedSpec, Track
from pyengine.generator_spec import GeneratorSpec
from tests.page import hooks
from tests.pybuild.onnx.small_models import model

__all__ = [
    "BANDS",
    "CLIP_S",
    "RATE_HZ",
    "SIDE",
    "SPEED",
    "VIEW",
    "Pixels",
    "centre",
    "drift",
    "open_page",
    "panel",
    "part",
    "pixels",
    "settle",
    "write_site",
]

SIDE = 16
"""Dots along a side of the square, and pixels of its picture."""
BANDS = 24
CLIP_S = 2.0
SPEED = 0.5
"""World units a second."""
RATE_HZ = 30.0
TIMEOUT_MS = 90_000
"""Pyodide and SwiftShader on two busy cores."""

VIEW = "document.querySelector('vitrine-view')"
HTML = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0 }} vitrine-view {{ width: {width}; height: {height} }}</style>
<script type="module" src="vitrine/vitrine-view.mjs"></script>
<vitrine-view src="{scene}/scene.json" {attributes}></vitrine-view>"""

Pixels = NDArray[np.uint8]


def _square(tint: str) -> tuple[list[Any], dict[str, Any], dict[str, str]]:
    """Nodes, constants and metadata of what is the same in both: dots of one size, all opaque."""
    count = SIDE * SIDE
    line = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    constants = {
        "base": np.stack([x, y, 0 * x], 2).reshape(count, 3).astype(np.float32),
        "right": np.array([[SPEED, 0, 0]], np.float32),
        "up": np.array([[0, -1, 0]], np.float32),
        "sizes": np.full((count, 3), 0.6 / SIDE, np.float32),
        "turns": np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        "alphas": np.full((count, 1), 0.99, np.float32),
    }
    nodes = [
        helper.make_node("Identity", ["sizes"], ["size"]),
        helper.make_node("Identity", ["turns"], ["turn"]),
        helper.make_node("Identity", ["alphas"], ["alpha"]),
        helper.make_node("Identity", [tint], ["rgb"]),
    ]
    said = {
        "vitrine.contract": "1",
        "vitrine.output.xyz": "gaussian.position",
        "vitrine.output.size": "gaussian.scale",
        "vitrine.output.turn": "gaussian.rotation",
        "vitrine.output.alpha": "gaussian.opacity",
        "vitrine.output.rgb": "gaussian.color",
    }
    return nodes, constants, said


OUTPUTS = ["xyz", "size", "turn", "alpha", "rgb"]


def panel() -> ModelProto:
    """Inputs: time, lift (a slider of 0 to 1), picture (RGB, 0 to 1), sound, follow (pointer)."""
    nodes, constants, said = _square("shining")
    constants |= {
        "flat": np.array([SIDE * SIDE, 3]),
        "least": np.float32(0.2),
        "green": np.array([[0, 1, 0]], np.float32),
        "tiny": np.array([[1e-3, 0, 0]], np.float32),
        "first": np.array([0]),
        "until": np.array([1]),
    }
    nodes += [
        helper.make_node("Mul", ["time", "right"], ["gone"]),
        helper.make_node("Mul", ["lift", "up"], ["risen"]),
        helper.make_node("Slice", ["follow", "first", "until"], ["aside"]),
        helper.make_node("Mul", ["aside", "tiny"], ["nudge"]),
        helper.make_node("Sum", ["base", "gone", "risen", "nudge"], ["xyz"]),
        helper.make_node("Transpose", ["picture"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "flat"], ["painted"]),
        helper.make_node("Add", ["painted", "least"], ["lit"]),
        helper.make_node("ReduceMax", ["sound"], ["loud"], keepdims=1),
        helper.make_node("Mul", ["loud", "green"], ["glow"]),
        helper.make_node("Add", ["lit", "glow"], ["shining"]),
    ]
    control = {"label": "Lift", "min": 0, "max": 1, "default": 0}
    said |= {
        "vitrine.input.time": "time",
        "vitrine.control.lift": json.dumps(control),
        "vitrine.input.picture": "image",
        "vitrine.input.sound": "audio.mel",
        "vitrine.input.follow": "pointer",
        "vitrine.clip": json.dumps({"duration": CLIP_S, "loop": True}),
    }
    inputs = {
        "time": [1], "lift": [1], "picture": [1, 3, SIDE, SIDE], "sound": [BANDS], "follow": [3],
    }  # fmt: skip
    return model(nodes, inputs, OUTPUTS, constants, **said)


def drift() -> ModelProto:
    """Moves right by a tenth of the square's half side each step; no clip."""
    nodes, constants, said = _square("white")
    constants |= {
        "white": np.ones((SIDE * SIDE, 3), np.float32),
        "step": np.array([[0.1, 0, 0]], np.float32),
    }
    nodes += [
        helper.make_node("Add", ["moved", "step"], ["moves"]),
        helper.make_node("Add", ["base", "moves"], ["xyz"]),
    ]
    said |= {
        "vitrine.input.moved": "state:moves",
        "vitrine.output.moves": "state",
        "vitrine.rate": str(RATE_HZ),
    }
    return model(nodes, {"moved": [1, 3]}, [*OUTPUTS, "moves"], constants, **said)


def _spec(contract: Contract, shapes: dict[str, tuple[Any, ...]], tracks: dict[str, Track]) -> Any:
    feeds = [
        FeedSpec(
            name=feed.name,
            role=feed.role,
            shape=shapes[feed.name][0],
            dtype=shapes[feed.name][1],
            default=feed.default,
            control=feed.control,
            image=feed.image,
            state=feed.state,
            track=tracks.get(feed.name),
        )
        for feed in contract.inputs
    ]
    return GeneratorSpec(
        program="generator",
        instances=1,
        capacity=contract.capacity,
        counted=False,
        transforms=(IDENTITY,),
        feeds=tuple(feeds),
        clip=contract.clip,
        rate_hz=contract.rate_hz,
    )


def write_scene(folder: Path, made: ModelProto, tracks: dict[str, Sequence[float]]) -> Scene:
    """A bundle of a generator, seen from the front: the square fills a third of the height."""
    contract = describe(made)
    compiled = compile_generator(made, contract, visible_first=False).compiled
    shapes = {tensor.name: (tensor.shape, tensor.dtype) for tensor in compiled.program.inputs}
    folder.mkdir(parents=True)
    told = {}
    for name, rows in tracks.items():
        told[name] = Track(f"track-{name}.bin", len(rows), len(rows) / CLIP_S, loop=False)
        (folder / told[name].file).write_bytes(np.asarray(rows, "<f4").tobytes())
    scene = Scene(
        count=contract.capacity,
        sh_degree=0,
        antialiased=False,
        bounds=((-1.0, -2.0, -0.1), (3.0, 1.0, 0.1)),
        pose=Pose((0.0, 0.0, -6.0), (0.0, 0.0, 0.0), 53.13),
        background=(0.0, 0.0, 0.0),
        buffers={},
        generator=_spec(contract, shapes, told),
    )
    write_program(folder / "generator", compiled.program, compiled.files)
    (folder / "scene.json").write_text(scene.to_json())
    return scene


def write_site(folder: Path) -> Path:
    """A site whose folders ``panel``, ``walk`` and ``drift`` are scenes; ``scene`` is a still one.

    ``walk`` is the panel whose slider follows a track.
    """
    dot = Gaussians(
        np.zeros((1, 3), np.float32),
        np.full((1, 3), -1, np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full(1, 3, np.float32),
        np.ones((1, 1, 3), np.float32),
    )
    build_site(dot, folder)
    write_scene(folder / "panel", panel(), {})
    write_scene(folder / "walk", panel(), {"lift": [0.0, 0.5, 1.0]})
    write_scene(folder / "drift", drift(), {})
    return folder


def open_page(
    browser: Browser,
    url: str,
    scene: str = "panel",
    attributes: str = 'controls="none"',
    size: tuple[str, str] = ("300px", "300px"),
    hooked: bool = False,
    modules: Mapping[str, str] | None = None,
    script: str = "",
    context: BrowserContext | None = None,
    wait: bool = True,
    **options: Any,
) -> Page:
    """A page that shows a scene, once it is there; whoever asks closes its context.

    ``hooked``, ``modules``: see `hooks.install`. ``script`` runs before the page's own.
    """
    context = context or browser.new_context(
        **({"viewport": {"width": 700, "height": 500}, "device_scale_factor": 1} | options)
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    if script:
        page.add_init_script(script)
    text = HTML.format(scene=scene, attributes=attributes, width=size[0], height=size[1])
    page.route("**/test.html", lambda r: r.fulfill(content_type="text/html", body=text))
    if hooked:
        hooks.install(page, modules=modules)
    page.goto(url + "test.html")
    if wait:
        settle(page)
    else:
        page.evaluate("() => void customElements.whenDefined('vitrine-view')")
    return page


def settle(page: Page) -> None:
    """Wait for the frame of the current state."""
    page.evaluate(
        f"""() => Promise.race([
            customElements.whenDefined('vitrine-view')
                .then(() => {VIEW}.ready).then(() => {VIEW}.settled()),
            new Promise((_, reject) => setTimeout(
                reject, {TIMEOUT_MS}, new Error('it does not settle'))),
        ])"""
    )


def part(selector: str) -> str:
    """JavaScript for an element inside the view."""
    return f"{VIEW}.shadowRoot.querySelector('{selector}')"


def pixels(page: Page, index: int = 0) -> Pixels:
    """What is on screen in the box of an element, without its controls."""
    style = ".ring, .panel, .poster, .progress { display: none !important }"
    png = page.locator("vitrine-view").nth(index).screenshot(style=style)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def centre(image: Pixels) -> tuple[float, float]:
    """Of what is lit: x and y from -1 to 1, in halves of the height, y down."""
    lit = image.max(axis=2) > 16
    y, x = np.nonzero(lit)
    height, width = lit.shape
    return float((x.mean() + 0.5) * 2 - width) / height, float((y.mean() + 0.5) * 2 / height - 1)
