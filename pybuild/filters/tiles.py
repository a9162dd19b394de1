r"""An image cut into overlapping tiles of one size, and put together again without a seam.

All tiles are one batch, so that they take the dispatches of one. They are spread evenly; where two
overlap, a quarter of the overlap at the edge of either is thrown away, as a network sees nothing
beyond it, and between those the one fades into the other.

::

    tile k    |=================|
    tile k+1              |=================|
    overlap               [     ]
    weight of k   1 1 1 1 1 1 \ 0 0
    weight of k+1         0 0 / 1 1 1 1
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pybuild.filters.pixels import Image
from pybuild.onnx.expr import Expr, Operand, as_expr, clamp_index, select
from pybuild.onnx.ir import constant
from pyengine.errors import InputError

__all__ = ["Axis", "Grid", "axis_of", "grid_of"]

MAX_TILES = 1024
"""Of one image; more would be pieces too small to be of use."""
MARGIN = Fraction(1, 4)
"""Of an overlap, thrown away on either side."""


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Tiles along one axis.

    Attributes
    ----------
    size, tile : int
        Of the image and of a tile, pixels.
    starts : tuple of int
        Of each tile. The last may reach beyond the image.
    ratio : Fraction
        Output pixels an input pixel.
    """

    size: int
    tile: int
    starts: tuple[int, ...]
    ratio: Fraction

    @property
    def output_size(self) -> int:
        """Output pixels, those of a part of one included."""
        return -(-self.size * self.ratio.numerator // self.ratio.denominator)

    def output_start(self, tile: int) -> int:
        """Output pixel at which a tile's output begins."""
        return int(self.starts[tile] * self.ratio)

    def weights(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """For each output pixel the first tile that counts, and the weights from that one on.

        Returns
        -------
        first : (n,) int64
        weights : (n, k) float64
            Each row sums to 1.
        """
        count, span = len(self.starts), int(self.tile * self.ratio)
        middle: NDArray[np.float64] = np.arange(self.output_size, dtype=np.float64) + 0.5
        raw = np.ones((self.output_size, count))
        for k in range(count):
            start = self.output_start(k)
            if k:
                raw[:, k] = np.minimum(raw[:, k], self._fade(k, middle - start))
            if k + 1 < count:
                raw[:, k] = np.minimum(raw[:, k], self._fade(k + 1, start + span - middle))
        raw /= raw.sum(axis=1, keepdims=True)
        first = np.argmax(raw > 0, axis=1)
        last = count - 1 - np.argmax(raw[:, ::-1] > 0, axis=1)
        width = int((last - first).max()) + 1
        first = np.minimum(first, count - width)
        return first, np.take_along_axis(raw, first[:, None] + np.arange(width), axis=1)

    def _fade(self, k: int, inside: NDArray[np.float64]) -> NDArray[np.float64]:
        """From 0 to 1 by the distance from an edge, over the overlap of tiles k - 1 and k."""
        overlap = int(self.tile * self.ratio) - (self.output_start(k) - self.output_start(k - 1))
        margin = float(overlap * MARGIN)
        if overlap == 0:
            return np.where(inside > 0, 1.0, 0.0)
        return np.clip((inside - margin) / (overlap - 2 * margin), 0.0, 1.0)


def axis_of(size: int, tile: int, overlap: int, ratio: Fraction) -> Axis:
    """As few tiles as overlap by so many pixels, spread evenly.

    Raises
    ------
    InputError
        The overlap is negative, or leaves nothing of a tile.
    """
    if not 0 <= overlap < tile:
        raise InputError(
            f"tiles={overlap}: wanted an overlap from 0 to {tile - 1}, for tiles of {tile}"
        )
    step = ratio.denominator
    reach = -(-max(size - tile, 0) // step) * step
    stride = max((tile - overlap) // step * step, step)
    count = 1 + -(-reach // stride)
    starts = tuple(k * reach // max(count - 1, 1) // step * step for k in range(count))
    return Axis(size, tile, starts, ratio)


@dataclass(frozen=True, slots=True)
class Grid:
    """Tiles along both axes; tile 0 is the top left one, and rows follow each other."""

    rows: Axis
    columns: Axis

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.rows.starts) * len(self.columns.starts)

    def cut(self, image: Image, output: bool = False) -> Callable[[Expr], Image]:
        """An image's tiles, by their number; beyond the image is its edge.

        Parameters
        ----------
        output : bool
            The image is as large as the output, and its tiles are too.
        """
        across = len(self.columns.starts)

        def tile(which: Expr) -> Image:
            top = _start(self.rows, which // across, output)
            left = _start(self.columns, which % across, output)

            def at(y: Expr, x: Expr, channel: Operand) -> Expr:
                row, column = clamp_index(y + top, image.height), clamp_index(x + left, image.width)
                return image.at(row, column, channel)

            size = _span(self.rows, output), _span(self.columns, output)
            return Image(*size, at, image.channels)

        return tile

    def joined(self, tile: Callable[[Expr], Image]) -> Image:
        """The image that tiles make together, each faded into its neighbours."""
        rows, columns = _shares("rows", self.rows), _shares("columns", self.columns)
        across = len(self.columns.starts)

        def at(y: Expr, x: Expr, channel: Operand) -> Expr:
            total: Expr | None = None
            for row in range(rows.count):
                for column in range(columns.count):
                    j, top, share_y = rows.at(y, row)
                    i, left, share_x = columns.at(x, column)
                    image = tile(j * across + i)
                    inner = clamp_index(y - top, image.height), clamp_index(x - left, image.width)
                    value = image.at(*inner, channel)
                    if rows.count * columns.count > 1:
                        share = share_y * share_x
                        value = select(share > 0.0, value * share, 0.0)
                    total = value if total is None else total + value
            assert total is not None
            return total

        return Image(self.rows.output_size, self.columns.output_size, at)


def grid_of(
    size: tuple[int, int], tile: tuple[int, int], overlap: int, ratio: tuple[Fraction, Fraction]
) -> Grid:
    """Tiles of an image; sizes are (width, height), ratios along x and y.

    Raises
    ------
    InputError
        The overlap does not fit a tile, or there are too many.
    """
    columns, rows = (axis_of(n, t, overlap, r) for n, t, r in zip(size, tile, ratio, strict=True))
    grid = Grid(rows, columns)
    if grid.count > MAX_TILES:
        raise InputError(
            f"tiles={overlap}: an image of {size[0]}x{size[1]} takes {grid.count} tiles of "
            f"{tile[0]}x{tile[1]}; wanted at most {MAX_TILES}: {_fewer(size, tile, overlap, ratio)}"
        )
    return grid


def _fewer(
    size: tuple[int, int], tile: tuple[int, int], overlap: int, ratio: tuple[Fraction, Fraction]
) -> str:
    """What to do about too many tiles: the nearest overlap, or the nearest size, that has less."""

    def count(image: Iterable[int], shared: int) -> int:
        axes = (axis_of(n, t, shared, r) for n, t, r in zip(image, tile, ratio, strict=True))
        return math.prod(len(axis.starts) for axis in axes)

    for less in range(overlap - 1, -1, -1):
        if count(size, less) <= MAX_TILES:
            return f"let them overlap less: tiles={less}"
    for share in range(99, 0, -1):
        smaller = tuple(max(n * share // 100, 1) for n in size)
        if count(smaller, overlap) <= MAX_TILES:
            return f"make it for a smaller image: size={smaller[0]}x{smaller[1]}"
    return "make it for a smaller image"


def _span(axis: Axis, output: bool) -> int:
    return int(axis.tile * axis.ratio) if output else axis.tile


def _start(axis: Axis, which: Expr, output: bool) -> Expr:
    """Where a tile begins: the arithmetic of `axis_of`."""
    count, step = len(axis.starts), axis.ratio.denominator
    if count == 1:
        return as_expr(0, "i32")
    place = (which * axis.starts[-1]) // (count - 1) // step
    return place * (axis.ratio.numerator if output else step)


@dataclass(frozen=True, slots=True)
class _Shares:
    """Of an output pixel along an axis: its k-th tile, where that begins, and its weight."""

    count: int
    at: Callable[[Expr, int], tuple[Expr, Expr, Expr]]


def _shares(name: str, axis: Axis) -> _Shares:
    first, weights = axis.weights()
    if len(axis.starts) == 1:
        zero = as_expr(0, "i32")
        return _Shares(1, lambda i, k: (zero, zero, as_expr(1.0, "f32")))
    firsts = constant(f"{name}.tile", first, "i32")
    shares = constant(f"{name}.share", weights, "f32")

    def at(i: Expr, k: int) -> tuple[Expr, Expr, Expr]:
        which = firsts[i] + k
        return which, _start(axis, which, output=True), shares[i, k]

    return _Shares(weights.shape[1], at)
