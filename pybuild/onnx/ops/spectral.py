"""DFT and STFT, and the constants that go with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor
from pybuild.onnx.lower import Context, ir_type, lowers
from pybuild.onnx.ops.fourier import fourier

__all__: list[str] = []


@lowers("DFT", since=17, limits="dft_length and axis known at build")
def _dft(context: Context, node: Node) -> Tensor:
    """The axis is an attribute before opset 20, and 1 by default."""
    x = context.tensor(node, 0)
    inverse = bool(node.attributes.get("inverse", 0))
    onesided = bool(node.attributes.get("onesided", 0))
    if node.opset >= 20:
        given = context.optional_array(node, 2)
        axis = -2 if given is None else int(given.reshape(-1)[0])
    else:
        axis = int(node.attributes.get("axis", 1))
    axis += len(x.shape) if axis < 0 else 0
    length = context.optional_array(node, 1)
    if length is not None:
        points = int(length.reshape(-1)[0])
    else:
        points = 2 * (x.shape[axis] - 1) if inverse and onesided else x.shape[axis]
    return fourier(node.outputs[0], x, axis, points, inverse, onesided)


@lowers("STFT", since=17, limits="frame_step and frame_length known at build")
def _stft(context: Context, node: Node) -> Tensor:
    signal, name = context.tensor(node, 0), node.outputs[0]
    step = int(context.array(node, 1).reshape(-1)[0])
    window, given = context.optional(node, 2), context.optional_array(node, 3)
    batch, samples = signal.shape[:2]
    parts = signal.shape[2] if len(signal.shape) == 3 else 1
    if given is not None:
        length = int(given.reshape(-1)[0])
    else:
        length = samples if window is None else window.shape[0]
    frames = max((samples - length) // step + 1, 0)

    def frame(b: Expr, f: Expr, n: Expr, part: Expr) -> Expr:
        place = f * step + n
        value = signal[b, place, part] if len(signal.shape) == 3 else signal[b, place]
        return value if window is None else value * window[n]

    framed = map_tensor(f"{name}.frames", (batch, frames, length, parts), frame)
    onesided = bool(node.attributes.get("onesided", 1))
    return fourier(name, framed, 2, length, onesided=onesided)


# -------------------------------------------------------------------------------------- constants

_WINDOWS = {
    "HannWindow": (0.5, 0.5, 0.0),
    "HammingWindow": (25 / 46, 21 / 46, 0.0),
    "BlackmanWindow": (0.42, 0.5, 0.08),
}
"""Coefficients of ``a - b cos(x) + c cos(2 x)``."""


def _typed(context: Context, node: Node, values: NDArray[np.float64]) -> Tensor:
    dtype = context.result(node).dtype
    if not dtype.startswith(("float", "bfloat")):
        values = np.trunc(values)
    return constant(node.outputs[0], values, ir_type(dtype))


@lowers(*_WINDOWS, since=17, limits="size known at build")
def _window(context: Context, node: Node) -> Tensor:
    size = int(context.array(node, 0).reshape(-1)[0])
    span = size if node.attributes.get("periodic", 1) else max(size - 1, 1)
    x = 2 * np.pi * np.arange(size) / max(span, 1)
    a, b, c = _WINDOWS[node.op]
    return _typed(context, node, a - b * np.cos(x) + c * np.cos(2 * x))


@lowers("MelWeightMatrix", since=17, limits="all inputs known at build")
def _mel_weight_matrix(context: Context, node: Node) -> Tensor:
    """Triangles between bins equally far in mel, spaced and rounded as by ONNX's reference."""
    bands, length, rate = (int(context.array(node, k).reshape(-1)[0]) for k in range(3))
    low, high = (float(context.array(node, k).reshape(-1)[0]) for k in (3, 4))
    mels = 2595 * np.log10(1 + np.array([low, high]) / 700)
    places = mels[0] + np.arange(bands + 2) * ((mels[1] - mels[0]) / (bands + 2))
    hertz = 700 * (10 ** (places / 2595) - 1)
    edges = np.floor((length + 1) * hertz / rate).astype(int)
    bins = np.arange(length // 2 + 1)[:, None]
    start, peak, end = edges[None, :-2], edges[None, 1:-1], edges[None, 2:]
    rising = (bins - start) / np.maximum(peak - start, 1)
    falling = (end - bins) / np.maximum(end - peak, 1)
    weights = np.where((bins >= start) & (bins < peak), rising, 0.0)
    weights = np.where((bins >= peak) & (bins < end), falling, weights)
    return _typed(context, node, np.where(bins == peak, 1.0, weights))
