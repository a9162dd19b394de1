"""ConvTranspose and Col2Im: every tap that reaches an element is visited, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pybuild.onnx.graph import Graph, Node
from pybuild.onnx.ir import Compute, constant, input_tensor
from pybuild.onnx.lower import LOWERINGS, Context


def random(*shape: int) -> np.ndarray:
    """Reproducible values about 0."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


CASES: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((1, 3, 4, 5), (3, 2, 2, 2), {"strides": [2, 2]}),
    ((1, 3, 4, 5), (3, 2, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    ((1, 3, 4, 5), (3, 2, 3, 3), {"strides": [2, 2], "pads": [1, 0, 0, 2]}),
    ((1, 3, 4, 5), (3, 2, 3, 5), {"strides": [2, 3], "output_padding": [1, 2]}),
    ((2, 4, 3, 3), (4, 3, 3, 2), {"group": 2, "strides": [3, 2], "dilations": [2, 3]}),
    ((1, 2, 4, 4), (2, 2, 3, 3), {"strides": [4, 6], "dilations": [2, 4]}),
    ((1, 2, 4, 4), (2, 2, 2, 2), {"strides": [3, 4]}),
    ((1, 2, 5, 4), (2, 1, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 5, 4), (2, 1, 3, 4), {"auto_pad": "SAME_LOWER", "strides": [2, 1]}),
    ((1, 2, 5, 4), (2, 1, 3, 3), {"auto_pad": "VALID", "strides": [2, 2]}),
    ((1, 2, 3, 3), (2, 1, 3, 3), {"output_shape": [6, 7], "strides": [2, 2]}),
    ((1, 2, 7), (2, 3, 5), {"strides": [2], "pads": [1, 2]}),
    ((1, 2, 3, 2, 3), (2, 2, 2, 3, 2), {"strides": [2, 1, 2], "pads": [0, 1, 0, 1, 1, 0]}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), CASES)
@pytest.mark.parametrize("constant_weights", [False, True])
def test_conv_transpose(
    agrees: Callable[..., None],
    x: tuple[int, ...],
    w: tuple[int, ...],
    attributes: dict[str, Any],
    constant_weights: bool,
) -> None:
    filters = w[1] * attributes.get("group", 1)
    inputs = [random(*x), random(*w), random(filters)]
    static = [1] if constant_weights else []
    agrees("ConvTranspose", inputs, static=static, kernel_shape=list(w[2:]), **attributes)


@pytest.mark.parametrize(
    ("kernel", "stride", "visited"), [(2, 2, 1), (4, 2, 2), (3, 2, 2), (3, 1, 3), (2, 3, 1)]
)
def test_only_taps_that_contribute_are_visited(kernel: int, stride: int, visited: int) -> None:
    node = Node("ConvTranspose", "up", ("x", "w"), ("y",), {"strides": [stride] * 2}, 21)
    context = Context(Graph("", 21, (), (), (node,), {}, {}, {}))
    context.tensors["x"] = input_tensor("x", (1, 3, 4, 4), "f32")
    context.tensors["w"] = constant("w", random(3, 5, kernel, kernel), "f32")
    tensor = LOWERINGS["", "ConvTranspose"].function(context, node)
    assert not isinstance(tensor, tuple)
    assert isinstance(tensor.source, Compute)
    extents = [variable.high + 1 for variable in tensor.source.over]
    assert extents == [3] + [visited] * 2 * (visited > 1)


@pytest.mark.parametrize(
    ("image", "block", "attributes"),
    [
        ((5, 6), (2, 3), {}),
        ((7, 6), (3, 2), {"strides": [2, 3], "pads": [1, 0, 2, 1]}),
        ((9, 8), (3, 2), {"dilations": [2, 3], "strides": [3, 2]}),
        ((6, 5, 4), (2, 3, 2), {"pads": [1, 0, 0, 0, 1, 1]}),
        ((11,), (4,), {"strides": [2]}),
    ],
)
def test_col2im(
    lowered: Callable[..., list[np.ndarray]],
    image: tuple[int, ...],
    block: tuple[int, ...],
    attributes: dict[str, Any],
) -> None:
    """Adding every column's elements to the padded image, one by one."""
    rank = len(image)
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    positions = [
        (n + pads[k] + pads[rank + k] - dilations[k] * (block[k] - 1) - 1) // strides[k] + 1
        for k, n in enumerate(image)
    ]
    x = random(2, 3 * int(np.prod(block)), int(np.prod(positions)))
    columns = x.reshape(2, 3, *block, *positions)
    wanted = np.zeros((2, 3, *image), np.float32)
    for tap in np.ndindex(*block):
        for at in np.ndindex(*positions):
            place = [at[k] * strides[k] + tap[k] * dilations[k] - pads[k] for k in range(rank)]
            if all(0 <= p < n for p, n in zip(place, image, strict=True)):
                wanted[(slice(None), slice(None), *place)] += columns[
                    (slice(None), slice(None), *tap, *at)
                ]
    shapes = [np.array(image, np.int64), np.array(block, np.int64)]
    (got,) = lowered("Col2Im", [x, *shapes], static=[1, 2], **attributes)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
