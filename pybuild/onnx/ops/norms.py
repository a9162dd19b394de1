"""Normalisations: mean and variance in two passes (never E[x²] - E[x]²), then one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pybuild.onnx.expr import Expr, as_expr, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor, reshape
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.elementwise import broadcast_load
from pybuild.onnx.ops.reductions import axis_of, mean_axes, normal_axes, reduce_axes

__all__ = ["moments"]


def moments(name: str, x: Tensor, axes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Mean and variance of a tensor along axes, which stay as axes of one."""
    mean = mean_axes(f"{name}.mean", x.shape, axes, lambda i: x[i])

    def squared(index: tuple[Expr, ...]) -> Expr:
        difference = x[index] - broadcast_load(mean, index)
        return difference * difference

    return mean, mean_axes(f"{name}.variance", x.shape, axes, squared)


def _inverse(name: str, variance: Tensor, epsilon: float) -> Tensor:
    return map_tensor(name, variance.shape, lambda *i: unary("inverseSqrt", variance[i] + epsilon))


def _normalise(
    name: str,
    x: Tensor,
    mean: Tensor,
    inverse: Tensor,
    gain: Callable[..., Expr],
    bias: Callable[..., Expr],
) -> Tensor:
    """``(x - mean) * inverse * gain + bias``, the last two by index."""

    def body(*index: Expr) -> Expr:
        centred = x[index] - broadcast_load(mean, index)
        return centred * (broadcast_load(inverse, index) * gain(*index)) + bias(*index)

    return map_tensor(name, x.shape, body)


@lowers("InstanceNormalization")
def _instance(context: Context, node: Node) -> Tensor:
    """InstanceNormalization: over the spatial axes of each sample and channel."""
    x, scale, bias = (context.tensor(node, k) for k in range(3))
    name, axes = node.outputs[0], range(2, len(x.shape))
    mean, variance = moments(name, x, axes)
    inverse = _inverse(f"{name}.inverse", variance, node.attributes.get("epsilon", 1e-5))
    return _normalise(name, x, mean, inverse, lambda *i: scale[i[1]], lambda *i: bias[i[1]])


@lowers("GroupNormalization", since=18)
def _group(context: Context, node: Node) -> Tensor:
    """GroupNormalization: scale and bias are per group in opset 18, per channel since 21."""
    x, scale, bias = (context.tensor(node, k) for k in range(3))
    name, groups = node.outputs[0], int(node.attributes["num_groups"])
    n, channels, *spatial = x.shape
    width = channels // groups
    grouped = reshape(f"{name}.groups", x, (n, groups, width, *spatial))
    mean, variance = moments(name, grouped, range(2, len(grouped.shape)))
    inverse = _inverse(f"{name}.inverse", variance, node.attributes.get("epsilon", 1e-5))
    per_channel = node.opset >= 21

    def parameter(tensor: Tensor) -> Callable[..., Expr]:
        return lambda *i: tensor[i[1] * width + i[2] if per_channel else i[1]]

    normal = _normalise(f"{name}.normal", grouped, mean, inverse, parameter(scale), parameter(bias))
    return reshape(name, normal, x.shape)


@lowers("LayerNormalization", since=17)
def _layer(context: Context, node: Node) -> tuple[Tensor, Tensor, Tensor]:
    """LayerNormalization: over the axes from ``axis`` on; mean and 1 / deviation on request."""
    x, scale, bias = context.tensor(node, 0), context.tensor(node, 1), context.optional(node, 2)
    name = node.outputs[0]
    axes = range(axis_of(node, len(x.shape), -1), len(x.shape))
    mean, variance = moments(name, x, axes)
    inverse = _inverse(f"{name}.inverse", variance, node.attributes.get("epsilon", 1e-5))

    def shift(*index: Expr) -> Expr:
        return as_expr(-0.0, "f32") if bias is None else broadcast_load(bias, index)

    def gain(*index: Expr) -> Expr:
        return broadcast_load(scale, index)

    return _normalise(name, x, mean, inverse, gain, shift), mean, inverse


@lowers("RMSNormalization", since=23)
def _rms(context: Context, node: Node) -> Tensor:
    """RMSNormalization: by the root of the mean square of the axes from ``axis`` on."""
    x, scale, name = context.tensor(node, 0), context.tensor(node, 1), node.outputs[0]
    axes = range(axis_of(node, len(x.shape), -1), len(x.shape))
    square = mean_axes(f"{name}.square", x.shape, axes, lambda i: x[i] * x[i])
    inverse = _inverse(f"{name}.inverse", square, node.attributes.get("epsilon", 1e-5))
    return map_tensor(
        name,
        x.shape,
        lambda *i: x[i] * broadcast_load(inverse, i) * broadcast_load(scale, i),
    )


@lowers("LpNormalization")
def _lp(context: Context, node: Node) -> Tensor:
    """LpNormalization: by the 1- or 2-norm along an axis; a row of zeros stays zeros."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axis, p = axis_of(node, len(x.shape), -1), int(node.attributes.get("p", 2))
    if p not in (1, 2):
        raise Unsupported(f"p={p}; 1 and 2 are known")
    element = (lambda v: unary("abs", v)) if p == 1 else (lambda v: v * v)
    total = reduce_axes(f"{name}.sum", x.shape, (axis,), "sum", lambda i: element(x[i]))
    norm = map_tensor(
        f"{name}.norm", total.shape, lambda *i: total[i] if p == 1 else unary("sqrt", total[i])
    )

    def body(*index: Expr) -> Expr:
        length = broadcast_load(norm, index)
        return select(length > 0.0, x[index] / length, 0.0)

    return map_tensor(name, x.shape, body)


@lowers("MeanVarianceNormalization", since=9)
def _mean_variance(context: Context, node: Node) -> Tensor:
    """MeanVarianceNormalization: ``(x - mean) / (deviation + 1e-9)``, as its function body."""
    x, name = context.tensor(node, 0), node.outputs[0]
    axes = normal_axes(node.attributes.get("axes", (0, 2, 3)), len(x.shape))
    mean, variance = moments(name, x, axes)
    return map_tensor(
        name,
        x.shape,
        lambda *i: (
            (x[i] - broadcast_load(mean, i)) / (unary("sqrt", broadcast_load(variance, i)) + 1e-9)
        ),
    )


@lowers("BatchNormalization", limits="no training before opset 14")
def _batch(context: Context, node: Node) -> Tensor | tuple[Tensor, Tensor, Tensor]:
    """BatchNormalization: one multiplication and addition by channel; training since opset 14."""
    x, scale, bias, mean, variance = (context.tensor(node, k) for k in range(5))
    name, given = node.outputs[0], node.attributes
    epsilon, momentum = given.get("epsilon", 1e-5), given.get("momentum", 0.9)
    if given.get("spatial", 1) != 1:
        raise Unsupported("spatial=0")
    training = bool(given.get("training_mode", 0)) if node.opset >= 14 else False
    if node.opset < 14 and any(node.outputs[1:]):
        raise Unsupported("training before opset 14")
    if not training:
        return _scaled(name, x, scale, bias, mean, variance, epsilon)
    axes = [axis for axis in range(len(x.shape)) if axis != 1]
    current, spread = (reshape(f"{t.name}.row", t, scale.shape) for t in moments(name, x, axes))

    def running(label: str, old: Tensor, new: Tensor) -> Tensor:
        return map_tensor(label, old.shape, lambda c: old[c] * momentum + new[c] * (1.0 - momentum))

    return (
        _scaled(name, x, scale, bias, current, spread, epsilon),
        running(f"{name}.running_mean", mean, current),
        running(f"{name}.running_variance", variance, spread),
    )


def _scaled(
    name: str,
    x: Tensor,
    scale: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> Tensor:
    """``x * factor + offset`` by channel; of constants both are folded at build."""
    factor = map_tensor(
        f"{name}.factor",
        scale.shape,
        lambda c: scale[c] * unary("inverseSqrt", variance[c] + epsilon),
    )
    offset = map_tensor(f"{name}.offset", scale.shape, lambda c: bias[c] - mean[c] * factor[c])
    return map_tensor(
        name,
        x.shape,
        lambda *i: x[i] * factor[_channel(i)] + offset[_channel(i)],
    )


def _channel(index: tuple[Expr, ...]) -> Expr:
    return index[1] if len(index) > 1 else as_expr(0, "i32")
