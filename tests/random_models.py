"""Random small networks: ONNX models with inputs and what onnxruntime makes of them.

A model grows node by node. Each node is run by onnxruntime as it is added, so its shape and its
values are known: what is not finite, too large or too long is left out again. Steps (floor, casts,
comparisons) are only put on values that every runtime has to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["RandomModel", "random_model", "reference_values"]

Array = NDArray[Any]

OPSET = 21
IR_VERSION = 10
MOST_ELEMENTS = 40_000
LARGEST = 1e4
"""Beyond it a value is left out: products of products would overflow."""
SHAPES = (
    (7,),
    (64,),
    (3, 5),
    (8, 12),
    (1, 16),
    (2, 3, 4),
    (1, 9, 8),
    (4, 6, 5),
    (1, 3, 8, 8),
    (2, 4, 6, 6),
    (1, 8, 5, 7),
    (1, 2, 3, 4, 4),
    (300, 6),
    (1100, 4),
    (260, 3, 4),
    (2, 300, 8),
    (1, 130, 16),
    (16400, 2),
    (2, 2, 70, 8),
)
"""Of inputs: small ones around the widths of vectors, and many rows of few elements."""


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A model, arrays that go in, and arrays that come out of onnxruntime on the processor."""

    model: onnx.ModelProto
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]


class _Unfit(Exception):
    """A node that is left out."""


def reference_values(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """A model's outputs by onnxruntime, which is kept from rewriting it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    constants: Mapping[str, Array],
    outputs: Mapping[str, Array] | Sequence[str],
) -> onnx.ModelProto:
    def info(name: str, array: Array | None) -> onnx.ValueInfoProto:
        if array is None:
            return onnx.ValueInfoProto(name=name)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        return helper.make_tensor_value_info(name, kind, array.shape)

    results = outputs if isinstance(outputs, Mapping) else dict.fromkeys(outputs)
    graph = helper.make_graph(
        nodes,
        "random",
        [info(name, array) for name, array in inputs.items()],
        [info(name, array) for name, array in results.items()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


class _Grower:
    """The model so far.

    Attributes
    ----------
    values : dict of str to ndarray
        Inputs and what nodes make, in order.
    exact : set of str
        Values that no runtime rounds in another way.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rng = np.random.default_rng(random.randint(0, 1 << 20))
        self.inputs: dict[str, Array] = {}
        self.constants: dict[str, Array] = {}
        self.values: dict[str, Array] = {}
        self.exact: set[str] = set()
        self.nodes: list[onnx.NodeProto] = []
        self._count = 0

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def input(self, shape: tuple[int, ...]) -> str:
        """A new input; no element, and no sum of a few, lies where a step is."""
        name = self.fresh("x")
        eighths = self.rng.integers(-16, 17, shape)
        self.inputs[name] = self.values[name] = (eighths / 8).astype(np.float32)
        self.exact.add(name)
        return name

    def constant(self, array: Array) -> str:
        name = self.fresh("c")
        self.constants[name] = array
        return name

    def weights(self, *shape: int) -> str:
        """Random floats around 0, smaller where many are summed."""
        scale = 1 / max(1.0, np.sqrt(np.prod(shape[1:])))
        return self.constant((self.rng.standard_normal(shape) * scale).astype(np.float32))

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def array(self, name: str) -> Array:
        return self.constants[name] if name in self.constants else self.values[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.array(name).shape)

    def pick(self, test: Callable[[Array], bool] = lambda a: a.dtype == np.float32) -> str:
        """A value, more often one of the latest."""
        fitting = [name for name, array in self.values.items() if test(array)]
        if not fitting:
            raise _Unfit
        recent = fitting[-3:] if self.random.randint(0, 2) else fitting
        return self.random.choice(recent)

    def add(self, op: str, *inputs: str, count: int = 1, exact: bool = False, **given: Any) -> Any:
        """A node; its output's name, or a list of them where ``count`` is not 1."""
        outputs = [self.fresh(f"{op.lower()}_") for _ in range(count)]
        node = helper.make_node(op, inputs, outputs, name=outputs[0], **given)
        arrays = {name: self.array(name) for name in inputs if name}
        fed = {n: a for n, a in arrays.items() if n in self.values}
        fixed = {n: a for n, a in arrays.items() if n not in self.values}
        try:
            results = reference_values(_model([node], fed, fixed, outputs), fed)
        except Exception as error:  # onnxruntime's own tree of exceptions is not public
            raise _Unfit(str(error)) from error
        for result in results.values():
            large = result.dtype.kind in "fi" and np.abs(result.astype(np.float64)) > LARGEST
            fits = 0 < result.size <= MOST_ELEMENTS
            if not fits or not np.isfinite(result).all() or np.any(large):
                raise _Unfit
        self.nodes.append(node)
        self.values.update((name, results[name]) for name in outputs)
        whole = all(results[name].dtype.kind in "iub" for name in outputs)
        given = all(name in self.exact or name in self.constants for name in arrays)
        if whole or (exact and given):
            self.exact.update(outputs)
        return outputs if count != 1 else outputs[0]


# ----------------------------------------------------------------------------------- elementwise

Step = Callable[[_Grower], None]


def _unary(g: _Grower) -> None:
    x = g.pick()
    op, attributes = g.random.choice([
        *[(op, {}) for op in ("Relu", "Tanh", "Sigmoid", "Abs", "Neg", "Erf", "HardSwish", "Exp")],
        *[(op, {}) for op in ("Sin", "Cos", "Softplus", "Softsign", "HardSigmoid", "Mish")],
        ("LeakyRelu", {"alpha": 0.1}),
        ("Elu", {}),
        ("Gelu", {"approximate": g.random.choice(["none", "tanh"])}),
    ])  # fmt: skip
    g.add(op, x, exact=op in ("Relu", "Abs", "Neg"), **attributes)


def _positive(g: _Grower) -> None:
    """Roots, logarithms and quotients of what is safely above 0."""
    x = g.add("Abs", g.pick(), exact=True)
    x = g.add("Add", x, g.constant(np.array(0.4, np.float32)))
    op = g.random.choice(["Sqrt", "Log", "Reciprocal", "Div", "Pow"])
    if op == "Div":
        g.add("Div", _partner(g, x), x)
    elif op == "Pow":
        g.add("Pow", x, g.constant(np.array(g.random.choice([0.5, 1.7, 2.0, -1.0]), np.float32)))
    else:
        g.add(op, x)


def _partner(g: _Grower, x: str) -> str:
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


def _binary(g: _Grower) -> None:
    x = g.pick()
    y = _partner(g, x)
    op = g.random.choice(["Add", "Sub", "Mul", "Max", "Min", "Add", "Mul", "PRelu"])
    if op == "PRelu":
        if np.broadcast_shapes(g.shape(x), g.shape(y)) != g.shape(x):
            raise _Unfit
    elif g.random.randint(0, 1):
        x, y = y, x
    g.add(op, x, y, exact=op in ("Max", "Min"))


def _integers(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype.kind == "i")
    y = _partner(g, x)
    op = g.random.choice(["Add", "Sub", "Mul", "Mod", "Div", "Max", "Min"])
    if op in ("Mod", "Div"):
        y = g.constant(np.array(g.random.choice([1, 2, 3, 4, 7, -3]), g.array(x).dtype))
    g.add(op, x, y, exact=True)


def _convert(g: _Grower) -> None:
    """Between types, and steps."""
    kind = g.random.choice(["whole", "float", "bool", "floor"])
    if kind in ("whole", "floor"):
        x = g.random.choice([n for n in g.exact if g.array(n).dtype == np.float32] or [""])
        if not x:
            raise _Unfit
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


def _compare(g: _Grower) -> None:
    x = g.random.choice([n for n in g.exact if g.array(n).dtype.kind in "fi"])
    edge: Array = np.array(g.random.choice([-0.5137, 0.0637, 0.7]), np.float32)
    op = g.random.choice(["Less", "LessOrEqual", "Greater", "GreaterOrEqual"])
    if g.array(x).dtype.kind == "i":
        op = g.random.choice(["Less", "Equal", "GreaterOrEqual"])
        edge = np.array(g.random.choice([-1, 0, 2]), g.array(x).dtype)
    g.add(op, x, g.constant(edge))


def _logic(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.bool_)
    op = g.random.choice(["And", "Or", "Xor", "Not"])
    if op == "Not":
        g.add("Not", x)
        return
    shape = g.shape(x)

    def fits(a: Array) -> bool:
        return a.dtype == np.bool_ and a.shape == shape

    g.add(op, x, g.pick(fits))


def _where(g: _Grower) -> None:
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


# ------------------------------------------------------------------------------------------ views


def _any(g: _Grower) -> str:
    return g.pick(lambda _: True)


def _reshape(g: _Grower) -> None:
    x = _any(g)
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


def _transpose(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 1)
    axes = list(range(g.array(x).ndim))
    g.random.shuffle(axes)
    g.add("Transpose", x, exact=True, perm=axes)


def _slice(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size > 1)
    axis = g.random.randrange(g.array(x).ndim)
    n = g.shape(x)[axis]
    begin = g.random.randint(0, n - 1)
    end = g.random.randint(begin + 1, n)
    step = g.random.choice([1, 1, 2, 3])
    if g.random.randint(0, 3) == 0:
        begin, end, step = end - 1, begin - 1 - n if begin == 0 else begin - 1, -step
    g.add("Slice", x, g.ints(begin), g.ints(end), g.ints(axis), g.ints(step), exact=True)


def _concat(g: _Grower) -> None:
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


def _pad(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0 and a.size < 5000)
    n = g.array(x).ndim
    mode = g.random.choice(["constant", "constant", "reflect", "edge", "wrap"])
    most = min(2, min(g.shape(x)) - 1) if mode != "constant" else 2
    pads = [g.random.randint(-1 if mode == "constant" else 0, max(most, 0)) for _ in range(2 * n)]
    extra = [g.constant(np.array(0.25, np.float32))] * (mode == "constant")
    g.add("Pad", x, g.ints(*pads), *extra, exact=True, mode=mode)


def _split(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size > 1)
    axis = g.random.randrange(g.array(x).ndim)
    n = g.shape(x)[axis]
    if n < 2:
        raise _Unfit
    cuts = sorted({g.random.randint(1, n - 1) for _ in range(g.random.randint(1, 3))})
    sizes = np.diff([0, *cuts, n])
    g.add("Split", x, g.ints(*map(int, sizes)), count=len(sizes), exact=True, axis=axis)


def _expand(g: _Grower) -> None:
    x = g.pick(lambda a: 1 in a.shape or a.size < 100)
    shape = [n if n > 1 else g.random.choice([1, 2, 5]) for n in g.shape(x)]
    if g.random.randint(0, 1):
        shape = [g.random.choice([1, 3]), *shape]
    g.add("Expand", x, g.ints(*shape), exact=True)


def _tile(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size < 3000)
    repeats = [g.random.choice([1, 1, 2, 3]) for _ in g.shape(x)]
    g.add("Tile", x, g.ints(*repeats), exact=True)


def _axes(g: _Grower) -> None:
    x = _any(g)
    if g.random.randint(0, 1):
        n = g.array(x).ndim
        if n > 4:
            raise _Unfit
        g.add("Unsqueeze", x, g.ints(g.random.randint(0, n)), exact=True)
    elif 1 in g.shape(x):
        g.add("Squeeze", x, g.ints(g.shape(x).index(1)), exact=True)
    else:
        g.add("Flatten", x, exact=True, axis=g.random.randint(0, g.array(x).ndim))


def _pixels(g: _Grower) -> None:
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


# ----------------------------------------------------------------------------------- contractions


def _matmul(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1)
    shape = g.shape(x)
    kind = g.random.choice(["weights", "weights", "self", "batch", "vector", "other"])
    if kind == "self" and shape[-2] > 400:
        raise _Unfit
    if kind == "weights":
        w = g.constant(
            (g.rng.standard_normal((shape[-1], g.random.choice([1, 3, 4, 8, 17, 32])))
            / np.sqrt(shape[-1])).astype(np.float32)
        )  # fmt: skip
        y = g.add("MatMul", x, w)
        if g.random.randint(0, 1):
            bias = g.weights(g.shape(y)[-1])
            y = g.add("Add", y, bias)
        if g.random.randint(0, 1):
            g.add(g.random.choice(["Relu", "Tanh", "Sigmoid"]), y)
    elif kind == "self":
        perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
        g.add("MatMul", x, g.add("Transpose", x, perm=perm, exact=True))
    elif kind == "batch":
        g.add("MatMul", x, g.weights(*shape[:-2], shape[-1], 5))
    elif kind == "vector":
        g.add("MatMul", x, g.weights(shape[-1]))
    else:

        def fits(a: Array) -> bool:
            return a.dtype == np.float32 and a.ndim > 0 and a.shape[max(a.ndim - 2, 0)] == shape[-1]

        g.add("MatMul", x, g.pick(fits))


def _gemm(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim == 2)
    flip, turned = g.random.randint(0, 1), g.random.randint(0, 1)
    k = g.shape(x)[0 if flip else 1]
    n = g.random.choice([1, 4, 6, 16])
    w = g.weights(*((n, k) if turned else (k, n)))
    bias = [g.weights(n)] if g.random.randint(0, 1) else []
    g.add("Gemm", x, w, *bias, transA=flip, transB=turned, alpha=0.5, beta=2.0)


def _image(g: _Grower) -> str:
    """A value with a batch, channels and one to three axes of space."""
    x = g.pick(lambda a: a.dtype == np.float32 and 2 < a.ndim < 6 and a.size < 6000)
    if g.shape(x)[1] > 24 or g.shape(x)[0] > 8:
        raise _Unfit
    return x


def _conv(g: _Grower) -> None:
    x = _image(g)
    shape = g.shape(x)
    space = len(shape) - 2
    kernel = [g.random.choice([1, 2, 3]) for _ in range(space)]
    channels = shape[1]
    groups = g.random.choice([d for d in (1, 1, 2, 3, channels) if channels % d == 0])
    made = groups * g.random.choice([1, 2, 4])
    strides = [g.random.choice([1, 1, 2]) for _ in range(space)]
    dilations = [g.random.choice([1, 1, 2]) for _ in range(space)]
    pads = [g.random.randint(0, 2) for _ in range(2 * space)]
    given: dict[str, Any] = {"strides": strides, "pads": pads, "group": groups}
    if g.random.randint(0, 3) == 0:
        w = g.weights(channels, made // groups, *kernel)
        bias = [g.weights(made)] * g.random.randint(0, 1)
        g.add("ConvTranspose", x, w, *bias, dilations=dilations, **given)
        return
    w = g.weights(made, channels // groups, *kernel)
    bias = [g.weights(made)] * g.random.randint(0, 1)
    y = g.add("Conv", x, w, *bias, dilations=dilations, **given)
    if g.random.randint(0, 1):
        names = [g.weights(made) for _ in range(3)]
        variance = g.constant(np.abs(g.array(names[0])) + np.float32(0.5))
        g.add("BatchNormalization", y, *names, variance)


def _pool(g: _Grower) -> None:
    x = _image(g)
    space = len(g.shape(x)) - 2
    op = g.random.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "LpPool"])
    if op.startswith("Global"):
        g.add(op, x, exact="Max" in op)
        return
    given: dict[str, Any] = {
        "kernel_shape": [min(g.random.choice([1, 2, 3]), n) for n in g.shape(x)[2:]],
        "strides": [g.random.choice([1, 2]) for _ in range(space)],
    }
    if op == "AveragePool":
        given["count_include_pad"] = g.random.randint(0, 1)
    if op != "LpPool":
        given["ceil_mode"] = g.random.randint(0, 1)
    g.add(op, x, exact=op == "MaxPool", **given)


# -------------------------------------------------------------------- reductions, norms, attention


def _reduce(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    n = g.array(x).ndim
    axes = sorted(g.random.sample(range(n), g.random.randint(1, n)))
    op = g.random.choice([
        *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2"),
        *("ReduceSumSquare", "ReduceLogSumExp", "ReduceProd", "ReduceMean", "ReduceSum"),
    ])  # fmt: skip
    exact = op in ("ReduceMax", "ReduceMin")
    g.add(op, x, g.ints(*axes), exact=exact, keepdims=g.random.randint(0, 1))


def _softmax(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    axis = g.random.choice([-1, g.random.randrange(g.array(x).ndim)])
    g.add(g.random.choice(["Softmax", "Softmax", "LogSoftmax"]), x, axis=axis)


def _norm(g: _Grower) -> None:
    kind = g.random.choice(["layer", "instance", "written", "l2", "group"])
    if kind == "layer":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1 and a.shape[-1] > 1)
        n = g.shape(x)[-1]
        g.add("LayerNormalization", x, g.weights(n), g.weights(n), epsilon=1e-2, axis=-1)
    elif kind == "instance":
        x = _image(g)
        n = g.shape(x)[1]
        if np.prod(g.shape(x)[2:]) < 2:  # of one element nothing but rounding is left
            raise _Unfit
        g.add("InstanceNormalization", x, g.weights(n), g.weights(n), epsilon=1e-2)
    elif kind == "group":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim == 4 and a.shape[1] % 2 == 0)
        n = g.shape(x)[1]
        flat = g.add("Reshape", x, g.ints(0, 2, -1), exact=True)
        scale, bias = (g.constant(np.full(2, v, np.float32)) for v in (1.0, 0.0))
        y = g.add("InstanceNormalization", flat, scale, bias, epsilon=1e-2)
        y = g.add("Reshape", y, g.ints(*g.shape(x)), exact=True)
        y = g.add("Mul", y, g.weights(n, 1, 1))
        g.add("Add", y, g.weights(n, 1, 1))
    elif kind == "l2":
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
        squares = g.add("ReduceL2", x, g.ints(-1), keepdims=1)
        g.add("Div", x, g.add("Add", squares, g.constant(np.array(0.1, np.float32))))
    else:
        x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1)
        axes = g.ints(*range(g.random.randint(1, g.array(x).ndim - 1), g.array(x).ndim))
        centred = g.add("Sub", x, g.add("ReduceMean", x, axes, keepdims=1))
        squared = g.add("Pow", centred, g.constant(np.array(2, np.float32)))
        variance = g.add("ReduceMean", squared, axes, keepdims=1)
        shifted = g.add("Add", variance, g.constant(np.array(1e-2, np.float32)))
        g.add("Div", centred, g.add("Sqrt", shifted))


def _attention(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and 2 <= a.ndim <= 4 and 1 < a.shape[-2] <= 400)
    width = g.shape(x)[-1]
    q, k, v = (g.add("MatMul", x, g.weights(width, 8)) for _ in range(3))
    n = g.array(x).ndim
    perm = [*range(n - 2), n - 1, n - 2]
    scores = g.add("MatMul", q, g.add("Transpose", k, perm=perm))
    scores = g.add("Mul", scores, g.constant(np.array(0.35, np.float32)))
    g.add("MatMul", g.add("Softmax", scores, axis=-1), v)


def _perceptron(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 1 and a.shape[-1] <= 64)
    for width in (g.random.choice([4, 16, 40]), g.random.choice([8, 33])):
        w = g.rng.standard_normal((g.shape(x)[-1], width)) / np.sqrt(g.shape(x)[-1])
        x = g.add("MatMul", x, g.constant(w.astype(np.float32)))
        x = g.add("Add", x, g.weights(width))
        x = g.add(g.random.choice(["Relu", "Tanh"]), x)


def _running(g: _Grower) -> None:
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0)
    axis = g.constant(np.array(g.random.randrange(g.array(x).ndim), np.int64))
    g.add("CumSum", x, axis, exclusive=g.random.randint(0, 1), reverse=g.random.randint(0, 1))


# --------------------------------------------------------------------------------- gather, scatter


def _gather(g: _Grower) -> None:
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


def _gather_elements(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 0 and a.size < 5000)
    axis = g.random.randrange(g.array(x).ndim)
    shape = list(g.shape(x))
    shape[axis] = g.random.choice([1, 2, shape[axis]])
    indices = g.constant(g.rng.integers(0, g.shape(x)[axis], shape))
    g.add("GatherElements", x, indices, exact=True, axis=axis)


def _gather_nd(g: _Grower) -> None:
    x = g.pick(lambda a: a.ndim > 1)
    depth = g.random.randint(1, g.array(x).ndim)
    highs = g.shape(x)[:depth]
    indices = np.stack([g.rng.integers(0, n, (5,)) for n in highs], axis=-1)
    g.add("GatherND", x, g.constant(indices), exact=True)


def _scatter(g: _Grower) -> None:
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


def _order(g: _Grower) -> None:
    """Positions of the largest; of values in which no two are equal."""
    x = g.pick(lambda a: a.dtype == np.float32 and a.ndim > 0 and 1 < a.shape[-1] < 200)
    noise = g.rng.permutation(g.array(x).size).reshape(g.shape(x)) * np.sqrt(2)
    x = g.add("Add", x, g.constant(noise.astype(np.float32)))
    if g.random.randint(0, 1):
        g.add(g.random.choice(["ArgMax", "ArgMin"]), x, axis=-1, keepdims=g.random.randint(0, 1))
    else:
        g.add("TopK", x, g.ints(g.random.randint(1, g.shape(x)[-1])), count=2, axis=-1)


STEPS: tuple[Step, ...] = (
    *(_unary, _unary, _positive, _binary, _binary, _binary, _integers, _convert, _compare, _logic),
    *(_where, _reshape, _reshape, _transpose, _transpose, _slice, _slice, _concat, _concat, _pad),
    *(_split, _expand, _tile, _axes, _pixels, _matmul, _matmul, _gemm, _conv, _conv, _pool),
    *(_reduce, _reduce, _softmax, _norm, _attention, _perceptron, _running, _gather),
    *(_gather_elements, _gather_nd, _scatter, _order),
)


def random_model(random: Random, most_nodes: int = 25) -> RandomModel:
    """Grow a model.

    Parameters
    ----------
    random : Random
        Where every choice comes from; Hypothesis' too, which then finds smaller models.
    most_nodes : int
        Few more can come of it: some steps add several.
    """
    g = _Grower(random)
    for _ in range(random.randint(1, 3)):
        g.input(random.choice(SHAPES))
    wanted = random.randint(1, most_nodes)
    for _ in range(3 * wanted):
        if len(g.nodes) >= wanted:
            break
        kept = len(g.nodes)
        try:
            random.choice(STEPS)(g)
        except _Unfit:
            if len(g.nodes) == kept:
                continue
    if not g.nodes:
        g.add("Neg", next(iter(g.inputs)))
    read = {name for node in g.nodes for name in node.input}
    made = [name for node in g.nodes for name in node.output]
    ends = [name for name in made if name not in read or random.randint(0, 9) == 0]
    outputs = {name: g.values[name] for name in ends}
    constants = {name: array for name, array in g.constants.items() if name in read}
    inputs = {name: array for name, array in g.inputs.items() if name in read}
    return RandomModel(_model(g.nodes, inputs, constants, outputs), inputs, outputs)
