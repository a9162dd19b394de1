"""Resize and Upsample: weighted taps along each axis that changes size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pybuild.onnx.expr import Expr, cast, clamp_index, const, logical_and, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import elementwise
from pybuild.onnx.ops.integers import saturate
from pybuild.onnx.ops.resampling import (
    Taps,
    axis_taps,
    coordinates,
    phase_formula,
    place_formula,
)
from pybuild.onnx.ops.views import axis_of, empty, replaced

__all__: list[str] = []

_UNROLLED = 16
"""Most taps of one body: bicubic's. More go axis by axis."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """How one axis is read.

    Attributes
    ----------
    taps : int
        Number of taps.
    place, weight : function
        Output index -> place of the first tap; and tap -> weight (of a nearest one, None).
    """

    axis: int
    n_in: int
    n_out: int
    taps: int
    place: Callable[[Expr], Expr]
    weight: Callable[[Expr, Expr | int], Expr] | None


def _axis(name: str, axis: int, n_in: int, scale: float, taps: Taps, x: np.ndarray | None) -> _Axis:
    n_out, count = len(taps.first), taps.weights.shape[1]
    found = place_formula(taps.first, n_in, scale)
    if taps.nearest:
        # where clamping at build leaves a formula, the reader need not clamp
        found = place_formula(np.clip(taps.first, 0, n_in - 1), n_in, scale) or found
    if found is None:
        table = constant(f"{name}.place{axis}", taps.first, "i32")
        found = table.__getitem__
    place = found
    if taps.nearest:
        return _Axis(axis, n_in, n_out, 1, place, None)
    phase = None if x is None else phase_formula(x, n_in, scale)
    if phase is not None and count == 2:
        read = phase

        def between(i: Expr, tap: Expr | int) -> Expr:
            fraction = read(i)[1]
            return fraction if tap == 1 else 1.0 - fraction

        return _Axis(axis, n_in, n_out, 2, lambda i: read(i)[0], between)
    weights = constant(f"{name}.weight{axis}", taps.weights, "f32")
    return _Axis(axis, n_in, n_out, count, place, lambda i, tap: weights[i, tap])


def _pass(name: str, x: Tensor, axes: Sequence[_Axis]) -> Tensor:
    """Resize some axes at once."""
    sizes = {axis.axis: axis.n_out for axis in axes}
    shape = [sizes.get(k, n) for k, n in enumerate(x.shape)]

    def term(i: tuple[Expr, ...], taps: Sequence[Expr | int]) -> Expr:
        index, weight = i, None
        for axis, tap in zip(axes, taps, strict=True):
            place = axis.place(i[axis.axis]) + tap
            index = replaced(index, axis.axis, clamp_index(place, axis.n_in))
            if axis.weight is not None:
                factor = axis.weight(i[axis.axis], tap)
                weight = factor if weight is None else weight * factor
        return x[index] if weight is None else x[index] * weight

    counts = [axis.taps for axis in axes]
    if math.prod(counts) > _UNROLLED:
        return reduce_tensor(name, shape, counts, "sum", lambda o, r: term(o, r))

    def body(*i: Expr) -> Expr:
        total: Expr | None = None
        for taps in itertools.product(*(range(count) for count in counts)):
            value = term(i, taps)
            total = value if total is None else total + value
        assert total is not None
        return total

    return map_tensor(name, shape, body)


def _passes(axes: Sequence[_Axis]) -> list[list[_Axis]]:
    """Axes that go together; those that shrink most go first."""
    groups: list[list[_Axis]] = []
    for axis in sorted(axes, key=lambda a: a.n_out / a.n_in):
        if groups and axis.taps * math.prod(a.taps for a in groups[-1]) <= _UNROLLED:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return groups


@dataclass(frozen=True, slots=True)
class _Request:
    """What a node asks of one axis.

    Attributes
    ----------
    width : float
        ``scale`` times the extent, before it is made whole.
    """

    axis: int
    scale: float
    width: float
    roi: tuple[float, float]


def _resample(context: Context, node: Node, requests: Sequence[_Request], **how: str) -> Tensor:
    source, name = context.tensor(node, 0), node.outputs[0]
    shape = context.result(node).shape
    if source.size == 0 or math.prod(shape) == 0:
        return empty(name, shape, source.type)
    mode, transform = how["mode"], how["transform"]
    if mode not in ("nearest", "linear", "cubic"):
        raise Unsupported(f"mode {mode!r}")
    attributes = node.attributes
    axes: list[_Axis] = []
    guards: dict[int, range] = {}
    for request in requests:
        n_in, n_out = source.shape[request.axis], shape[request.axis]
        try:
            x = coordinates(transform, n_in, n_out, request.scale, request.width, request.roi)
        except ValueError as error:
            raise Unsupported(str(error)) from None
        rounding = how["rounding"]
        if rounding == "simple":
            rounding = "ceil" if request.scale < 1 else "floor"
        taps = axis_taps(
            mode,
            x,
            n_in,
            request.scale,
            rounding=rounding,
            cubic=float(attributes.get("cubic_coeff_a", -0.75)),
            antialias=bool(attributes.get("antialias", 0)),
            exclude_outside=bool(attributes.get("exclude_outside", 0)),
            crop=transform == "tf_crop_and_resize",
        )
        if len(taps.inside) < n_out:
            guards[request.axis] = taps.inside
        if taps.nearest and n_in == n_out:
            places = np.clip(taps.first, 0, n_in - 1)
            if np.array_equal(places, np.arange(n_in)):
                continue
        plain = mode == "linear" and not (attributes.get("antialias", 0) and request.scale < 1)
        axes.append(_axis(name, request.axis, n_in, request.scale, taps, x if plain else None))
    exact = all(axis.weight is None for axis in axes)
    value = source if exact else _as_float(f"{name}.f32", source)
    groups = _passes(axes)
    whole = exact or source.type == "f32"
    for k, group in enumerate(groups):
        last = k == len(groups) - 1 and not guards and whole
        value = _pass(name if last else f"{name}.pass{k}", value, group)
    if not whole:
        dtype = context.info(node).dtype
        rounded = f"{name}.rounded" if guards else name
        value = elementwise(rounded, lambda v: saturate(unary("round", v), dtype), value)
    if guards:
        return _extrapolated(name, value, guards, float(attributes.get("extrapolation_value", 0.0)))
    return value if groups else map_tensor(name, shape, lambda *i: source[i])


def _as_float(name: str, x: Tensor) -> Tensor:
    return x if x.type == "f32" else elementwise(name, lambda v: cast(v, "f32"), x)


def _extrapolated(name: str, x: Tensor, inside: dict[int, range], fill: float) -> Tensor:
    def body(*i: Expr) -> Expr:
        within = [i[axis] >= kept.start for axis, kept in inside.items()]
        within += [i[axis] < kept.stop for axis, kept in inside.items()]
        return select(logical_and(*within), x[i], const(fill, x.type))

    return map_tensor(name, x.shape, body)


@lowers("Upsample", since=7, limits="scales known at build")
def _upsample(context: Context, node: Node) -> Tensor:
    """Asymmetric coordinates, rounded down; ``scales`` is an attribute before opset 9."""
    given = node.attributes.get("scales")
    scales = context.array(node, 1).tolist() if given is None else given
    return _old_resize(context, node, scales)


def _old_resize(context: Context, node: Node, scales: Sequence[float]) -> Tensor:
    mode = node.attributes.get("mode", "nearest")
    pairs = enumerate(zip(scales, context.info(node).shape, strict=True))
    requests = [_Request(axis, scale, scale * n, (0.0, 1.0)) for axis, (scale, n) in pairs]
    return _resample(context, node, requests, mode=mode, transform="asymmetric", rounding="simple")


@lowers(
    "Resize",
    since=10,
    limits="scales, roi, and with keep_aspect_ratio_policy sizes, known at build",
)
def _resize(context: Context, node: Node) -> Tensor:
    """Opset 10 is Upsample's; 11 brings roi, sizes and modes; 18 axes, antialias and policies."""
    if node.opset < 11:
        return _old_resize(context, node, context.array(node, 1).tolist())
    x_shape, shape = context.info(node).shape, context.result(node).shape
    rank, attributes = len(x_shape), node.attributes
    axes = [axis_of(int(axis), rank) for axis in attributes.get("axes", range(rank))]
    has_scales = len(node.inputs) > 2 and bool(node.inputs[2])
    if has_scales and 0 not in context.info(node, 2).shape:
        scales = [float(scale) for scale in context.array(node, 2)]
        widths = [scale * x_shape[axis] for axis, scale in zip(axes, scales, strict=True)]
    else:
        scales = [shape[axis] / max(x_shape[axis], 1) for axis in axes]
        widths = [float(shape[axis]) for axis in axes]
        policy = attributes.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            pairs = zip(axes, context.array(node, 3).tolist(), strict=True)
            wanted = [size / max(x_shape[axis], 1) for axis, size in pairs]
            scales = [min(wanted) if policy == "not_larger" else max(wanted)] * len(axes)
            widths = [scale * x_shape[axis] for axis, scale in zip(axes, scales, strict=True)]
    transform = attributes.get("coordinate_transformation_mode", "half_pixel")
    rois = [(0.0, 1.0)] * len(axes)
    if transform == "tf_crop_and_resize":
        roi = context.array(node, 1).astype(np.float64).tolist()
        rois = list(zip(roi[: len(axes)], roi[len(axes) :], strict=True))
    requests = [_Request(*request) for request in zip(axes, scales, widths, rois, strict=True)]
    return _resample(
        context,
        node,
        requests,
        mode=attributes.get("mode", "nearest"),
        transform=transform,
        rounding=attributes.get("nearest_mode", "round_prefer_floor"),
    )
