"""RoiAlign and MaxRoiPool: pooling over rectangles that are data."""

from __future__ import annotations

import math

import numpy as np

from pybuild.onnx.expr import (
    TRUE,
    Expr,
    cast,
    clamp_index,
    const,
    logical_and,
    logical_or,
    maximum,
    minimum,
    select,
    unary,
)
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.sampling import Tap, between, interpolated

__all__: list[str] = []

_LOWEST = float(np.finfo(np.float32).min)


class _Bins:
    """Bins of the rectangles along one axis: where they start, how many samples they take."""

    def __init__(self, context: Context, node: Node, axis: int) -> None:
        attributes = node.attributes
        self.rois, self.axis, self.n = (
            context.tensor(node, 1),
            axis,
            context.info(node).shape[2 + axis],
        )
        self.count = int(attributes.get(("output_height", "output_width")[axis], 1))
        self.scale = float(attributes.get("spatial_scale", 1.0))
        default = "half_pixel" if node.opset >= 16 else "output_half_pixel"
        transform = attributes.get("coordinate_transformation_mode", default)
        self.half_pixel = transform == "half_pixel"
        self.fixed = int(attributes.get("sampling_ratio", 0))
        self.most = self.fixed or self._most(context.graph.constants.get(node.inputs[1]))

    def _most(self, rois: np.ndarray | None) -> int:
        if rois is None or rois.size == 0:
            return -(-self.n // self.count) + 1
        sides = (rois[:, 3 - self.axis] - rois[:, 1 - self.axis]) * self.scale
        longest = float(sides.max()) if self.half_pixel else max(float(sides.max()), 1.0)
        return max(math.ceil(longest / self.count), 1)

    def start(self, r: Expr) -> Expr:
        """First coordinate of a rectangle."""
        return self.rois[r, 1 - self.axis] * self.scale - (0.5 if self.half_pixel else 0.0)

    def side(self, r: Expr) -> Expr:
        """Length of a bin of a rectangle."""
        side = (self.rois[r, 3 - self.axis] - self.rois[r, 1 - self.axis]) * self.scale
        if not self.half_pixel:
            side = maximum(side, const(1, "f32"))
        return side / self.count

    def samples(self, r: Expr) -> Expr:
        """How many samples a bin takes along this axis, an i32."""
        if self.fixed:
            return const(self.fixed, "i32")
        # a quotient of a GPU may lie a few ulp above the whole number that it should be
        whole = unary("ceil", self.side(r) * (1 - 1e-6))
        return clamp_index(cast(whole, "i32"), self.most + 1)

    def taps(self, r: Expr, bin_: Expr, sample: Expr) -> tuple[list[Tap], Expr]:
        """Taps of one sample, and whether it lies on the image and is one of the bin's."""
        side, samples = self.side(r), self.samples(r)
        step = (cast(sample, "f32") + 0.5) / cast(samples, "f32")
        x = self.start(r) + (cast(bin_, "f32") + step) * side
        counts = logical_and(x >= -1.0, x <= float(self.n), sample < samples)
        x = minimum(maximum(x, const(0, "f32")), const(self.n - 1, "f32"))
        floor, fraction = between(x)
        low, high = clamp_index(floor, self.n), clamp_index(floor + 1, self.n)
        return [Tap(low, 1.0 - fraction, TRUE), Tap(high, fraction, TRUE)], counts


@lowers(
    "RoiAlign",
    since=10,
    limits="with sampling_ratio 0 and rois from run time, a side longer than the image is sampled "
    "as often as the image's would be",
)
def _roi_align(context: Context, node: Node) -> Tensor:
    """Bilinear samples of each bin, averaged or (mode max) the largest weighted corner."""
    x, batches = context.tensor(node, 0), context.tensor(node, 2)
    rows, columns = _Bins(context, node, 0), _Bins(context, node, 1)
    mode = node.attributes.get("mode", "avg").lower()
    if mode not in ("avg", "max"):
        raise Unsupported(f"mode {mode!r}")
    shape = (batches.shape[0], x.shape[1], rows.count, columns.count)

    def body(o: tuple[Expr, ...], s: tuple[Expr, ...]) -> Expr:
        r, c, i, j = o
        b = clamp_index(batches[r], x.shape[0])
        down, on_rows = rows.taps(r, i, s[0])
        across, on_columns = columns.taps(r, j, s[1])
        counts = logical_and(on_rows, on_columns)
        if mode == "avg":
            value = interpolated([down, across], lambda h, w: x[b, c, h, w])
            return select(counts, value, 0.0)
        best: Expr | None = None
        for h in down:
            for w in across:
                assert h.weight is not None
                assert w.weight is not None
                corner = x[b, c, h.place, w.place] * h.weight * w.weight
                best = corner if best is None else maximum(best, corner)
        assert best is not None
        # a sample off the image is 0, one that the bin does not take is nothing
        taken = logical_and(s[0] < rows.samples(r), s[1] < columns.samples(r))
        return select(taken, select(counts, best, 0.0), const(_LOWEST, "f32"))

    pooled = reduce_tensor(
        f"{node.outputs[0]}.pooled",
        shape,
        (rows.most, columns.most),
        "sum" if mode == "avg" else "max",
        body,
    )

    def finish(*o: Expr) -> Expr:
        number = rows.samples(o[0]) * columns.samples(o[0])
        if mode == "max":
            return select(number.equals(0), 0.0, pooled[o])
        return pooled[o] / cast(maximum(number, const(1, "i32")), "f32")

    return map_tensor(node.outputs[0], shape, finish)


@lowers("MaxRoiPool", limits="reads the whole image for each element of the output")
def _max_roi_pool(context: Context, node: Node) -> Tensor:
    """Bins of whole elements, with corners rounded; an empty bin gives 0."""
    x, rois = context.tensor(node, 0), context.tensor(node, 1)
    pooled_shape = [int(n) for n in node.attributes["pooled_shape"]]
    scale = float(node.attributes.get("spatial_scale", 1.0))

    def corner(r: Expr, column: int) -> Expr:
        place = rois[r, column] * scale
        half_up = unary("floor", unary("abs", place) + 0.5)
        return cast(select(place < 0.0, -half_up, half_up), "i32")

    def bounds(r: Expr, bin_: Expr, axis: int) -> tuple[Expr, Expr]:
        first, n, count = corner(r, 2 - axis), x.shape[2 + axis], pooled_shape[axis]
        side = maximum(corner(r, 4 - axis) - first + 1, const(1, "i32"))
        low, high = bin_ * side // count, ((bin_ + 1) * side + (count - 1)) // count
        return clamp_index(low + first, n + 1), clamp_index(high + first, n + 1)

    def body(o: tuple[Expr, ...], s: tuple[Expr, ...]) -> Expr:
        r, c, *bins = o
        guards: list[Expr] = []
        for axis in range(2):
            low, high = bounds(r, bins[axis], axis)
            guards += [s[axis] >= low, s[axis] < high]
        b = clamp_index(cast(rois[r, 0], "i32"), x.shape[0])
        return select(logical_and(*guards), x[b, c, s[0], s[1]], const(_LOWEST, "f32"))

    shape = (rois.shape[0], x.shape[1], *pooled_shape)
    pooled = reduce_tensor(f"{node.outputs[0]}.pooled", shape, x.shape[2:], "max", body)

    def finish(r: Expr, c: Expr, *bins: Expr) -> Expr:
        empty = [high <= low for low, high in (bounds(r, bins[axis], axis) for axis in range(2))]
        return select(logical_or(*empty), 0.0, pooled[r, c, bins[0], bins[1]])

    return map_tensor(node.outputs[0], shape, finish)
