"""Losses of classification: the negative log likelihood of the labelled class."""

from __future__ import annotations

from pybuild.onnx.expr import Expr, as_expr, clamp_index, const, select
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.reductions import reduce_axes
from pybuild.onnx.ops.softmax import log_softmax


def _negative_log_likelihood(
    node: Node, scores: Tensor, labels: Tensor, weights: Tensor | None
) -> Tensor:
    """Loss of scores (N, C, d...) at labels (N, d...), reduced as the node asks."""
    name, reduction = node.outputs[0], node.attributes.get("reduction", "mean")
    ignored = node.attributes.get("ignore_index")
    if reduction not in ("none", "sum", "mean"):
        raise Unsupported(f"reduction={reduction!r} is not known")

    def weight(*index: Expr) -> Expr:
        label = labels[index]
        value = const(1.0, "f32")
        if weights is not None:
            value = weights[clamp_index(label, weights.shape[0])]
        return value if ignored is None else select(label.equals(int(ignored)), 0.0, value)

    def loss(*index: Expr) -> Expr:
        place = clamp_index(labels[index], scores.shape[1])
        likelihood = scores[(index[0], place, *index[1:])]
        if ignored is not None:
            likelihood = select(labels[index].equals(int(ignored)), 0.0, likelihood)
        return -likelihood * weight(*index)

    if reduction == "none":
        return map_tensor(name, labels.shape, loss)
    axes = range(len(labels.shape))
    label = name if reduction == "sum" else f"{name}.sum"
    total = reduce_axes(label, labels.shape, axes, "sum", lambda i: loss(*i), keepdims=False)
    if reduction == "sum":
        return total
    if weights is None and ignored is None:
        return map_tensor(name, (), lambda: total[()] / as_expr(float(labels.size), "f32"))
    shares = reduce_axes(
        f"{name}.weights", labels.shape, axes, "sum", lambda i: weight(*i), keepdims=False
    )
    return map_tensor(name, (), lambda: total[()] / shares[()])


@lowers("NegativeLogLikelihoodLoss", since=12)
def _nll(context: Context, node: Node) -> Tensor:
    """NegativeLogLikelihoodLoss: the input holds log probabilities."""
    scores, labels = context.tensor(node, 0), context.tensor(node, 1)
    return _negative_log_likelihood(node, scores, labels, context.optional(node, 2))


@lowers("SoftmaxCrossEntropyLoss", since=12)
def _softmax_cross_entropy(context: Context, node: Node) -> tuple[Tensor, Tensor]:
    """SoftmaxCrossEntropyLoss: as the above of LogSoftmax, which is the second output."""
    scores, labels = context.tensor(node, 0), context.tensor(node, 1)
    logarithms = log_softmax(f"{node.outputs[0]}.log_probability", scores, (1,))
    loss = _negative_log_likelihood(node, logarithms, labels, context.optional(node, 2))
    return loss, logarithms
