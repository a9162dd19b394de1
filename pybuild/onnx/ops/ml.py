"""Operators of ai.onnx.ml that are maps, look-ups or linear: preprocessing and linear models."""

from __future__ import annotations

import math

import numpy as np

from pybuild.onnx.expr import Expr, call, cast, clamp_index, const, select, unary
from pybuild.onnx.graph import Node
from pybuild.onnx.ir import Tensor, constant, map_tensor, reduce_tensor
from pybuild.onnx.lower import Context, Unsupported, lowers
from pybuild.onnx.ops.activations import sigmoid
from pybuild.onnx.ops.elementwise import broadcast_load, elementwise
from pybuild.onnx.ops.reductions import arg_best, reduce_axes
from pybuild.onnx.ops.softmax import softmax

__all__ = ["transformed"]

_ML = "ai.onnx.ml"
_STRINGS = "strings"


def _row(node: Node, key: str, default: float) -> Tensor:
    """A list of floats of the node as a constant: one for all features, or one a feature."""
    values = np.asarray(node.attributes.get(key, [default]), np.float32)
    return constant(f"{node.name}.{key}", values, "f32")


@lowers("Binarizer", domain=_ML)
def _binarizer(context: Context, node: Node) -> Tensor:
    """Binarizer: 1 above the threshold, else 0."""
    threshold = float(node.attributes.get("threshold", 0.0))
    x = context.tensor(node, 0)
    one, zero = const(1, x.type), const(0, x.type)
    return elementwise(node.outputs[0], lambda v: select(cast(v, "f32") > threshold, one, zero), x)


@lowers("Scaler", domain=_ML)
def _scaler(context: Context, node: Node) -> Tensor:
    """Scaler: ``(x - offset) * scale``."""
    offset, scale = _row(node, "offset", 0.0), _row(node, "scale", 1.0)
    return elementwise(
        node.outputs[0],
        lambda v, o, s: (cast(v, "f32") - o) * s,
        context.tensor(node, 0),
        offset,
        scale,
    )


@lowers("Imputer", domain=_ML)
def _imputer(context: Context, node: Node) -> Tensor:
    """Imputer: one value, which may be nan, is replaced by feature."""
    x = context.tensor(node, 0)
    kind = "floats" if x.type == "f32" else "int64s"
    values = np.asarray(node.attributes[f"imputed_value_{kind}"])
    key = "replaced_value_float" if x.type == "f32" else "replaced_value_int64"
    old = node.attributes.get(key, 0)
    new = constant(f"{node.name}.imputed", values, x.type)

    def body(v: Expr, replacement: Expr) -> Expr:
        missing = call("is_nan", v, type_="bool") if math.isnan(old) else v.equals(old)
        return select(missing, replacement, v)

    return elementwise(node.outputs[0], body, x, new)


@lowers("Normalizer", domain=_ML)
def _normalizer(context: Context, node: Node) -> Tensor:
    """Normalizer: rows by their largest element, their 1-norm or their 2-norm."""
    x, name = context.tensor(node, 0), node.outputs[0]
    kind, axes = node.attributes.get("norm", "MAX"), (len(x.shape) - 1,)

    def element(index: tuple[Expr, ...]) -> Expr:
        v = cast(x[index], "f32")
        return v if kind == "MAX" else unary("abs", v) if kind == "L1" else v * v

    if kind not in ("MAX", "L1", "L2"):
        raise Unsupported(f"norm={kind!r} is not known")
    total = reduce_axes(f"{name}.norm", x.shape, axes, "max" if kind == "MAX" else "sum", element)

    def body(*index: Expr) -> Expr:
        v, norm = cast(x[index], "f32"), broadcast_load(total, index)
        return select(norm.equals(0.0), v, v / (unary("sqrt", norm) if kind == "L2" else norm))

    return map_tensor(name, x.shape, body)


@lowers("FeatureVectorizer", domain=_ML)
def _feature_vectorizer(context: Context, node: Node) -> Tensor:
    """FeatureVectorizer: columns side by side, as floats."""
    tensors = [context.tensor(node, k) for k in range(len(node.inputs))]
    widths = [int(n) for n in node.attributes.get("inputdimensions", [])]
    widths = widths or [t.shape[-1] for t in tensors]
    rows = tensors[0].shape[0] if len(tensors[0].shape) > 1 else 1

    def body(i: Expr, j: Expr) -> Expr:
        value, start = const(0.0, "f32"), sum(widths)
        for tensor, width in zip(reversed(tensors), reversed(widths), strict=True):
            start -= width
            place = (i, j - start) if len(tensor.shape) > 1 else (j - start,)
            value = select(j < start + width, cast(tensor[place], "f32"), value)
        return value

    return map_tensor(node.outputs[0], (rows, sum(widths)), body)


@lowers("OneHotEncoder", limits="no strings, no failure for an unknown category", domain=_ML)
def _one_hot_encoder(context: Context, node: Node) -> Tensor:
    """OneHotEncoder: an axis more, with 1 at the category."""
    if "cats_int64s" not in node.attributes:
        raise Unsupported(_STRINGS)
    categories = np.asarray(node.attributes["cats_int64s"], np.int64)
    x, table = context.tensor(node, 0), constant(f"{node.name}.categories", categories, "i32")

    def body(*index: Expr) -> Expr:
        return cast(cast(x[index[:-1]], "i32").equals(table[index[-1]]), "f32")

    return map_tensor(node.outputs[0], (*x.shape, len(categories)), body)


# ------------------------------------------------------------------------------------ linear models


def transformed(name: str, scores: Tensor, kind: str) -> Tensor:
    """Scores (N, E) after ``post_transform``: NONE, LOGISTIC, SOFTMAX or SOFTMAX_ZERO."""
    if kind == "NONE":
        return elementwise(name, lambda v: v, scores)
    if kind == "LOGISTIC":
        return elementwise(name, sigmoid, scores)
    if kind == "SOFTMAX":
        return softmax(name, scores, (1,))
    raise Unsupported(f"post_transform={kind!r}")


def _scores(context: Context, node: Node, count: int) -> Tensor:
    """``x @ coefficients.T + intercepts``."""
    x, name = context.tensor(node, 0), node.outputs[0]
    if len(x.shape) == 1:
        row = x
        x = map_tensor(f"{name}.row", (1, row.shape[0]), lambda _, j: row[j])
    rows, features = x.shape
    weights = np.asarray(node.attributes["coefficients"], np.float32)
    if weights.size != count * features:
        raise Unsupported(f"{weights.size} coefficients for {count} scores of {features} features")
    table = constant(f"{name}.coefficients", weights.reshape(count, features), "f32")
    offset = _row(node, "intercepts", 0.0)

    def body(o: tuple[Expr, ...], r: tuple[Expr, ...]) -> Expr:
        return cast(x[o[0], r[0]], "f32") * table[o[1], r[0]]

    product = reduce_tensor(f"{name}.product", (rows, count), (features,), "sum", body)
    return elementwise(f"{name}.scores", lambda v, b: v + b, product, offset)


@lowers("LinearRegressor", limits="no post_transform SOFTMAX_ZERO or PROBIT", domain=_ML)
def _linear_regressor(context: Context, node: Node) -> Tensor:
    """LinearRegressor: a product, and perhaps a transformation."""
    scores = _scores(context, node, int(node.attributes.get("targets", 1)))
    return transformed(node.outputs[0], scores, node.attributes.get("post_transform", "NONE"))


@lowers(
    "LinearClassifier",
    limits="no strings, no single row for two classes, no SOFTMAX_ZERO or PROBIT",
    domain=_ML,
)
def _linear_classifier(context: Context, node: Node) -> tuple[Tensor, Tensor]:
    """LinearClassifier: the label of the largest score, and the scores."""
    labels = node.attributes.get("classlabels_ints")
    if not labels:
        raise Unsupported(_STRINGS)
    scores = _scores(context, node, len(labels))
    table = constant(f"{node.name}.labels", np.asarray(labels, np.int64), "i32")
    best = arg_best(f"{node.outputs[0]}.best", scores, 1, largest=True, keepdims=False)
    label = map_tensor(
        node.outputs[0], best.shape, lambda i: table[clamp_index(best[i], len(labels))]
    )
    kind = node.attributes.get("post_transform", "NONE")
    return label, transformed(f"{node.outputs[0]}.transformed", scores, kind)
