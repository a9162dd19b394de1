"""Kernels of contractions: matrix products and convolutions, around the sizes of their tiles."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pybuild.onnx.expr import Expr, const, logical_and, maximum, select, unary
from pybuild.onnx.ir import Tensor, input_tensor, map_tensor, reduce_tensor
from tests.pybuild.onnx.kernels.tensors import Check, product_of, weights

pytestmark = pytest.mark.gpu

PRODUCTS = (
    *((1, 1, 1), (0, 3, 2), (3, 0, 2), (1, 64, 1), (3, 4, 5), (7, 8, 9), (8, 8, 8), (9, 7, 8)),
    *((31, 33, 32), (32, 64, 32), (63, 17, 65), (64, 64, 64), (130, 50, 132), (2, 1000, 3)),
    *((256, 40, 256),),
)
"""Rows, depth, columns."""


@pytest.mark.parametrize("sizes", PRODUCTS)
def test_products(check: Check, sizes: tuple[int, int, int]) -> None:
    m, k, n = sizes
    x, y = input_tensor("x", (m, k), "f32"), input_tensor("y", (k, n), "f32")
    check(product_of(x, y))


@pytest.mark.parametrize("flips", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("sizes", [(7, 9, 8), (64, 48, 72)])
@pytest.mark.parametrize("fixed", [False, True])
def test_products_transposed(
    check: Check, sizes: tuple[int, int, int], flips: tuple[bool, bool], fixed: bool
) -> None:
    """Of two inputs, and with a constant, which may lie in another order."""
    m, k, n = sizes
    x = input_tensor("x", (k, m) if flips[0] else (m, k), "f32")
    shape = (n, k) if flips[1] else (k, n)
    y = weights("y", *shape) if fixed else input_tensor("y", shape, "f32")
    bias = weights("bias", n)
    y = product_of(x, y, *flips)
    check(map_tensor("z", (m, n), lambda i, j: maximum(y[i, j] + bias[j], const(0, "f32"))))


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 9, 7), (3, 7, 10)),
        ((1, 16, 8), (5, 8, 12)),
        ((2, 1, 12, 20), (1, 3, 20, 16)),
        ((6, 40, 24), (6, 24, 33)),
    ],
)
def test_products_in_batches(check: Check, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = (input_tensor(name, shape, "f32") for name, shape in zip("xy", shapes, strict=True))
    z = product_of(x, y)
    check(map_tensor("z", z.shape, lambda *i: unary("tanh", z[i])))


def test_products_of_integers(check: Check) -> None:
    x, y = input_tensor("x", (33, 40), "i32"), input_tensor("y", (40, 36), "i32")
    check(product_of(x, y))


@pytest.mark.parametrize("split", [1, 3, 4, 8, 15])
def test_products_with_a_concatenation(check: Check, split: int) -> None:
    """The reduction is cut where its parts meet, which need not be where loops are unrolled."""
    depth, wide = 16, 200
    a, b = input_tensor("a", (40, split), "f32"), input_tensor("b", (40, depth - split), "f32")
    joined = map_tensor("j", (40, depth), lambda i, k: select(k < split, a[i, k], b[i, k - split]))
    check(product_of(joined, weights("w", depth, wide)))


def test_products_with_many_parts(check: Check) -> None:
    """More cuts than are worth it: one loop that chooses."""
    parts = [input_tensor(f"p{k}", (48, 3), "f32") for k in range(5)]
    joined = map_tensor("j", (48, 150), lambda i, k: _chosen(k % 15, [p[i, k % 3] for p in parts]))
    check(product_of(joined, weights("w", 150, 64)))


def _chosen(k: Expr, values: Sequence[Expr]) -> Expr:
    found = values[-1]
    for number, value in reversed(list(enumerate(values[:-1]))):
        found = select(k < 3 * (number + 1), value, found)
    return found


def convolution(
    x: Tensor,
    w: Tensor,
    stride: int = 1,
    dilation: int = 1,
    group: int = 1,
    pad: int = 0,
) -> Tensor:
    """As ONNX's Conv with the same numbers for each axis."""
    kernel, extents = w.shape[2:], x.shape[2:]
    outs = [
        (n + 2 * pad - dilation * (k - 1) - 1) // stride + 1
        for n, k in zip(extents, kernel, strict=True)
    ]
    per_group = w.shape[0] // group

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        channel = (o[1] // per_group) * w.shape[1] + r[0]
        at = [i * stride + k * dilation - pad for i, k in zip(o[2:], r[1:], strict=True)]
        inside = logical_and(
            *(c for p, n in zip(at, extents, strict=True) for c in (p >= 0, p < n))
        )
        return select(inside, x[(o[0], channel, *at)], const(0, "f32")) * w[(o[1], *r)]

    shape = (x.shape[0], w.shape[0], *outs)
    return reduce_tensor("conv", shape, (w.shape[1], *kernel), "sum", body)


CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, int]]] = {
    "1-D": ((2, 3, 21), (5, 3, 4), {"pad": 2}),
    "1-D strided": ((1, 8, 64), (16, 8, 3), {"pad": 1, "stride": 2}),
    "2-D few channels": ((1, 3, 17, 19), (8, 3, 3, 3), {"pad": 1}),
    "2-D": ((1, 5, 16, 16), (16, 5, 3, 3), {"pad": 1}),
    "2-D pointwise": ((2, 20, 9, 12), (24, 20, 1, 1), {}),
    "2-D strided": ((1, 8, 15, 16), (12, 8, 3, 3), {"pad": 1, "stride": 2}),
    "2-D dilated": ((1, 4, 13, 14), (6, 4, 3, 3), {"pad": 2, "dilation": 2}),
    "2-D grouped": ((1, 12, 10, 10), (18, 4, 3, 3), {"pad": 1, "group": 3}),
    "2-D depthwise": ((1, 24, 12, 12), (24, 1, 3, 3), {"pad": 1, "group": 24}),
    "2-D large kernel": ((1, 2, 12, 12), (3, 2, 9, 9), {"pad": 4}),
    "2-D all padding": ((1, 2, 1, 1), (4, 2, 3, 3), {"pad": 3}),
    "3-D": ((1, 3, 6, 7, 8), (4, 3, 3, 3, 3), {"pad": 1}),
    "large": ((1, 4, 64, 64), (16, 4, 3, 3), {"pad": 1}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions(check: Check, name: str) -> None:
    """With a bias and an activation in the epilogue."""
    x_shape, w_shape, given = CONVOLUTIONS[name]
    x, w, bias = input_tensor("x", x_shape, "f32"), weights("w", *w_shape), weights("b", w_shape[0])
    y = convolution(x, w, **given)
    check(map_tensor("z", y.shape, lambda *i: maximum(y[i] + bias[i[1]], const(0, "f32"))))


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("channels", [(3, 5), (4, 8)])
def test_transposed_convolutions(check: Check, stride: int, channels: tuple[int, int]) -> None:
    given, made, kernel = *channels, 3
    x = input_tensor("x", (1, given, 7, 8), "f32")
    w = weights("w", given, made, kernel, kernel)
    extents = [(n - 1) * stride + kernel - 2 for n in x.shape[2:]]

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        at = [i + 1 - k for i, k in zip(o[2:], r[1:], strict=True)]
        inside = [c for p, n in zip(at, x.shape[2:], strict=True) for c in (p >= 0, p < n * stride)]
        inside += [(p % stride).equals(0) for p in at]
        places = [p // stride for p in at]
        value = x[(o[0], r[0], *places)]
        return select(logical_and(*inside), value, const(0, "f32")) * w[(r[0], o[1], *r[1:])]

    shape = (1, made, *extents)
    check(reduce_tensor("y", shape, (given, kernel, kernel), "sum", body))


def test_pixel_shuffle_behind_a_product(check: Check) -> None:
    """Its channels become places: the axes of the product are split."""
    x, w = input_tensor("x", (1, 3, 9, 8), "f32"), weights("w", 16, 3, 3, 3)
    y = convolution(x, w, pad=1)
    check(
        map_tensor(
            "z",
            (1, 4, 18, 16),
            lambda n, c, i, j: unary("tanh", y[n, c * 4 + (i % 2) * 2 + j % 2, i // 2, j // 2]),
        ),
        dispatches=1,
    )
