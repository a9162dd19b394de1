"""Steps of a random network along axes: reductions, softmaxes, norms, running sums."""

from __future__ import annotations

import numpy as np

from tests.random_steps.grower import Grower, Unfit
from tests.random_steps.products import image_of

__all__ = ["norm", "order", "reduce", "running", "softmax"]


def reduce(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    n = g.array(x).ndim
    axes = sorted(g.random.sample(range(n), g.random.randint(1, n)))
    op = g.random.choice([
        *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"),
        *("ReduceSumSquare", "ReduceLogSumExp", "ReduceProd", "ReduceMean", "ReduceSum"),
    ])  # fmt: skip
    exact = op in ("ReduceMax", "ReduceMin")
    g.add(op, x, g.ints(*axes), exact=exact, keepdims=g.random.randint(0, 1))


def softmax(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    axis = g.random.choice([-1, g.random.randrange(g.array(x).ndim)])
    g.add(g.random.choice(["Softmax", "Softmax", "LogSoftmax"]), x, axis=axis)


def norm(g: Grower) -> None:
    kind = g.random.choice(["layer", "instance", "written", "l2", "group"])
    if kind == "layer":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1 and a.shape[-1] > 1)
        n = g.shape(x)[-1]
        g.add("LayerNormalization", x, g.weights(n), g.weights(n), epsilon=1e-2, axis=-1)
    elif kind == "instance":
        x = image_of(g)
        n = g.shape(x)[1]
        if np.prod(g.shape(x)[2:]) < 2:  # of one element nothing but rounding is left
            raise Unfit
        g.add("InstanceNormalization", x, g.weights(n), g.weights(n), epsilon=1e-2)
    elif kind == "group":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim == 4 and a.shape[1] % 2 == 0)
        n = g.shape(x)[1]
        flat = g.add("Reshape", x, g.ints(0, 2, -1), exact=True)
        scale, bias = (g.constant(np.full(2, v, np.float32)) for v in (1.0, 0.0))
        y = g.add("InstanceNormalization", flat, scale, bias, epsilon=1e-2)
        y = g.add("Reshape", y, g.ints(*g.shape(x)), exact=True)
        y = g.add("Mul", y, g.weights(n, 1, 1))
        g.add("Add", y, g.weights(n, 1, 1))
    elif kind == "l2":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
        squares = g.add("ReduceL2", x, g.ints(-1), keepdims=1)
        g.add("Div", x, g.add("Add", squares, g.constant(np.array(0.1, np.float32))))
    else:
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1)
        axes = g.ints(*range(g.random.randint(1, g.array(x).ndim - 1), g.array(x).ndim))
        centred = g.add("Sub", x, g.add("ReduceMean", x, axes, keepdims=1))
        squared = g.add("Pow", centred, g.constant(np.array(2, np.float32)))
        variance = g.add("ReduceMean", squared, axes, keepdims=1)
        shifted = g.add("Add", variance, g.constant(np.array(1e-2, np.float32)))
        g.add("Div", centred, g.add("Sqrt", shifted))


def running(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    axis = g.constant(np.array(g.random.randrange(g.array(x).ndim), np.int64))
    g.add("CumSum", x, axis, exclusive=g.random.randint(0, 1), reverse=g.random.randint(0, 1))


def order(g: Grower) -> None:
    """Positions of the largest; of values in which no two are equal."""
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0 and 1 < a.shape[-1] < 200)
    noise = g.rng.permutation(g.array(x).size).reshape(g.shape(x)) * np.sqrt(2)
    x = g.add("Add", x, g.constant(noise.astype(np.float32)))
    if g.random.randint(0, 1):
        g.add(g.random.choice(["ArgMax", "ArgMin"]), x, axis=-1, keepdims=g.random.randint(0, 1))
    else:
        g.add("TopK", x, g.ints(g.random.randint(1, g.shape(x)[-1])), count=2, axis=-1)
