"""Filters compiled for the render, against onnxruntime between images that numpy makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

from pybuild.filters.compile import compile_filter, filter_tensors
from pybuild.filters.describe import describe_filter
from pybuild.onnx.oracle import reference
from pybuild.onnx.problems import GraphError
from pybuild.programs import NativeRunner
from pyengine.errors import ContractError, InputError
from tests.drawn_textures import run_drawn
from tests.pybuild.filters.small_filters import (
    BACKGROUND,
    bilinear,
    composite,
    depth_texture,
    filter_model,
    image_of,
    local,
    made_of,
    metadata,
    mixing,
    onnxruntime_of,
    render,
    tensor_of,
)

Array = NDArray[Any]
CLOSE = 2e-6
"""Of an image: a few operations in f32."""
HALF_CLOSE = 2e-3
"""Numbers of 11 bits, of some that add up to 2."""
BYTE_CLOSE = 1.01 / 255
"""A byte more or less, where the sum before it lies between two."""
SHARED = Path(__file__).parents[4] / "shared" / "models"

PLAIN: dict[str, Any] = {}
FORMATS: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "plain": (PLAIN, PLAIN, "nchw", "float32"),
    "nhwc": (PLAIN, PLAIN, "nhwc", "float32"),
    "bytes": ({"range": [0, 255]}, {"range": [0, 255]}, "nchw", "float32"),
    "bgr": ({"channels": "bgr"}, {"channels": "bgr", "range": [-1, 1]}, "nhwc", "float32"),
    "bgr to rgb": ({"channels": "bgr"}, PLAIN, "nchw", "float32"),
    "imagenet": (
        {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7], "channels": "bgr"},
        "nchw",
        "float32",
    ),
    "inverted": ({"range": [1, 0]}, PLAIN, "nchw", "float32"),
    "gray": ({"channels": "gray"}, {"channels": "gray"}, "nchw", "float32"),
    "gray from colour": (PLAIN, {"channels": "gray"}, "nhwc", "float32"),
    "luma": ({"channels": "y"}, {"channels": "y"}, "nchw", "float32"),
    "luma of bytes": ({"channels": "y", "range": [0, 255]},) * 2 + ("nhwc", "float32"),
    "rgba": ({"channels": "rgba", "range": [-1, 1]}, PLAIN, "nhwc", "float32"),
    "rgba both": ({"channels": "rgba"}, {"channels": "rgba"}, "nchw", "float32"),
    "rgbc": ({"channels": "rgbc", "range": [-1, 1]}, PLAIN, "nhwc", "float32"),
    "uint8 rgbc": ({"channels": "rgbc"}, PLAIN, "nchw", "uint8"),
    "half": (PLAIN, PLAIN, "nchw", "float16"),
    "uint8": (PLAIN, PLAIN, "nhwc", "uint8"),
    "uint8 rgba": ({"channels": "rgba"}, {"channels": "gray"}, "nchw", "uint8"),
}


def wanted_of(
    model: onnx.ModelProto, pixels: Array, form: tuple[dict[str, Any], dict[str, Any], str, str]
) -> Array:
    """The image by numpy, onnxruntime and numpy."""
    source, product, layout, dtype = form
    image = composite(pixels)
    coverage = np.clip(pixels[..., 3], 0, 1)
    (values,) = onnxruntime_of(model, x=tensor_of(image, source, layout, dtype, coverage))
    return image_of(values, product, layout, image)


def psnr(found: Array, wanted: Array) -> float:
    """Decibels, of the largest number that is wanted as the peak."""
    apart = np.mean((found.astype(np.float64) - wanted) ** 2)
    return float(-10 * np.log10(max(apart, 1e-20) / np.abs(wanted).max() ** 2))


# ----------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    """Order, range, layout and type of what goes in and of what comes out."""
    form = FORMATS[name]
    pixels = render(5, 6)
    model = mixing(*form)
    found = made_of(model, (5, 6), {"render": pixels})["image"]
    wanted = wanted_of(model, pixels, form)
    close = {"float16": HALF_CLOSE, "uint8": BYTE_CLOSE}.get(form[3], CLOSE)
    assert found.shape == wanted.shape == (6, 5, 3)
    assert np.abs(found - wanted).max() <= close


def test_where_the_image_is_converted() -> None:
    """In the layer that reads it, where each pixel is read once; else once, by a kernel before."""
    form = {"range": [0, 255], "mean": [1, 2, 3], "std": [2, 3, 4]}
    large = (48, 32)
    for model, dispatches in (
        (mixing(form, {}, size=("h", "w")), 1),
        (local(("h", "w"), layers=1), 2),
    ):
        made = compile_filter(model, describe_filter(model), large)
        assert len(made.compiled.program.dispatches) == dispatches


def test_an_image_in_place_of_a_render() -> None:
    """It is clamped as it is read, and the background is no input."""
    image = np.random.default_rng(1).uniform(-0.5, 1.5, (6, 5, 3)).astype(np.float32)
    model = mixing(PLAIN, PLAIN)
    tensors = filter_tensors(model, describe_filter(model), (5, 6), "image")
    assert [(t.name, t.shape) for t in tensors.inputs] == [("image", (6, 5, 3))]
    found = made_of(model, (5, 6), {"image": image}, source="image")["image"]
    (values,) = onnxruntime_of(model, x=tensor_of(np.clip(image, 0, 1), PLAIN, "nchw", "float32"))
    assert np.abs(found - values[0].transpose(1, 2, 0)).max() <= CLOSE


def test_an_image_without_axes_of_batch_and_channels() -> None:
    """(H, W), which is gray."""
    nodes = [helper.make_node("Neg", ["x"], ["y"])]
    ports = {"x": ("float32", (6, 5))}, {"y": ("float32", (6, 5))}
    model = filter_model(nodes, *ports, {}, metadata({}, {"range": [0, -1]}))
    pixels = render(5, 6)
    found = made_of(model, (5, 6), {"render": pixels})["image"]
    gray = composite(pixels) @ np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(found - gray[..., None]).max() <= CLOSE


def test_values_outside_and_no_numbers_pass() -> None:
    """The pass that shows the image decides what becomes of them."""
    nodes = [
        helper.make_node("Sub", ["x", "half"], ["a"]),
        helper.make_node("Log", ["a"], ["b"]),
        helper.make_node("Mul", ["b", "ten"], ["y"]),
    ]
    ports = {"x": ("float32", (1, 3, 6, 5))}, {"y": ("float32", (1, 3, 6, 5))}
    constants = {"half": np.float32(0.5), "ten": np.float32(10)}
    model = filter_model(nodes, *ports, constants, metadata({}, {}))
    pixels = render(5, 6)
    found = made_of(model, (5, 6), {"render": pixels})["image"]
    image = composite(pixels)
    assert (np.isnan(found) == (image < 0.5)).all()
    assert np.isnan(found).any()
    assert np.nanmin(found) < -1


# ------------------------------------------------------------------------------------ other inputs


def test_depth_is_expected_depth() -> None:
    """Of all that is drawn at a pixel; 0 where nothing is."""
    nodes = [
        helper.make_node("Mul", ["depth", "small"], ["d"]),
        helper.make_node("Add", ["x", "d"], ["y"]),
    ]
    inputs = {"x": ("float32", (1, 3, 6, 5)), "depth": ("float32", (1, 1, 6, 5))}
    said = metadata({}, {}, **{"vitrine.input.depth": "depth"})
    outputs = {"y": ("float32", (1, 3, 6, 5))}
    model = filter_model(nodes, inputs, outputs, {"small": np.float32(0.1)}, said)
    pixels, texels = render(5, 6), depth_texture(5, 6)
    found = made_of(model, (5, 6), {"render": pixels, "depth": texels})["image"]
    weight = texels[..., 3]
    depth = np.where(weight > 0, texels[..., 0] / np.where(weight > 0, weight, 1), 0)
    assert np.abs(found - composite(pixels) - 0.1 * depth[..., None]).max() <= CLOSE
    assert (depth[0] == 0).all()


def fading(size: tuple[int | str, int | str], ratio: int = 1) -> onnx.ModelProto:
    """Half the image before, in bytes and BGR, half the image; a state that counts; a slider."""
    height, width = size
    grown = tuple(n * ratio if isinstance(n, int) else n for n in size)
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["x1"], mode="nearest"),
        helper.make_node("Mul", ["x1", "top"], ["x2"]),
        helper.make_node("Add", ["x2", "before"], ["s"]),
        helper.make_node("Mul", ["s", "share"], ["y"]),
        helper.make_node("Add", ["told", "x"], ["next"]),
    ]
    image = {"channels": "bgr", "range": [0, 255]}
    said = metadata(
        {"channels": "bgr"},
        image,
        **{
            "vitrine.input.before": "previous",
            "vitrine.image.before": json.dumps(image),
            "vitrine.input.told": "state:next",
            "vitrine.output.next": "state",
            "vitrine.control.share": json.dumps({"min": 0, "max": 1, "default": 0.5}),
        },
    )
    scales = np.array([1, 1, ratio, ratio], np.float32)
    return filter_model(
        nodes,
        {
            "x": ("float32", (1, 3, height, width)),
            "before": ("float32", (1, 3, *grown)),
            "told": ("float32", (1, 3, height, width)),
            "share": ("float32", (1,)),
        },
        {"y": ("float32", (1, 3, *grown)), "next": ("float32", (1, 3, height, width))},
        {"scales": scales, "top": np.float32(255)},
        said,
    )


@pytest.mark.parametrize(("size", "made"), [((6, 5), (5, 6)), ((6, 5), (8, 7))])
def test_the_image_before_and_states(size: tuple[int, int], made: tuple[int, int]) -> None:
    """The image before is the output's; states follow the size, and keep their form."""
    width, height = made
    rng = np.random.default_rng(2)
    pixels = render(width, height)
    before = rng.uniform(0, 2, (2 * height, 2 * width, 3)).astype(np.float32)
    told = rng.normal(size=(1, 3, height, width)).astype(np.float32)
    feeds = {"render": pixels, "previous": before, "told": told, "share": np.float32([0.5])}
    found = made_of(fading(size, ratio=2), made, feeds)
    image = composite(pixels).repeat(2, 0).repeat(2, 1)
    assert found.keys() == {"image", "state.next"}
    assert np.abs(found["image"] - (image + before) / 2).max() <= CLOSE
    wanted = told + composite(pixels)[..., ::-1].transpose(2, 0, 1)
    assert np.abs(found["state.next"] - wanted).max() <= CLOSE


def test_an_input_that_has_the_name_of_the_programs_own() -> None:
    nodes = [helper.make_node("Mul", ["x", "render"], ["y"])]
    inputs = {"x": ("float32", (1, 3, 6, 5)), "render": ("float32", (1,))}
    control = json.dumps({"min": 0, "max": 1})
    model = filter_model(
        nodes,
        inputs,
        {"y": ("float32", (1, 3, 6, 5))},
        {},
        metadata({}, {}, **{"vitrine.control.render": control}),
    )
    with pytest.raises(ContractError, match=r"input 'render' \(control\).*rename it"):
        filter_tensors(model, describe_filter(model), (5, 6))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(bad: float) -> None:
    model = local((6, 5))
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[0, 0, 0, 0] = bad
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "w0"))
    with pytest.raises(GraphError, match=r"small: constant 'w0': 1 of 108 numbers are not finite"):
        filter_tensors(model, describe_filter(model), (5, 6))


def test_an_infinity_may_be_meant_elsewhere() -> None:
    """As in a mask."""
    nodes = [helper.make_node("Min", ["x", "most"], ["y"])]
    ports = {"x": ("float32", (1, 3, 6, 5))}, {"y": ("float32", (1, 3, 6, 5))}
    model = filter_model(nodes, *ports, {"most": np.float32(np.inf)}, metadata({}, {}))
    assert filter_tensors(model, describe_filter(model), (5, 6)).inner == (5, 6)


@pytest.mark.parametrize("size", [(0, 5), (5, -1), (9000, 5)])
def test_sizes_that_no_image_has(size: tuple[int, int]) -> None:
    model = local(("h", "w"))
    with pytest.raises(InputError, match=r"small: cannot be made for .*wanted 1 to 8192 pixels"):
        filter_tensors(model, describe_filter(model), size)


# --------------------------------------------------------------------------- images of other sizes


def fixed(size: tuple[int, int]) -> onnx.ModelProto:
    """Gives its input back, by way of a Reshape that no other size fits."""
    height, width = size
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("Reshape", ["a", "again"], ["y"]),
    ]
    constants = {
        "flat": np.array([3, height * width]),
        "again": np.array([1, 3, height, width]),
    }
    ports = {"x": ("float32", (1, 3, *size))}, {"y": ("float32", (1, 3, *size))}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


def triangle(n_in: int, n_out: int) -> Array:
    """(n_out, n_in): linear where it grows; as wide as two outputs where it shrinks."""
    wide = max(n_in / n_out, 1.0)
    middle = (np.arange(n_out)[:, None] + 0.5) * n_in / n_out - 0.5
    reach = int(np.ceil(wide)) + 1
    places = np.arange(-reach, n_in + reach)
    weights = np.maximum(1 - np.abs(places - middle) / wide, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    found = np.zeros((n_out, n_in))
    for place, column in zip(places, weights.T, strict=True):
        found[:, int(np.clip(place, 0, n_in - 1))] += column
    return found


@pytest.mark.parametrize("size", [(5, 6), (3, 4), (30, 20), (9, 3), (11, 6)])
def test_an_image_of_another_size_is_resized(size: tuple[int, int]) -> None:
    """To the size of a network that takes no other; splats could be drawn at it, and are not."""
    width, height = size
    image = np.random.default_rng(4).uniform(0, 1, (height, width, 3)).astype(np.float32)
    found = made_of(fixed((6, 5)), size, {"image": image}, source="image")["image"]
    wanted = np.einsum("Yy,Xx,yxc->YXc", triangle(height, 6), triangle(width, 5), image)
    assert found.shape == (6, 5, 3)
    assert np.abs(found - wanted).max() <= CLOSE
    if width <= 5 and height <= 6:
        assert np.abs(found - bilinear(image, 6, 5)).max() <= CLOSE


# -------------------------------------------------------------------------------------- on adapters


def run_on(
    runner: NativeRunner,
    model: Path | onnx.ModelProto,
    size: tuple[int, int],
    feeds: dict[str, Array],
    override: dict[str, str] | None = None,
    **options: Any,
) -> dict[str, Array]:
    """Compiled, and run behind a pass that draws its textures."""
    made = compile_filter(model, describe_filter(model, override), size, **options)
    feeds = {"background": BACKGROUND, **feeds}
    return run_drawn(runner, made.compiled.program, made.compiled.files, feeds)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["bgr", "imagenet", "luma", "rgba", "rgbc", "uint8"])
def test_formats_on_the_adapter(runner: NativeRunner, name: str) -> None:
    """What the interpreter says is what the kernels do."""
    form, pixels = FORMATS[name], render(5, 6)
    model = mixing(*form)
    found = run_on(runner, model, (5, 6), {"render": pixels})["image"]
    close = BYTE_CLOSE if form[3] == "uint8" else 10 * CLOSE
    assert np.abs(found - wanted_of(model, pixels, form)).max() <= close


@pytest.mark.gpu
def test_tiles_on_the_adapter(runner: NativeRunner) -> None:
    """In as many dispatches as one tile takes, but for what joins them."""
    pixels = render(50, 41)
    model = local((24, 24))
    contract = describe_filter(model)
    one, many = (
        compile_filter(model, contract, size, tiles=8).compiled.program
        for size in ((24, 24), (50, 41))
    )
    assert len(many.dispatches) <= len(one.dispatches) + 1
    found = run_on(runner, model, (50, 41), {"render": pixels}, tiles=8)["image"]
    whole = run_on(runner, model, (50, 41), {"render": pixels})["image"]
    assert np.abs(found - whole).max() <= 1e-5


LEAST_DB = 60.0
"""A thousandth of the range, mean square: far from what anybody sees, far above rounding."""


def shared(name: str) -> Path:
    path = SHARED / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "size", "override"),
    [
        ("candy_256_op17", (256, 256), {"range": "0..255"}),
        ("espcn_x3_224", (224, 224), {"channels": "y"}),
        ("synth/synth_unet_post_f32", (128, 128), {}),
        ("mlsd_320x320_tiny", (320, 320), {"range": "0..255", "output": "scores"}),
    ],
)
def test_shared_models(
    runner: NativeRunner, name: str, size: tuple[int, int], override: dict[str, str]
) -> None:
    """A render through each, as onnxruntime makes it of the same image."""
    path = shared(name)
    contract = describe_filter(path, override)
    pixels = render(*size, seed=11)
    found = run_on(runner, path, size, {"render": pixels}, override)["image"]
    image = composite(pixels)
    source, product = contract.source, contract.image
    assert source.image is not None
    top = float(override.get("range", "0..1").split("..")[1])
    form = {"channels": source.image.channels, "range": [0, top]}
    given = tensor_of(image, form, source.image.layout, "float32")
    values = reference(path, {source.name: given}, [contract.product.name])[contract.product.name]
    form = {"channels": product.channels, "range": [0, top]}
    wanted = image_of(values, form, product.layout, image)
    assert found.shape == wanted.shape
    assert psnr(found, wanted) >= LEAST_DB
