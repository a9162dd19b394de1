"""Steps of a random network that contract: products, convolutions, pools, attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.random_steps.grower import Array, Grower, Unfit

__all__ = ["attention", "conv", "gemm", "image_of", "matmul", "perceptron", "pool"]


def matmul(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1)
    shape = g.shape(x)
    kind = g.random.choice(["weights", "weights", "self", "batch", "vector", "other"])
    if kind == "self" and shape[-2] > 400:
        raise Unfit
    if kind == "weights":
        w = g.constant(
            (g.rng.standard_normal((shape[-1], g.random.choice([1, 3, 4, 8, 17, 32])))
            / np.sqrt(shape[-1])).astype(np.float32)
        )  # fmt: skip
        y = g.add("MatMul", x, w)
        if g.random.randint(0, 1):
            bias = g.weights(g.shape(y)[-1])
            y = g.add("Add", y, bias)
        if g.random.randint(0, 1):
            g.add(g.random.choice(["Relu", "Tanh", "Sigmoid"]), y)
    elif kind == "self":
        perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        g.add("MatMul", x, g.add("Transpose", x, perm=perm, exact=True))
    elif kind == "batch":
        g.add("MatMul", x, g.weights(*shape[:-2], shape[-1], 5))
    elif kind == "vector":
        g.add("MatMul", x, g.weights(shape[-1]))
    else:

        def fits(a: Array) -> bool:
            return a.dtype == np.float32 and a.ndim > 0 and a.shape[max(a.ndim - 2, 0)] == shape[-1]

        g.add("MatMul", x, g.pick(fits))


def gemm(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim == 2)
    flip, turned = g.random.randint(0, 1), g.random.randint(0, 1)
    k = g.shape(x)[0 if flip else 1]
    n = g.random.choice([1, 4, 6, 16])
    w = g.weights(*((n, k) if turned else (k, n)))
    bias = [g.weights(n)] if g.random.randint(0, 1) else []
    g.add("Gemm", x, w, *bias, transA=flip, transB=turned, alpha=0.5, beta=2.0)


def image_of(g: Grower) -> str:
    """A value with a batch, channels and one to three axes of space."""
    x = g.pick(lambda a: a.dtype == np.float32 and 2 < a.ndim < 6 and a.size < 6000)
    if g.shape(x)[1] > 24 or g.shape(x)[0] > 8:
        raise Unfit
    return x


def conv(g: Grower) -> None:
    x = image_of(g)
    shape = g.shape(x)
    space = len(shape) - 2
    kernel = [g.random.choice([1, 2, 3]) for _ in range(space)]
    channels = shape[1]
    groups = g.random.choice([d for d in (1, 1, 2, 3, channels) if channels % d == 0])
    made = groups * g.random.choice([1, 2, 4])
    strides = [g.random.choice([1, 1, 2]) for _ in range(space)]
    dilations = [g.random.choice([1, 1, 2]) for _ in range(space)]
    pads = [g.random.randint(0, 2) for _ in range(2 * space)]
    given: dict[str, Any] = {"strides": strides, "pads": pads, "group": groups}
    if g.random.randint(0, 3) == 0:
        w = g.weights(channels, made // groups, *kernel)
        bias = [g.weights(made)] * g.random.randint(0, 1)
        g.add("ConvTranspose", x, w, *bias, dilations=dilations, **given)
        return
    w = g.weights(made, channels // groups, *kernel)
    bias = [g.weights(made)] * g.random.randint(0, 1)
    y = g.add("Conv", x, w, *bias, dilations=dilations, **given)
    if g.random.randint(0, 1):
        names = [g.weights(made) for _ in range(3)]
        variance = g.constant(np.abs(g.array(names[0])) + np.float32(0.5))
        g.add("BatchNormalization", y, *names, variance)


def pool(g: Grower) -> None:
    x = image_of(g)
    space = len(g.shape(x)) - 2
    op = g.random.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool"])
    if op.startswith("Global"):
        g.add(op, x, exact="Max" in op)
        return
    given: dict[str, Any] = {
        "kernel_shape": [min(g.random.choice([1, 2, 3]), n) for n in g.shape(x)[2:]],
        "strides": [g.random.choice([1, 2]) for _ in range(space)],
    }
    if op == "AveragePool":
        given["count_include_pad"] = g.random.randint(0, 1)
    if op != "LpPool":
        given["ceil_mode"] = g.random.randint(0, 1)
    g.add(op, x, exact=op == "MaxPool", **given)


def attention(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and 2 <= a.ndim <= 4 and 1 < a.shape[-2] <= 400)
    width = g.shape(x)[-1]
    q, k, v = (g.add("MatMul", x, g.weights(width, 8)) for _ in range(3))
    n = g.array(x).ndim
    perm = [*range(n - 2), n - 1, n - 2]
    scores = g.add("MatMul", q, g.add("Transpose", k, perm=perm))
    scores = g.add("Mul", scores, g.constant(np.array(0.35, np.float32)))
    g.add("MatMul", g.add("Softmax", scores, axis=-1), v)


def perceptron(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1 and a.shape[-1] <= 64)
    for width in (g.random.choice([4, 16, 40]), g.random.choice([8, 33])):
        w = g.rng.standard_normal((g.shape(x)[-1], width)) / np.sqrt(g.shape(x)[-1])
        x = g.add("MatMul", x, g.constant(w.astype(np.float32)))
        x = g.add("Add", x, g.weights(width))
        x = g.add(g.random.choice(["Relu", "Tanh"]), x)
