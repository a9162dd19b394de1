"""Tensors that the tests of kernels are made of: products, layers, softmaxes, and their inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.compile import Compiled
from pybuild.onnx.expr import Expr, Type, const, unary
from pybuild.onnx.ir import Combine, Tensor, constant, map_tensor, reduce_tensor

__all__ = [
    "KINDS",
    "Array",
    "Check",
    "example",
    "layer",
    "normalised",
    "product_of",
    "softmax",
    "weights",
]

Array = NDArray[Any]
Check = Callable[..., Compiled]
KINDS: tuple[tuple[Combine, Type], ...] = (
    *(("sum", t) for t in ("f32", "i32", "u32")),
    *(("prod", t) for t in ("f32", "i32")),
    *((c, t) for c in ("max", "min") for t in ("f32", "i32", "u32")),
    *((c, "bool") for c in ("and", "or", "max", "min")),
)  # type: ignore[assignment]


def example(tensor: Tensor, rng: np.random.Generator) -> Array:
    """Values for an input; sums of its integers stay in 32 bits."""
    if tensor.type == "f32":
        return rng.standard_normal(tensor.shape).astype(np.float32)
    if tensor.type == "bool":
        return rng.random(tensor.shape) < 0.7
    low = 0 if tensor.type == "u32" else -9
    return rng.integers(low, 10, tensor.shape).astype("u4" if tensor.type == "u32" else "i4")


def weights(name: str, *shape: int, seed: int = 5) -> Tensor:
    """A constant whose products with a row of numbers stay near 1."""
    values = np.random.default_rng(seed).standard_normal(shape) / math.sqrt(max(shape[0], 1))
    return constant(name, values.astype(np.float32), "f32")


def product_of(x: Tensor, y: Tensor, flip_x: bool = False, flip_y: bool = False) -> Tensor:
    """Matrix product of the last two axes; leading ones are the batch, broadcast from one."""

    def part(t: Tensor, i: Sequence[Expr], row: Expr, column: Expr, flip: bool) -> Expr:
        lead = [const(0, "i32") if n == 1 else k for n, k in zip(t.shape, i, strict=False)]
        return t[(*lead[: len(t.shape) - 2], *((column, row) if flip else (row, column)))]

    depth = x.shape[-2] if flip_x else x.shape[-1]
    rows = x.shape[-1] if flip_x else x.shape[-2]
    columns = y.shape[-2] if flip_y else y.shape[-1]
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return reduce_tensor(
        "product",
        (*lead, rows, columns),
        (depth,),
        "sum",
        lambda o, r: part(x, o, o[-2], r[0], flip_x) * part(y, o, r[0], o[-1], flip_y),
    )


def layer(x: Tensor, width: int, name: str) -> Tensor:
    """A dense layer with a hyperbolic tangent."""
    w, b = weights(f"{name}.w", x.shape[1], width), weights(f"{name}.b", width)
    y = product_of(x, w)
    return map_tensor(name, y.shape, lambda i, j: unary("tanh", y[i, j] + b[j]))


def softmax(x: Tensor, name: str = "softmax") -> Tensor:
    """Along the last axis."""
    lead, n = x.shape[:-1], x.shape[-1]
    top = reduce_tensor(f"{name}.max", lead, (n,), "max", lambda o, r: x[(*o, *r)])
    total = reduce_tensor(
        f"{name}.sum", lead, (n,), "sum", lambda o, r: unary("exp", x[(*o, *r)] - top[o])
    )
    return map_tensor(name, x.shape, lambda *i: unary("exp", x[i] - top[i[:-1]]) / total[i[:-1]])


def normalised(x: Tensor, axes: int, name: str = "norm") -> Tensor:
    """Mean 0 and variance 1 over the last ``axes`` axes."""
    lead, inner = x.shape[:-axes], x.shape[-axes:]
    count = float(math.prod(inner))
    total = reduce_tensor(f"{name}.sum", lead, inner, "sum", lambda o, r: x[(*o, *r)])
    mean = map_tensor(f"{name}.mean", lead, lambda *o: total[o] / count)

    def square(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        centred = x[(*o, *r)] - mean[o]
        return centred * centred

    spread = reduce_tensor(f"{name}.squares", lead, inner, "sum", square)
    k = len(lead)
    return map_tensor(
        name,
        x.shape,
        lambda *i: (x[i] - mean[i[:k]]) * unary("inverseSqrt", spread[i[:k]] / count + 1e-5),
    )
