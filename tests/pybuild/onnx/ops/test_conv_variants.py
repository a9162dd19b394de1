"""DeformConv, CausalConvWithState, LRN, MaxUnpool and MaxRoiPool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("group", "offset_group", "attributes", "out"),
    [
        (1, 1, {}, (4, 5)),
        (2, 2, {"pads": [1, 0, 1, 2], "strides": [2, 1]}, (3, 7)),
        (2, 1, {"dilations": [2, 2], "pads": [1, 1, 1, 1]}, (4, 5)),
    ],
)
def test_deform_conv(
    agrees: Callable[..., None],
    group: int,
    offset_group: int,
    attributes: dict[str, Any],
    out: tuple[int, int],
    masked: bool,
    biased: bool,
) -> None:
    """Offsets of some elements reach far outside."""
    x, w = random(2, 4, 6, 7), random(6, 4 // group, 3, 3)
    offset = random(2, offset_group * 18, *out) * 2
    bias = random(6) if biased else None
    mask = random(2, offset_group * 9, *out) if masked else None
    agrees(
        "DeformConv",
        [x, w, offset, bias, mask],
        oracle="onnx",
        opset=22,
        group=group,
        offset_group=offset_group,
        **attributes,
    )


@pytest.mark.parametrize("length", [1, 2, 6])
@pytest.mark.parametrize("kernel", [1, 4])
@pytest.mark.parametrize("with_past", [False, True])
@pytest.mark.parametrize("activation", ["none", "silu"])
def test_causal_conv_keeps_the_last_inputs(
    agrees: Callable[..., None], length: int, kernel: int, with_past: bool, activation: str
) -> None:
    past = random(2, 3, kernel - 1) if with_past else None
    agrees(
        "CausalConvWithState",
        [random(2, 3, length), random(3, 1, kernel), random(3), past],
        oracle="onnx",
        outputs=2,
        opset=27,
        activation=activation,
    )


def test_causal_conv_names_an_activation_that_it_lacks(
    lowered: Callable[..., list[np.ndarray]],
) -> None:
    with pytest.raises(Unsupported, match="'relu'"):
        lowered("CausalConvWithState", [random(1, 2, 3), random(2, 1, 2)], activation="relu")


@pytest.mark.parametrize("size", [1, 3, 5, 9])
def test_lrn(agrees: Callable[..., None], size: int) -> None:
    x = random(2, 7, 3, 4) * 5
    agrees("LRN", [x], size=size, alpha=0.2, beta=0.6, bias=1.5)


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        ((2, 3, 6, 8), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ((1, 2, 9, 7), {"kernel_shape": [3, 3], "strides": [2, 2]}),
        ((1, 2, 10), {"kernel_shape": [2], "strides": [2]}),
    ],
)
def test_max_unpool_undoes_max_pool(
    lowered: Callable[..., list[np.ndarray]],
    agrees: Callable[..., None],
    shape: tuple[int, ...],
    attributes: dict[str, Any],
) -> None:
    values, places = lowered("MaxPool", [random(*shape)], outputs=2, **attributes)
    agrees("MaxUnpool", [values, places.astype(np.int64)], **attributes)


def test_max_roi_pool(agrees: Callable[..., None]) -> None:
    x = random(2, 3, 8, 10)
    rois = np.array([[0, 0, 0, 9, 7], [1, 2.4, 1, 5.6, 3], [1, 4, 4, 4, 4], [0, 6, 5, 30, 30]])
    inputs = [x, rois.astype(np.float32)]
    agrees("MaxRoiPool", inputs, pooled_shape=[3, 2], spatial_scale=0.75)
    agrees("MaxRoiPool", inputs, pooled_shape=[2, 4])
