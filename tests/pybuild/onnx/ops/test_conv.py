"""Conv against onnxruntime: ranks, groups, dilations, uneven padding and strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.lower import Unsupported


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 9), (4, 3, 4), {"strides": [3], "pads": [2, 1]}),
    ((2, 4, 7, 6), (6, 2, 3, 2), {"group": 2, "dilations": [2, 3], "pads": [1, 0, 2, 3]}),
    ((1, 5, 8, 8), (5, 1, 3, 3), {"group": 5, "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 3, 8, 8), (6, 1, 3, 3), {"group": 3, "auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    ((1, 3, 8, 7), (2, 3, 4, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ((1, 3, 8, 7), (2, 3, 4, 4), {"auto_pad": "VALID", "strides": [3, 1]}),
    ((1, 2, 5, 6, 7), (4, 2, 3, 2, 3), {"pads": [1, 0, 1, 1, 1, 0], "strides": [2, 1, 2]}),
    ((2, 6, 5, 5), (4, 6, 1, 1), {"strides": [2, 2]}),
    ((1, 2, 3, 3), (2, 2, 3, 3), {"pads": [4, 4, 4, 4]}),
    ((0, 2, 5, 5), (2, 2, 3, 3), {}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), CASES)
@pytest.mark.parametrize("biased", [False, True])
def test_conv(
    agrees: Callable[..., None],
    x: tuple[int, ...],
    w: tuple[int, ...],
    attributes: dict[str, Any],
    biased: bool,
) -> None:
    bias = [random(w[0])] if biased else []
    agrees("Conv", [random(*x), random(*w), *bias], kernel_shape=list(w[2:]), **attributes)


def test_conv_refuses_a_group_that_does_not_divide(
    lowered: Callable[..., list[np.ndarray]],
) -> None:
    with pytest.raises(Unsupported, match="group=3 does not fit"):
        lowered("Conv", [random(1, 4, 5, 5), random(3, 1, 3, 3)], group=3)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"strides": [1, 1, 1]}, "strides has 3 entries, wanted 2"),
        ({"pads": [1, 1]}, "pads has 2 entries, wanted 4"),
        ({"dilations": [2]}, "dilations has 1 entries, wanted 2"),
    ],
)
def test_lists_of_a_wrong_length_are_named(
    lowered: Callable[..., list[np.ndarray]], attributes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unsupported, match=reason):
        lowered("Conv", [random(1, 3, 5, 5), random(3, 3, 3, 3)], **attributes)


def test_a_window_larger_than_its_image_gives_nothing(
    lowered: Callable[..., list[np.ndarray]],
) -> None:
    (value,) = lowered("Conv", [random(1, 3, 2, 5), random(3, 3, 4, 3)])
    assert value.shape == (1, 3, 0, 3)
