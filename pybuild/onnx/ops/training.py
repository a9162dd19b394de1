"""Operators of training that are known at inference: Dropout, and the optimisers' steps."""

from __future__ import annotations

from collections.abc import Callable

from pybuild.onnx.expr import TRUE, Expr, call, cast, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, map_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers

_TRAINING = "ai.onnx.preview.training"


@lowers("Dropout", limits="no training with a ratio but 0: the mask is random")
def _dropout(context: Context, node: Node) -> tuple[Tensor, Tensor]:
    """Dropout: passes its input, and drops nothing."""
    x, name = context.tensor(node, 0), node.outputs[0]
    if node.opset >= 12 and context.optional(node, 2) is not None:
        training, ratio = context.array(node, 2), context.optional_array(node, 1)
        if training.item() and (ratio is None or ratio.item() != 0):
            raise Unsupported("training with a ratio that is not 0: the mask is random")
    elif node.opset < 7 and not node.attributes.get("is_test", 0) and len(node.outputs) > 1:
        raise Unsupported("training: the mask is random")
    kept = map_tensor(name, x.shape, lambda *i: x[i])
    mask = TRUE if node.opset >= 10 else const(1, x.type)
    return kept, map_tensor(f"{name}.mask", x.shape, lambda *_: mask)


def _groups(context: Context, node: Node, kinds: int) -> list[list[Tensor]]:
    """The optimised tensors, each with its gradient and its state; first all of one kind."""
    count = (len(node.inputs) - 2) // kinds
    return [[context.tensor(node, 2 + k * count + n) for k in range(kinds)] for n in range(count)]


def _outputs(groups: list[list[Tensor]]) -> tuple[Tensor, ...]:
    return tuple(tensor for kind in zip(*groups, strict=True) for tensor in kind)


def _scalar(tensor: Tensor) -> Expr:
    return cast(tensor[(0,) * len(tensor.shape)], "f32")


def _map(node: Node, label: str, like: Tensor, body: Callable[..., Expr]) -> Tensor:
    return map_tensor(f"{node.outputs[0]}.{like.name}.{label}", like.shape, lambda *i: body(i))


def _gradient(node: Node, x: Tensor, gradient: Tensor) -> Tensor:
    factor = node.attributes.get("norm_coefficient", 0.0)
    return _map(node, "gradient", x, lambda i: x[i] * factor + gradient[i])


@lowers("Adam", domain=_TRAINING)
def _adam(context: Context, node: Node) -> tuple[Tensor, ...]:
    """Adam: bias-corrected moments."""
    given = node.attributes
    alpha, beta = float(given.get("alpha", 0.9)), float(given.get("beta", 0.999))
    epsilon = float(given.get("epsilon", 1e-6))
    post = float(given.get("norm_coefficient_post", 0.0))
    rate, step = _scalar(context.tensor(node, 0)), _scalar(context.tensor(node, 1))
    powers = [1.0 - call("power", const(base, "f32"), step) for base in (alpha, beta)]
    corrected = select(step > 0.0, rate * unary("sqrt", powers[1]) / powers[0], rate)

    def update(x: Tensor, gradient: Tensor, v: Tensor, h: Tensor) -> list[Tensor]:
        g = _gradient(node, x, gradient)
        first = _map(node, "v", x, lambda i: v[i] * alpha + g[i] * (1.0 - alpha))
        second = _map(node, "h", x, lambda i: h[i] * beta + g[i] * g[i] * (1.0 - beta))

        def body(i: tuple[Expr, ...]) -> Expr:
            moved = x[i] - corrected * (first[i] / (unary("sqrt", second[i]) + epsilon))
            return moved * (1.0 - post)

        return [_map(node, "x", x, body), first, second]

    return _outputs([update(*group) for group in _groups(context, node, 4)])


@lowers("Adagrad", domain=_TRAINING)
def _adagrad(context: Context, node: Node) -> tuple[Tensor, ...]:
    """Adagrad: the step shrinks with the sum of squared gradients."""
    given = node.attributes
    decay, epsilon = float(given.get("decay_factor", 0.0)), float(given.get("epsilon", 1e-6))
    rate, step = _scalar(context.tensor(node, 0)), _scalar(context.tensor(node, 1))
    speed = rate / (1.0 + step * decay)

    def update(x: Tensor, gradient: Tensor, h: Tensor) -> list[Tensor]:
        g = _gradient(node, x, gradient)
        total = _map(node, "h", x, lambda i: h[i] + g[i] * g[i])
        new = _map(
            node, "x", x, lambda i: x[i] - speed * g[i] / (unary("sqrt", total[i]) + epsilon)
        )
        return [new, total]

    return _outputs([update(*group) for group in _groups(context, node, 3)])


@lowers("Momentum", domain=_TRAINING)
def _momentum(context: Context, node: Node) -> tuple[Tensor, ...]:
    """Momentum: standard or Nesterov's."""
    alpha, beta = float(node.attributes["alpha"]), float(node.attributes["beta"])
    nesterov = node.attributes["mode"] == "nesterov"
    rate, step = _scalar(context.tensor(node, 0)), _scalar(context.tensor(node, 1))
    adjusted = select(step > 0.0, const(beta, "f32"), 1.0)

    def update(x: Tensor, gradient: Tensor, v: Tensor) -> list[Tensor]:
        g = _gradient(node, x, gradient)
        speed = _map(node, "v", x, lambda i: v[i] * alpha + adjusted * g[i])

        def body(i: tuple[Expr, ...]) -> Expr:
            return x[i] - rate * (g[i] + speed[i] * alpha if nesterov else speed[i])

        return [_map(node, "x", x, body), speed]

    return _outputs([update(*group) for group in _groups(context, node, 3)])
