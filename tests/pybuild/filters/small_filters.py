"""Filters made by hand, and in numpy what an image is before and after a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from pybuild.filters.compile import filter_tensors
from pybuild.filters.describe import describe_filter
from pybuild.onnx.interpret import run

__all__ = [
    "BACKGROUND",
    "bilinear",
    "composite",
    "depth_texture",
    "filter_model",
    "image_of",
    "local",
    "made_of",
    "metadata",
    "mixing",
    "onnxruntime_of",
    "render",
    "tensor_of",
]

Array = NDArray[Any]
BACKGROUND = np.array([0.2, 0.5, 0.9, 0.0], np.float32)
COUNTS = {"rgb": 3, "bgr": 3, "rgba": 4, "rgbc": 4, "gray": 1, "y": 1}
YUV = np.array([0.299, 0.587, 0.114])
GRAY = np.array([0.2126, 0.7152, 0.0722])
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "uint8": TensorProto.UINT8,
    "int64": TensorProto.INT64,
}


def render(width: int, height: int, seed: int = 0) -> Array:
    """Premultiplied colour and coverage (h, w, 4): smooth shapes, some of them beyond 1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [
        np.sin(rng.uniform(2, 30, 3) @ [x.ravel(), y.ravel(), x.ravel() * 0 + 1]) for _ in "rgba"
    ]
    alpha = np.clip(0.8 * waves[3] + 0.5, 0, 1).reshape(height, width, 1)
    colour = (np.stack(waves[:3], 1) * 0.6 + 0.5).reshape(height, width, 3)
    colour = np.maximum(colour + rng.uniform(-0.05, 0.05, colour.shape), 0)
    return np.concatenate([colour * alpha, alpha], 2).astype(np.float32)


def composite(pixels: Array) -> Array:
    """(h, w, 3) of a render over the background."""
    return np.clip(pixels[..., :3] + (1 - pixels[..., 3:]) * BACKGROUND[:3], 0, 1)


def depth_texture(width: int, height: int) -> Array:
    """Sums of w z and of w; nothing is drawn in the first row."""
    rng = np.random.default_rng(7)
    weight = rng.uniform(0.1, 1, (height, width)).astype(np.float32)
    weight[0] = 0
    texels = np.zeros((height, width, 4), np.float32)
    texels[..., 0], texels[..., 3] = weight * rng.uniform(1, 9, (height, width)), weight
    return texels


# ----------------------------------------------------------------------------------------- formats


def _affine(form: Mapping[str, Any], dtype: str, count: int) -> tuple[Array, Array]:
    low, high = form.get("range", [0, 255 if dtype == "uint8" else 1])
    mean, std = (np.resize(form.get(key, [d]), count) for key, d in (("mean", 0.0), ("std", 1.0)))
    return (high - low) / std, (low - mean) / std


def tensor_of(
    image: Array,
    form: Mapping[str, Any],
    layout: str,
    dtype: str,
    coverage: Array | None = None,
) -> Array:
    """What a model is given of an image (h, w, 3), by the text of docs/contract.md.

    ``coverage`` is (h, w); all of it where there are no splats.
    """
    channels = form.get("channels", "rgb")
    covered = np.ones(image.shape[:2]) if coverage is None or channels == "rgba" else coverage
    planes = {
        "rgb": image,
        "bgr": image[..., ::-1],
        **dict.fromkeys(("rgba", "rgbc"), np.concatenate([image, covered[..., None]], 2)),
        "gray": (image @ GRAY)[..., None],
        "y": (image @ YUV)[..., None],
    }[channels]
    scale, offset = _affine(form, dtype, planes.shape[2])
    values = planes * scale + offset
    if planes.shape[2] == 4:
        values[..., 3] = covered * (255 if dtype == "uint8" else 1)
    if dtype == "uint8":
        values = np.clip(np.rint(values), 0, 255)
    values = values[None] if layout == "nhwc" else values.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(values.astype(dtype))


def image_of(values: Array, form: Mapping[str, Any], layout: str, source: Array) -> Array:
    """The image that a model's output is; ``source`` gives chroma."""
    dtype = str(values.dtype)
    planes = values[0].astype(np.float64)
    planes = planes if layout == "nhwc" else planes.transpose(1, 2, 0)
    scale, offset = _affine(form, dtype, planes.shape[2])
    planes = (planes - offset) / scale
    channels = form.get("channels", "rgb")
    if channels == "y":
        return _with_chroma(planes[..., 0], source)
    if channels == "gray":
        return np.repeat(planes, 3, 2)
    return planes[..., ::-1] if channels == "bgr" else planes[..., :3]


def _with_chroma(luma: Array, source: Array) -> Array:
    """By way of Cb and Cr, as JPEG writes them."""
    wide = bilinear(source, *luma.shape)
    y = wide @ YUV
    cb, cr = (wide[..., 2] - y) / 1.772, (wide[..., 0] - y) / 1.402
    green = luma - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr
    return np.stack([luma + 1.402 * cr, green, luma + 1.772 * cb], 2)


def bilinear(image: Array, height: int, width: int) -> Array:
    """Half-pixel centres, edges repeated."""
    found = image.astype(np.float64)
    for axis, size in ((0, height), (1, width)):
        n = found.shape[axis]
        place = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
        low = np.floor(place).astype(int)
        share = np.expand_dims(place - low, tuple(a for a in range(found.ndim) if a != axis))
        after = np.minimum(low + 1, n - 1)
        found = found.take(low, axis) * (1 - share) + found.take(after, axis) * share
    return found


# ------------------------------------------------------------------------------------------ models


def metadata(source: Mapping[str, Any], product: Mapping[str, Any], **more: str) -> dict[str, str]:
    """Of an input x and an output y that are the image."""
    return {
        "vitrine.contract": "1",
        "vitrine.kind": "filter",
        "vitrine.input.x": "image",
        "vitrine.output.y": "image",
        "vitrine.image.x": json.dumps(dict(source)),
        "vitrine.image.y": json.dumps(dict(product)),
        **more,
    }


def filter_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[str, Sequence[int | str]]],
    outputs: Mapping[str, tuple[str, Sequence[int | str]]],
    constants: Mapping[str, Array],
    said: Mapping[str, str],
) -> ModelProto:
    """Names of tensors to type and sizes."""
    values = [
        [helper.make_tensor_value_info(n, _TYPES[t], s) for n, (t, s) in ports.items()]
        for ports in (inputs, outputs)
    ]
    arrays = [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()]
    graph = helper.make_graph(list(nodes), "small", *values, arrays)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(made, dict(said))
    return made


def mixing(
    source: Mapping[str, Any],
    product: Mapping[str, Any],
    layout: str = "nchw",
    dtype: str = "float32",
    size: tuple[int | str, int | str] = (6, 5),
) -> ModelProto:
    """Each channel of the output a sum of all of the input's, so that no order is like another."""
    taken, given = (COUNTS[form.get("channels", "rgb")] for form in (source, product))
    weights = np.random.default_rng(3).uniform(0.1, 0.6, (given, taken, 1, 1)).astype(np.float32)
    height, width = size
    nodes = [helper.make_node("Cast", ["x"], ["x0"], to=TensorProto.FLOAT)]
    last, order = "x0", ([0, 3, 1, 2], [0, 2, 3, 1])
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [last], ["x1"], perm=order[0]))
        last = "x1"
    nodes.append(helper.make_node("Conv", [last, "w"], ["y0"]))
    last = "y0"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [last], ["y1"], perm=order[1]))
        last = "y1"
    if dtype == "uint8":
        nodes += [
            helper.make_node("Round", [last], ["y2"]),
            helper.make_node("Clip", ["y2", "low", "high"], ["y3"]),
        ]
        last = "y3"
    nodes.append(helper.make_node("Cast", [last], ["y"], to=_TYPES[dtype]))

    def shape(count: int) -> tuple[int | str, ...]:
        return (1, count, height, width) if layout == "nchw" else (1, height, width, count)

    constants = {"w": weights, "low": np.float32(0), "high": np.float32(255)}
    if dtype != "uint8":
        constants = {"w": weights}
    return filter_model(
        nodes,
        {"x": (dtype, shape(taken))},
        {"y": (dtype, shape(given))},
        constants,
        metadata(source, product),
    )


def local(size: tuple[int | str, int | str], radius: int = 1, layers: int = 2) -> ModelProto:
    """Convolutions with a border of zeros; a pixel sees ``layers * radius`` to each side."""
    rng = np.random.default_rng(5)
    side = 2 * radius + 1
    nodes, constants, last = [], {}, "x"
    for k in range(layers):
        channels = 3 if k == layers - 1 else 4
        shape = (channels, 3 if k == 0 else 4, side, side)
        constants[f"w{k}"] = rng.normal(0, 0.3, shape).astype(np.float32)
        constants[f"b{k}"] = rng.normal(0, 0.1, channels).astype(np.float32)
        name = "y" if k == layers - 1 else f"c{k}"
        nodes.append(helper.make_node("Conv", [last, f"w{k}", f"b{k}"], [name], pads=[radius] * 4))
        if name != "y":
            nodes.append(helper.make_node("Relu", [name], [f"r{k}"]))
        last = f"r{k}"
    shape4 = (1, 3, *size)
    ports = {"x": ("float32", shape4)}, {"y": ("float32", shape4)}
    return filter_model(nodes, *ports, constants, metadata({}, {}))


# --------------------------------------------------------------------------------------------- runs


def made_of(
    model: ModelProto, size: tuple[int, int], feeds: Mapping[str, Array], **options: Any
) -> dict[str, Array]:
    """Outputs of a filter's program by name, by the interpreter."""
    tensors = filter_tensors(model, describe_filter(model), size, **options)
    arrays = run(tensors.outputs, {"background": BACKGROUND, **feeds})
    return {t.name: a for t, a in zip(tensors.outputs, arrays, strict=True)}


def onnxruntime_of(model: ModelProto, **inputs: Array) -> list[Array]:
    """Outputs by onnxruntime, in the model's order."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(None, inputs)
    return found
