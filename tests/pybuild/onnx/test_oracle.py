"""How far arrays lie apart, and the numbers that networks are fed to find out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pybuild.onnx.graph import TensorInfo
from pybuild.onnx.oracle import difference
from pybuild.random_inputs import random_inputs


def floats(*values: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """An array."""
    return np.array(values, np.float32)


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("found", "wanted", "max_abs", "max_rel"),
    [
        (floats(1, 2), floats(1, 2), 0, 0),
        (floats(1, 2.5), floats(1, 2), 0.5, 0.25),
        (floats(-1, 3), floats(-4, 3), 3, 0.75),
        (floats(0, 0.5), floats(0, 0), 0.5, 0.5),
        (floats(), floats(), 0, 0),
        (floats(NAN, INF, -INF), floats(NAN, INF, -INF), 0, 0),
        (floats(NAN, 1), floats(1, 1), INF, INF),
        (floats(1, 1), floats(NAN, 1), INF, INF),
        (floats(INF), floats(-INF), INF, INF),
        (floats(INF, 4), floats(INF, 2), 2, 1),
        (floats(1, 2), floats(1, 2, 3), INF, INF),
        (np.array([True, False]), np.array([True, True]), 1, 1),
        (np.array([5], np.int64), np.array([4], np.int64), 1, 0.25),
    ],
)
def test_difference(found: np.ndarray, wanted: np.ndarray, max_abs: float, max_rel: float) -> None:
    apart = difference(found, wanted)
    assert (apart.max_abs, apart.max_rel) == (max_abs, max_rel)


def info(name: str, dtype: str, *shape: int) -> TensorInfo:
    """An input."""
    return TensorInfo(name, dtype, shape, (None,) * len(shape))


def test_random_inputs_fit_their_types() -> None:
    """The same seed the same numbers; each input has its own."""
    inputs = [
        info("f", "float32", 3, 40),
        info("h", "float16", 3, 40),
        info("b", "bfloat16", 3, 40),
        info("i", "int64", 3, 40),
        info("flag", "bool", 3, 40),
        info("small", "int4", 3, 40),
        info("byte", "uint8", 30, 40),
        info("signed", "int8", 30, 40),
        info("nothing", "float32", 0, 4),
        info("one", "float32"),
    ]
    made = random_inputs(inputs, 5)
    assert list(made) == [item.name for item in inputs]
    for item in inputs:
        assert (made[item.name].dtype.name, made[item.name].shape) == (item.dtype, item.shape)
    assert set(made["i"].ravel()) == set(made["small"].ravel().astype(int)) == {0, 1}
    assert (made["byte"].min(), made["byte"].max()) == (0, 255)
    assert (made["signed"].min(), made["signed"].max()) == (-128, 127)
    assert not np.array_equal(made["f"].astype(np.float16), made["h"])
    again = random_inputs(inputs, 5)
    assert all(np.array_equal(made[name], again[name]) for name in made)
    assert not np.array_equal(made["f"], random_inputs(inputs, 6)["f"])


@pytest.mark.parametrize("shape", [(1, 3, 40, 64), (2, 64, 40, 4), (1, 1, 16, 16)])
def test_images_are_patches(shape: tuple[int, ...]) -> None:
    """Noise hides what a detector decides: its maxima then hang on the last bit.

    mlsd_320x320_tiny keeps scores that equal the maximum around them; on white noise one in two
    runs had a pixel where neighbours differ by less than float32 can tell.
    """
    image = random_inputs([info("image", "float32", *shape)], 0)["image"]
    assert image.shape == shape
    assert 0 <= image.min() < image.max() <= 255
    axis = 3 if shape[1] in (1, 3, 4) else 2
    even = np.mean(np.diff(image, axis=axis) == 0)
    assert 0.4 < even < 1


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 16, 40, 40), (3, 40, 40), (40, 40)])
def test_features_are_noise(shape: tuple[int, ...]) -> None:
    """Whatever does not look like an image."""
    made = random_inputs([info("x", "float32", *shape)], 0)["x"]
    assert made.min() < 0
    assert len(np.unique(made)) > 0.99 * made.size
