"""Outputs of every form, put into the renderer's, by the interpreter against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pybuild.generators.canonical import Canonical, canonical, image_words
from pybuild.onnx.interpret import run
from pybuild.onnx.ir import input_tensor
from pyengine.contract import Contract, Product

Array = NDArray[Any]
N = 7
RANDOM = np.random.default_rng(0)
BASIC: dict[str, Array] = {
    "position": RANDOM.standard_normal((N, 3)),
    "opacity": RANDOM.uniform(0, 1, (N, 1)),
    "color": RANDOM.uniform(0, 1, (N, 3)),
    "covariance": RANDOM.standard_normal((N, 6)),
}
TYPES = {"f": ("f32", np.float32), "i": ("i32", np.int32), "u": ("u32", np.uint32)}


def formed(arrays: dict[str, Array], **products: dict[str, Any]) -> list[Array]:
    """Packed, colour and what else there is, of outputs named as their roles."""
    tensors, values, outputs = {}, {}, []
    for name, array in arrays.items():
        type_, dtype = TYPES[array.dtype.kind]
        tensors[name] = input_tensor(name, array.shape, type_)  # type: ignore[arg-type]
        values[name] = array.astype(dtype)
        role = "state" if name == "memory" else f"gaussian.{name}"
        outputs.append(Product(name, role, array.shape, "float32", **products.get(name, {})))
    contract = Contract("generator", (), tuple(outputs), N, 0)
    found: Canonical = canonical(contract, tensors)
    asked = [found.packed, found.color, found.spread]
    asked += [found.count] if found.count is not None else []
    return [np.asarray(a) for a in run([*asked, *found.states.values()], values)]


def rotations(quaternions: Array) -> Array:
    """(N, 3, 3): by the product of quaternions, q p q*."""
    q = quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)
    columns = []
    for axis in np.eye(3):
        u, w = q[:, 1:], q[:, :1]
        t = 2 * np.cross(u, axis)
        columns.append(axis + w * t + np.cross(u, t))
    return np.stack(columns, axis=2)


def test_parts_are_joined() -> None:
    packed, color, spread = formed(BASIC)
    wanted = np.concatenate([BASIC["position"], BASIC["opacity"], BASIC["covariance"]], axis=1)
    np.testing.assert_allclose(packed, wanted, rtol=1e-6)
    np.testing.assert_allclose(color, BASIC["color"], rtol=1e-6)
    np.testing.assert_allclose(spread, BASIC["covariance"][:, [0, 3, 5]].sum(axis=1), rtol=1e-5)


def test_scale_and_rotation_make_the_covariance() -> None:
    arrays = {k: v for k, v in BASIC.items() if k != "covariance"}
    arrays["scale"] = RANDOM.uniform(-3, 0, (N, 3))
    arrays["rotation"] = RANDOM.standard_normal((N, 4))
    packed, _, spread = formed(
        arrays, scale={"activation": "exp"}, rotation={"activation": "normalize"}
    )
    axes = rotations(arrays["rotation"]) * np.exp(arrays["scale"])[:, None, :]
    full = axes @ axes.transpose(0, 2, 1)
    np.testing.assert_allclose(packed[:, 4:], full.reshape(N, 9)[:, [0, 1, 2, 4, 5, 8]], atol=1e-5)
    np.testing.assert_allclose(spread, np.trace(full, axis1=1, axis2=2), rtol=1e-5)


def test_packed_is_taken_as_it_is() -> None:
    whole = RANDOM.standard_normal((N, 10))
    packed, *_ = formed({"packed": whole, "color": BASIC["color"]})
    np.testing.assert_allclose(packed, whole, rtol=1e-6)


@pytest.mark.parametrize("shape", [(N,), (N, 1), (1, N, 1)])
def test_opacity_of_any_rank_under_a_sigmoid(shape: tuple[int, ...]) -> None:
    logits = RANDOM.standard_normal(shape) * 50
    packed, *_ = formed(BASIC | {"opacity": logits}, opacity={"activation": "sigmoid"})
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(packed[:, 3], 1 / (1 + np.exp(-logits.ravel())), atol=1e-6)


@pytest.mark.parametrize("signed", [True, False])
def test_quantised_outputs(signed: bool) -> None:
    """(q - zero point) * scale, then the activation."""
    low, high = (-128, 128) if signed else (0, 256)
    q = RANDOM.integers(low, high, (N, 3)).astype(np.int32 if signed else np.uint32)
    _, color, _ = formed(
        BASIC | {"color": q}, color={"quantization": (0.02, 3), "activation": "sigmoid"}
    )
    wanted = 1 / (1 + np.exp(-(q.astype(float) - 3) * 0.02))
    np.testing.assert_allclose(color, wanted, rtol=1e-5)


@pytest.mark.parametrize("shape", [(N, 9, 3), (N, 27)])
def test_sh_comes_by_coefficient(shape: tuple[int, ...]) -> None:
    coefficients = RANDOM.standard_normal(shape)
    arrays = {k: v for k, v in BASIC.items() if k != "color"} | {"sh": coefficients}
    _, shade, _ = formed(arrays)
    np.testing.assert_allclose(shade, coefficients.reshape(N, 9, 3), rtol=1e-6)


def test_a_fourth_colour_column_is_left_out() -> None:
    wide = RANDOM.uniform(0, 1, (N, 4))
    np.testing.assert_allclose(formed(BASIC | {"color": wide})[1], wide[:, :3], rtol=1e-6)


@pytest.mark.parametrize(
    "count", [np.array(5, np.int32), np.array([5], np.uint32), np.array([5.0])]
)
def test_counts_and_states(count: Array) -> None:
    memory = RANDOM.standard_normal((2, 3))
    *_, found, state = formed(BASIC | {"count": count, "memory": memory})
    assert found.tolist() == [5]
    assert found.dtype == np.int32
    np.testing.assert_allclose(state, memory, rtol=1e-6)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("channels", ["rgb", "bgr", "gray"])
@pytest.mark.parametrize("batch", [True, False])
def test_pixels_become_the_models_image(layout: str, channels: str, batch: bool) -> None:
    height, width = 3, 5
    pixels = RANDOM.integers(0, 256, (height, width, 4), dtype=np.uint8)
    words = pixels.view("<u4")[..., 0]
    planes = pixels[..., :3] / 255.0
    if channels == "bgr":
        planes = planes[..., ::-1]
    if channels == "gray":
        planes = planes @ np.array([[0.2126], [0.7152], [0.0722]])
    scale = (2.0, 0.5, 4.0)[: planes.shape[-1]]
    offset = (-1.0, 0.25, 0.0)[: planes.shape[-1]]
    wanted = planes * scale + offset
    if layout == "nchw":
        wanted = wanted.transpose(2, 0, 1)
    if batch:
        wanted = wanted[None]
    given = input_tensor("image", (height, width), "u32")
    made = image_words(given, wanted.shape, layout, channels, scale, offset)
    np.testing.assert_allclose(run([made], {"image": words})[0], wanted, atol=1e-5)
