"""Steps of a random network that look up places: gathers and scatters."""

from __future__ import annotations

import numpy as np

from tests.random_steps.grower import Grower

__all__ = ["gather", "gather_elements", "gather_nd", "scatter"]


def gather(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0)
    axis = g.random.randrange(g.array(x).ndim)
    n = g.shape(x)[axis]
    if g.random.randint(0, 1):
        indices = g.pick(lambda a: a.dtype.kind == "i" and a.size < 2000)
        indices = g.add("Mod", indices, g.constant(np.array(n, g.array(indices).dtype)))
    else:
        shape = g.random.choice([(), (3,), (n + 2,), (2, 2)])
        indices = g.constant(g.rng.integers(-n, n, shape))
    g.add("Gather", x, indices, exact=True, axis=axis)


def gather_elements(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size < 5000)
    axis = g.random.randrange(g.array(x).ndim)
    shape = list(g.shape(x))
    shape[axis] = g.random.choice([1, 2, shape[axis]])
    indices = g.constant(g.rng.integers(0, g.shape(x)[axis], shape))
    g.add("GatherElements", x, indices, exact=True, axis=axis)


def gather_nd(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 1)
    depth = g.random.randint(1, g.array(x).ndim)
    highs = g.shape(x)[:depth]
    indices = np.stack([g.rng.integers(0, n, (5,)) for n in highs], axis=-1)
    g.add("GatherND", x, g.constant(indices), exact=True)


def scatter(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0 and a.size < 5000)
    shape = g.shape(x)
    if g.random.randint(0, 1):
        axis = g.random.randrange(len(shape))
        updates = list(shape)
        updates[axis] = g.random.choice([1, min(3, shape[axis])])
        reduction = g.random.choice(["none", "add", "max", "min", "mul"])
        lanes = g.rng.integers(0, shape[axis], updates)
        if reduction == "none":  # each place once
            lanes = np.argsort(g.rng.random(shape), axis=axis).take(range(updates[axis]), axis=axis)
        g.add(
            "ScatterElements", x, g.constant(lanes), g.weights(*updates),
            axis=axis, reduction=reduction,
        )  # fmt: skip
        return
    count = g.random.choice([1, 4, 9])
    reduction = g.random.choice(["add", "max", "min", "mul"])
    indices = g.rng.integers(0, shape[0], (count, 1))
    g.add("ScatterND", x, g.constant(indices), g.weights(count, *shape[1:]), reduction=reduction)
