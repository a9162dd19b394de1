"""Networks of others as filters on a scene that turns, in Chromium, against onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from playwright.sync_api import Browser, Page

from pybuild import formats
from pybuild.bundle import write_bundle
from pybuild.filters.bundle import add_filters, make_filters
from pybuild.onnx.oracle import reference
from tests.page.generated import VIEW, open_page, pixels, settle, write_site
from tests.pybuild.filters.small_filters import image_of, tensor_of
from tests.pyengine.scenes import ASSETS, psnr_db

pytestmark = [pytest.mark.page, pytest.mark.gpu]

BAR_DB = 45.0
"""onnxruntime is given the page's pixels, of 8 bits, where the filter reads what they round."""


@dataclass(frozen=True)
class Model:
    """A network, its tensors, and the pixels that it reads and writes along a side."""

    file: str
    source: str
    product: str
    reads: int
    writes: int
    layout: str = "nchw"
    taken: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)


BYTES = {"range": [0, 255]}
LUMA = {"channels": "y"}
MODELS = {
    "candy": Model(
        "candy_256_op17.onnx", "inputImage", "outputImage", 256, 256, taken=BYTES, given=BYTES
    ),
    "espcn": Model("espcn_x3_224.onnx", "y_in", "output", 96, 288, taken=LUMA, given=LUMA),
    "unet": Model("synth/synth_unet_post_f32.onnx", "image", "out", 128, 128),
    "mlsd": Model(
        "mlsd_320x320_tiny.onnx",
        "input_image_with_alpha:0",
        "scores",
        320,
        160,
        "nhwc",
        {"channels": "rgba", **BYTES},
        {"channels": "gray"},
    ),
}


def described(model: Model, path: Path) -> onnx.ModelProto:
    """The file with metadata that say what its tensors are."""
    made = onnx.load(path)
    said = {
        "vitrine.contract": "1",
        "vitrine.kind": "filter",
        f"vitrine.input.{model.source}": "image",
        f"vitrine.output.{model.product}": "image",
        f"vitrine.image.{model.source}": json.dumps(dict(model.taken)),
        f"vitrine.image.{model.product}": json.dumps(dict(model.given)),
    }
    helper.set_model_props(made, said)
    return made


def resized(made: onnx.ModelProto, model: Model) -> onnx.ModelProto:
    """The same for onnxruntime, declared for the size at which it is run."""
    for value, side in (
        (made.graph.input[0], model.reads),
        (next(o for o in made.graph.output if o.name == model.product), model.writes),
    ):
        dims = value.type.tensor_type.shape.dim
        for axis in (2, 3) if model.layout == "nchw" else (1, 2):
            dims[axis].dim_value = side
    del made.graph.value_info[:]
    return made


@pytest.mark.parametrize("name", MODELS)
def test_models_of_others_on_a_scene_that_turns(
    browser: Browser, serve: Callable[[Path], str], shared: Path, tmp_path: Path, name: str
) -> None:
    """At two views the page shows what onnxruntime makes of the same frame."""
    model = MODELS[name]
    made = described(model, shared / "models" / model.file)
    onnx.save(made, tmp_path / "model.onnx")
    site = tmp_path / "site"
    write_site(site)
    write_bundle(formats.read(shared / ASSETS["guitar"]), site / "scene")
    side = model.reads
    add_filters(site / "scene", make_filters([f"{tmp_path / 'model.onnx'}@size={side}x{side}"]))
    url = serve(site).rstrip("/") + "/"
    bare, shown = (
        open_page(browser, url, "scene", f'controls="none" filter="{on}"', (px, px))
        for on, px in (("none", f"{side}px"), ("model", f"{model.writes}px"))
    )
    try:
        shown.wait_for_function(f"{VIEW}.filter === 'model'")
        seen: list[np.ndarray[Any, Any]] = []
        for _ in range(2):
            for page in (bare, shown):
                turn(page)
            plain = pixels(bare).astype(np.float64) / 255
            given = tensor_of(plain, model.taken, model.layout, "float32")
            wanted = reference(resized(made, model), {model.source: given}, [model.product])
            image = image_of(wanted[model.product], model.given, model.layout, plain)
            found = pixels(shown)
            seen.append(found)
            if name == "espcn":  # its chroma is resampled: the luma is the network's
                weights = np.array([0.299, 0.587, 0.114])
                a, b = found @ weights / 255, np.clip(wanted[model.product][0, 0], 0, 1)
            else:
                a, b = found.astype(np.float64) / 255, np.clip(image, 0, 1)
            told = psnr_db(a, b)
            print(f"{name}: {told:.1f} dB")
            assert told >= BAR_DB
        assert (seen[0] != seen[1]).any()
    finally:
        for page in (bare, shown):
            page.context.close()


def turn(page: Page) -> None:
    """Orbit a little, and wait for the picture."""
    page.workers[0].evaluate("self.onmessage({ data: { type: 'input', orbit: [0.07, 0.02] } })")
    settle(page)
