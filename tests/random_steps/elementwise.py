"""Steps of a random network: elementwise operators, conversions, choices."""

from __future__ import annotations

import numpy as np
import onnx

from tests.random_steps.grower import MOST_ELEMENTS, Array, Grower, Unfit

__all__ = ["binary", "compare", "convert", "integers", "logic", "positive", "unary", "where"]


def unary(g: Grower) -> None:
    x = g.pick()
    op, attributes = g.random.choice([
        *[(op, {}) for op in ("Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Erf", "HardSwish", "Exp")],
        *[(op, {}) for op in ("Sin", "Cos", "Softplus", "Softsign", "HardSigmoid", "Mish")],
        ("LeakyRelu", {"alpha": 0.1}),
        ("Elu", {}),
        ("Gelu", {"approximate": g.random.choice(["none", "tanh"])}),
    ])  # fmt: skip
    g.add(op, x, exact=op in ("Relu", "Abs", "Neg"), **attributes)


def positive(g: Grower) -> None:
    """Roots, logarithms and quotients of what is safely above 0."""
    x = g.add("Abs", g.pick(), exact=True)
    x = g.add("Add", x, g.constant(np.array(0.4, np.float32)))
    op = g.random.choice(["Sqrt", "Log", "Reciprocal", "Div", "Pow"])
    if op == "Div":
        g.add("Div", partner_of(g, x), x)
    elif op == "Pow":
        g.add("Pow", x, g.constant(np.array(g.random.choice([0.5, 1.7, 2.0, -1.0]), np.float32)))
    else:
        g.add(op, x)


def partner_of(g: Grower, x: str) -> str:
    """Something that broadcasts with a value: another value, its own slices, or a constant."""
    array = g.array(x)

    def fits(other: Array) -> bool:
        if other.dtype != array.dtype:
            return False
        try:
            return bool(np.prod(np.broadcast_shapes(other.shape, array.shape)) <= MOST_ELEMENTS)
        except ValueError:
            return False

    if g.random.randint(0, 2):
        return g.pick(fits)
    shape = [n if g.random.randint(0, 1) else 1 for n in array.shape]
    shape = shape[g.random.randint(0, len(shape)) :]
    if array.dtype == np.float32:
        return g.constant(g.rng.standard_normal(shape).astype(np.float32))
    return g.constant(g.rng.integers(1, 5, shape).astype(array.dtype))


def binary(g: Grower) -> None:
    x = g.pick()
    y = partner_of(g, x)
    op = g.random.choice(["Add", "Sub", "Mul", "Max", "Min", "Add", "Mul", "PRelu"])
    if op == "PRelu":
        if np.broadcast_shapes(g.shape(x), g.shape(y)) != g.shape(x):
            raise Unfit
    elif g.random.randint(0, 1):
        x, y = y, x
    g.add(op, x, y, exact=op in ("Max", "Min"))


def integers(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype.kind == "i")
    y = partner_of(g, x)
    op = g.random.choice(["Add", "Sub", "Mul", "Mod", "Div", "Max", "Min"])
    if op in ("Mod", "Div"):
        y = g.constant(np.array(g.random.choice([1, 2, 3, 4, 7, -3]), g.array(x).dtype))
    g.add(op, x, y, exact=True)


def convert(g: Grower) -> None:
    """Between types, and steps."""
    kind = g.random.choice(["whole", "float", "bool", "floor"])
    if kind in ("whole", "floor"):
        x = g.random.choice([n for n in g.exact if g.array(n).dtype == np.float32] or [""])
        if not x:
            raise Unfit
        x = g.add("Add", x, g.constant(np.array(0.3137 / 8, np.float32)))
        if kind == "floor":
            g.add(g.random.choice(["Floor", "Ceil", "Round", "Sign"]), x, exact=False)
        else:
            to = g.random.choice([onnx.TensorProto.INT64, onnx.TensorProto.INT32])
            g.add("Cast", x, to=to)
        return
    x = g.pick(lambda a: a.dtype.kind in ("ib" if kind == "float" else "i"))
    to = onnx.TensorProto.FLOAT if kind == "float" else onnx.TensorProto.BOOL
    g.add("Cast", x, exact=True, to=to)


def compare(g: Grower) -> None:
    x = g.random.choice([n for n in g.exact if g.array(n).dtype.kind in "fi"])
    edge: Array = np.array(g.random.choice([-0.5137, 0.0637, 0.7]), np.float32)
    op = g.random.choice(["Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
    if g.array(x).dtype.kind == "i":
        op = g.random.choice(["Less", "Equal", "GreaterOrEqual"])
        edge = np.array(g.random.choice([-1, 0, 2]), g.array(x).dtype)
    g.add(op, x, g.constant(edge))


def logic(g: Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.bool_)
    op = g.random.choice(["And", "Or", "Xor", "Not"])
    if op == "Not":
        g.add("Not", x)
        return
    shape = g.shape(x)

    def fits(a: Array) -> bool:
        return a.dtype == np.bool_ and a.shape == shape

    g.add(op, x, g.pick(fits))


def where(g: Grower) -> None:
    condition = g.pick(lambda a: a.dtype == np.bool_)
    shape = g.shape(condition)

    def fits(a: Array) -> bool:
        try:
            both = np.broadcast_shapes(a.shape, shape)
        except ValueError:
            return False
        return a.dtype == np.float32 and bool(np.prod(both) <= MOST_ELEMENTS)

    x = g.pick(fits)
    y = g.pick(fits) if g.random.randint(0, 1) else g.constant(np.array(0.5, np.float32))
    g.add("Where", condition, x, y, exact=True)
