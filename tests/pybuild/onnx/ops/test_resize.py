"""Resize and Upsample against onnxruntime, and their formulas against the tables they replace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.expr import variable
from pybuild.onnx.interpret import run
from pybuild.onnx.ir import Compute, Constant, input_tensor, map_tensor, topological
from pybuild.onnx.ops.resampling import (
    axis_taps,
    coordinates,
    phase_formula,
    place_formula,
)

Agrees = Callable[..., None]
X = np.random.default_rng(8).normal(size=(1, 2, 5, 7)).astype(np.float32)
NONE = np.zeros(0, np.float32)
TRANSFORMS = [
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "half_pixel_symmetric",
]


def floats(*values: float) -> Any:
    """A float32 vector."""
    return np.array(values, np.float32)


def ints(*values: int) -> Any:
    """An int64 vector."""
    return np.array(values, np.int64)


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_nearest(agrees: Agrees, transform: str, rounding: str) -> None:
    how = {"coordinate_transformation_mode": transform, "nearest_mode": rounding}
    agrees("Resize", [X, NONE, None, ints(1, 2, 8, 3)], static=[1, 3], opset=19, **how)
    agrees("Resize", [X, NONE, floats(1, 1, 2, 3)], static=[1, 2], opset=19, **how)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("size", [(10, 14), (8, 3), (1, 7), (15, 1)])
def test_weighted(agrees: Agrees, transform: str, mode: str, size: tuple[int, int]) -> None:
    how = {"coordinate_transformation_mode": transform, "mode": mode}
    agrees("Resize", [X, NONE, None, ints(1, 2, *size)], static=[1, 3], opset=19, **how)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("outside", [0, 1])
def test_antialias(agrees: Agrees, mode: str, outside: int) -> None:
    how = {"mode": mode, "antialias": 1}
    how |= {"exclude_outside": outside} if mode == "cubic" else {}
    for size in ((2, 3), (4, 9), (1, 1)):
        agrees("Resize", [X, NONE, None, ints(1, 2, *size)], static=[1, 3], opset=19, **how)


def test_fractional_scales(agrees: Agrees) -> None:
    """``length_resized`` of the formulas is the scale times the extent before it is made whole."""
    scales = floats(1, 1, 0.6, 2.5)
    for mode in ("nearest", "linear", "cubic"):
        for transform in ("half_pixel", "align_corners", "half_pixel_symmetric"):
            how = {"mode": mode, "coordinate_transformation_mode": transform}
            agrees("Resize", [X, NONE, scales], static=[1, 2], opset=19, oracle="onnx", **how)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_crop(agrees: Agrees, mode: str) -> None:
    how = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 9.0}
    roi = floats(0, 0, 0.2, -0.3, 1, 1, 0.7, 1.2)
    agrees("Resize", [X, roi, None, ints(1, 2, 4, 9)], static=[1, 3], opset=13, mode=mode, **how)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_axes_and_policies(agrees: Agrees, policy: str) -> None:
    how = {"keep_aspect_ratio_policy": policy, "axes": [3, 2]}
    agrees("Resize", [X, None, None, ints(9, 4)], static=[3], opset=18, **how)
    agrees("Resize", [X, None, floats(0.5, 2)], static=[2], opset=18, axes=[-1, -2], mode="linear")


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_old_opsets(agrees: Agrees, mode: str) -> None:
    agrees("Upsample", [X, floats(1, 1, 2, 1.5)], static=[1], opset=9, mode=mode)
    agrees("Resize", [X, floats(1, 1, 0.6, 3)], static=[1], opset=10, mode=mode)
    agrees("Upsample", [X], opset=8, mode=mode, scales=[1.0, 1.0, 2.0, 3.0])


def test_integers_and_volumes(agrees: Agrees) -> None:
    bytes_ = (X * 60 + 128).clip(0, 255).astype(np.uint8)
    agrees("Resize", [bytes_, NONE, None, ints(1, 2, 9, 3)], static=[1, 3], opset=19)
    inputs = [bytes_, NONE, None, ints(1, 2, 9, 3)]
    agrees("Resize", inputs, static=[1, 3], opset=19, mode="linear", oracle="onnx")
    volume = X.reshape(1, 1, 2, 5, 7)
    inputs = [volume, NONE, None, ints(1, 1, 3, 4, 9)]
    agrees("Resize", inputs, static=[1, 3], opset=19, mode="linear")


@pytest.mark.parametrize("scale", [0.25, 0.5, 2, 3, 4])
def test_whole_scales_need_no_tables(lowered: Callable[..., list[Any]], scale: float) -> None:
    n_out = int(8 * scale)
    x = coordinates("half_pixel", 8, n_out, scale, n_out)
    taps = axis_taps("nearest", x, 8, scale, rounding="floor")
    place = place_formula(taps.first, 8, scale)
    assert place is not None
    found = map_tensor("p", (n_out,), lambda i: place(i))
    assert not any(isinstance(t.source, Constant) for t in topological([found]))
    np.testing.assert_array_equal(run([found], {})[0], taps.first)


@pytest.mark.parametrize("n_out", [3, 5, 16, 24, 100])
@pytest.mark.parametrize("transform", ["half_pixel", "align_corners", "asymmetric"])
def test_phases_are_exact(transform: str, n_out: int) -> None:
    n_in = 8
    x = coordinates(transform, n_in, n_out, n_out / n_in, n_out)
    read = phase_formula(x, n_in, n_out / n_in)
    assert read is not None
    floor = map_tensor("f", (n_out,), lambda i: read(i)[0])
    fraction = map_tensor("t", (n_out,), lambda i: read(i)[1])
    place, part = run([floor, fraction], {})
    np.testing.assert_allclose(place + part, x, atol=1e-5)


def test_nearest_by_two_is_a_view() -> None:
    """``out[i] = x[i // 2]``: readers see through it."""
    place = place_formula(np.arange(16) // 2, 8, 2.0)
    assert place is not None
    x = input_tensor("x", (8,), "f32")
    source = map_tensor("u", (16,), lambda i: x[place(i)]).source
    assert isinstance(source, Compute)
    i = variable("i", 16)
    assert place(i) is i // 2
