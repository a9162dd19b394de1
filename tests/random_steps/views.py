"""Steps of a random network that move elements: reshapes, slices, joins, pads, resizes."""

from __future__ import annotations

import numpy as np

from tests.random_steps.grower import Array, Grower, Unfit

__all__ = [
    "axes",
    "concat",
    "expand",
    "pad",
    "pixels",
    "reshape",
    "slice_part",
    "split",
    "tile",
    "transpose",
]


def any_of(g: Grower) -> str:
    return g.pick(lambda _: True)


def reshape(g: Grower) -> None:
    x = any_of(g)
    primes, left = [], g.array(x).size
    for factor in (2, 3, 5, 7, 11, 13):
        while left % factor == 0 and left:
            primes.append(factor)
            left //= factor
    primes.append(max(left, 1))
    g.random.shuffle(primes)
    shape = [1] * g.random.randint(1, 5)
    for factor in primes:
        shape[g.random.randrange(len(shape))] *= factor
    if g.random.randint(0, 2) == 0:
        shape[g.random.randrange(len(shape))] = -1
    g.add("Reshape", x, g.ints(*shape), exact=True)


def transpose(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 1)
    axes = list(range(g.array(x).ndim))
    g.random.shuffle(axes)
    g.add("Transpose", x, exact=True, perm=axes)


def slice_part(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size > 1)
    axis = g.random.randrange(g.array(x).ndim)
    n = g.shape(x)[axis]
    begin = g.random.randint(0, n - 1)
    end = g.random.randint(begin + 1, n)
    step = g.random.choice([1, 1, 2, 3])
    if g.random.randint(0, 3) == 0:
        begin, end, step = end - 1, begin - 1 - n if begin == 0 else begin - 1, -step
    g.add("Slice", x, g.ints(begin), g.ints(end), g.ints(axis), g.ints(step), exact=True)


def concat(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0)
    shape, dtype = g.shape(x), g.array(x).dtype
    axis = g.random.randrange(len(shape))

    def fits(a: Array) -> bool:
        rest = [k for k in range(len(shape)) if k != axis]
        return (
            a.dtype == dtype and a.ndim == len(shape) and all(a.shape[k] == shape[k] for k in rest)
        )

    parts = [x] + [g.pick(fits) for _ in range(g.random.randint(1, 4))]
    if dtype == np.float32 and g.random.randint(0, 2) == 0:
        extra = [2 if k == axis else n for k, n in enumerate(shape)]
        parts.append(g.weights(*extra))
    g.random.shuffle(parts)
    g.add("Concat", *parts, exact=True, axis=axis)


def pad(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0 and a.size < 5000)
    n = g.array(x).ndim
    mode = g.random.choice(["constant", "constant", "reflect", "edge", "wrap"])
    most = min(2, min(g.shape(x)) - 1) if mode != "constant" else 2
    pads = [g.random.randint(-1 if mode == "constant" else 0, max(most, 0)) for _ in range(2 * n)]
    extra = [g.constant(np.array(0.25, np.float32))] * (mode == "constant")
    g.add("Pad", x, g.ints(*pads), *extra, exact=True, mode=mode)


def split(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size > 1)
    axis = g.random.randrange(g.array(x).ndim)
    n = g.shape(x)[axis]
    if n < 2:
        raise Unfit
    cuts = sorted({g.random.randint(1, n - 1) for _ in range(g.random.randint(1, 3))})
    sizes = np.diff([0, *cuts, n])
    g.add("Split", x, g.ints(*map(int, sizes)), count=len(sizes), exact=True, axis=axis)


def expand(g: Grower) -> None:
    x = g.pick(lambda a: 1 in a.shape or a.size < 100)
    shape = [n if n > 1 else g.random.choice([1, 2, 5]) for n in g.shape(x)]
    if g.random.randint(0, 1):
        shape = [g.random.choice([1, 3]), *shape]
    g.add("Expand", x, g.ints(*shape), exact=True)


def tile(g: Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size < 3000)
    repeats = [g.random.choice([1, 1, 2, 3]) for _ in g.shape(x)]
    g.add("Tile", x, g.ints(*repeats), exact=True)


def axes(g: Grower) -> None:
    x = any_of(g)
    if g.random.randint(0, 1):
        n = g.array(x).ndim
        if n > 4:
            raise Unfit
        g.add("Unsqueeze", x, g.ints(g.random.randint(0, n)), exact=True)
    elif 1 in g.shape(x):
        g.add("Squeeze", x, g.ints(g.shape(x).index(1)), exact=True)
    else:
        g.add("Flatten", x, exact=True, axis=g.random.randint(0, g.array(x).ndim))


def pixels(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim == 4 and a.size < 4000)
    kind = g.random.choice(["depth", "space", "nearest", "linear"])
    if kind == "depth":
        g.add("DepthToSpace", x, exact=True, blocksize=2, mode=g.random.choice(["DCR", "CRD"]))
    elif kind == "space":
        g.add("SpaceToDepth", x, exact=True, blocksize=2)
    else:
        scales = g.constant(np.array([1, 1, 2, g.random.choice([2, 1.5])], np.float32))
        mode = "asymmetric" if kind == "nearest" else "half_pixel"
        extra = {"nearest_mode": "floor"} if kind == "nearest" else {}
        g.add("Resize", x, "", scales, mode=kind, coordinate_transformation_mode=mode, **extra)
