"""The IR run by numpy: slow and readable, the oracle for everything the compiler generates.

Also folds at build what depends on constants alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pybuild.onnx.expr import Expr, Type, const, constant_value
from pybuild.onnx.ir import Compute, Constant, Input, Scan, Scatter, Tensor, neutral, topological
from pybuild.onnx.substitution import walk

__all__ = ["constant_of", "evaluate", "run"]

Array = NDArray[Any]

_DTYPE: dict[Type, Any] = {"f32": np.float32, "i32": np.int32, "u32": np.uint32, "bool": np.bool_}
_REDUCE = {
    "sum": np.add,
    "prod": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.logical_and,
    "or": np.logical_or,
}
_POINTS = 1 << 22
"""Points of a loop nest evaluated at once: bounds the memory that an evaluation takes."""


def run(outputs: Sequence[Tensor], inputs: Mapping[str, Array]) -> list[Array]:
    """Values of the outputs.

    Parameters
    ----------
    inputs : mapping
        By name; float32, int32, uint32 or bool.
    """
    values: dict[Tensor, Array] = {}
    for tensor in topological(outputs):
        source = tensor.source
        if isinstance(source, Input):
            values[tensor] = np.asarray(inputs[tensor.name], _DTYPE[tensor.type])
        else:
            values[tensor] = evaluate(tensor, values)
    return [values[tensor] for tensor in outputs]


def evaluate(tensor: Tensor, values: Mapping[Tensor, Array]) -> Array:
    """One tensor, given those it reads."""
    source = tensor.source
    with np.errstate(all="ignore"):
        match source:
            case Constant(array):
                return array
            case Compute():
                return _compute(tensor, source, values)
            case Scan():
                return _scan(tensor, source, values)
            case Scatter():
                return _scatter(source, values)
            case _:
                raise TypeError(f"{tensor} has no value of its own")


def _compute(tensor: Tensor, source: Compute, values: Mapping[Tensor, Array]) -> Array:
    out = np.empty(tensor.shape, _DTYPE[tensor.type])
    if out.size == 0:
        return out
    over = [v.high + 1 for v in source.over]
    inner = math.prod(over)
    rows = tensor.shape[0] if tensor.shape else 1
    step = max(1, _POINTS // max(1, inner * (out.size // rows)))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        extents = [stop - start, *tensor.shape[1:], *over] if tensor.shape else over
        grid = _grid([*source.axes, *source.over], extents, start if tensor.shape else 0)
        value = np.broadcast_to(_value(source.body, grid, values), extents)
        if source.combine is not None:
            axes = tuple(range(len(extents) - len(over), len(extents)))
            for axis in reversed(axes):
                value = _REDUCE[source.combine].reduce(value, axis=axis)
        if tensor.shape:
            out[start:stop] = value
        else:
            out[...] = value
    return out


def _grid(variables: Sequence[Expr], extents: Sequence[int], start: int) -> dict[Expr, Array]:
    grid: dict[Expr, Array] = {}
    for axis, (var, extent) in enumerate(zip(variables, extents, strict=True)):
        if var.op == "var":
            shape = [1] * len(extents)
            shape[axis] = extent
            first = start if axis == 0 else 0
            grid[var] = np.arange(first, first + extent, dtype=np.int64).reshape(shape)
    return grid


def _scan(tensor: Tensor, source: Scan, values: Mapping[Tensor, Array]) -> Array:
    grid = _grid(source.axes, tensor.shape, 0)
    value = np.broadcast_to(_value(source.body, grid, values), tensor.shape)
    value = _REDUCE[source.combine].accumulate(value, axis=source.axis)
    if source.exclusive:
        start = constant_value(neutral(source.combine, tensor.type))
        value = np.roll(value, 1, source.axis)
        first: list[Any] = [slice(None)] * value.ndim
        first[source.axis] = 0
        value[tuple(first)] = start
    return value.astype(_DTYPE[tensor.type])


def _scatter(source: Scatter, values: Mapping[Tensor, Array]) -> Array:
    out = np.array(values[source.data])
    extents = [v.high + 1 for v in source.over]
    grid = _grid(source.over, extents, 0)
    where = np.broadcast_to(_value(source.where, grid, values), extents)
    index = tuple(
        np.broadcast_to(_value(part, grid, values), extents)[where] for part in source.index
    )
    value = np.broadcast_to(_value(source.value, grid, values), extents)[where]
    if source.combine is None:
        for place, item in zip(
            zip(*(part.ravel() for part in index), strict=True), value.ravel(), strict=True
        ):
            out[place] = item
    else:
        _REDUCE[source.combine].at(out, index, value)
    return out


# ------------------------------------------------------------------------------------ expressions

_ERF = np.vectorize(math.erf, otypes=[np.float32])

_UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "exp2": np.exp2,
    "log": np.log,
    "log2": np.log2,
    "sqrt": np.sqrt,
    "inverseSqrt": lambda x: 1 / np.sqrt(x),
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "trunc": np.trunc,
    "sign": np.sign,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "pow": np.power,
    "atan2": np.arctan2,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "erf": lambda x: _ERF(np.asarray(x, np.float32)),
    "is_nan": np.isnan,
    "is_inf": np.isinf,
    "log1p": np.log1p,
    "arccosine": np.arccos,
    "cosine": np.cos,
    "sine": np.sin,
    "tangent": np.tan,
    "arcsine": np.arcsin,
    "tangent_hyperbolic": np.tanh,
    "arsinh": np.arcsinh,
    "artanh": np.arctanh,
    "sine_hyperbolic": np.sinh,
    "power": np.power,
    "power_i32": lambda x, y: _power_i32(x, y),
    "round_bf16": lambda x: _round_bf16(np.asarray(x, np.float32)),
    "round_small": lambda x, digits, lowest: _round_small(
        np.asarray(x, np.float32), digits, lowest
    ),
    "round_f16": lambda x: np.asarray(x, np.float32).astype(np.float16).astype(np.float32),
}


def _round_bf16(x: Array) -> Array:
    """To the nearest of 8 significant bits; of two equally near the even one."""
    bits = x.view(np.uint32).astype(np.int64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isnan(x), x, rounded)


def _round_small(x: Array, digits: Array, lowest: Array) -> Array:
    """To ``digits`` bits of fraction; below the exponent ``lowest`` the spacing stays."""
    _, exponent = np.frexp(np.where(np.isfinite(x), x, 1))
    quantum = np.ldexp(np.float32(1), (np.maximum(exponent - 1, lowest) - digits).astype(np.int32))
    return np.asarray(np.rint(x / quantum) * quantum, np.float32)


def _power_i32(base: Any, exponent: Any) -> Any:
    """Integer power modulo 2^32; a negative exponent leaves 0 of all bases but 1 and -1."""
    base, left = np.broadcast_arrays(np.asarray(base, np.int64), np.asarray(exponent, np.int64))
    odd = left % 2 == 1
    negative = np.where(base == 1, 1, np.where(base == -1, np.where(odd, -1, 1), 0))
    result, square, bits = np.ones_like(base), base, np.maximum(left, 0)
    while bits.any():
        result = _wrap(np.where(bits & 1, result * square, result))
        square, bits = _wrap(square * square), bits >> 1
    return np.where(left < 0, negative, result)


def constant_of(root: Expr) -> Expr:
    """The constant that an expression of constants alone is."""
    with np.errstate(all="ignore"):
        return const(_value(root, {}, {}).item(), root.type)


def _value(root: Expr, grid: Mapping[Expr, Array], values: Mapping[Tensor, Array]) -> Array:
    done: dict[Expr, Any] = {}
    for expr in walk(root):
        done[expr] = _step(expr, [done[arg] for arg in expr.args], grid, values)
    return np.asarray(done[root], _DTYPE[root.type])


def _step(
    expr: Expr, args: list[Any], grid: Mapping[Expr, Array], values: Mapping[Tensor, Array]
) -> Any:
    op = expr.op
    if op == "const":
        value = constant_value(expr)
        return np.int64(value) if expr.type == "i32" else _DTYPE[expr.type](value)
    if op == "var":
        return grid[expr]
    if op == "linear":
        factors, offset = expr.attr
        total = sum((a * f for a, f in zip(args, factors, strict=True)), start=np.int64(offset))
        return _wrap(total)
    if op == "load":
        tensor: Tensor = expr.attr
        index = tuple(np.clip(a, 0, n - 1) for a, n in zip(args, tensor.shape, strict=True))
        if 0 in tensor.shape:
            return _DTYPE[tensor.type](0)
        found = values[tensor][index]
        return found.astype(np.int64) if tensor.type == "i32" else found
    if op == "floordiv":
        return args[0] // expr.attr
    if op == "mod":
        return args[0] % expr.attr
    if op == "select":
        return np.where(*args)
    if op == "cast":
        return _cast(args[0], expr.args[0].type, expr.type)
    if op == "bitcast":
        return np.asarray(args[0], _DTYPE[expr.args[0].type]).view(_DTYPE[expr.type])
    if op == "call":
        return _CALLS[expr.attr](*args)
    if op == "not":
        return ~args[0] if expr.type != "bool" else np.logical_not(args[0])
    if op in ("and", "or"):
        chosen = {"and": np.bitwise_and, "or": np.bitwise_or}
        return chosen[op](*args)
    if op in ("div", "rem"):
        return _divide(op, expr.type, *args)
    if len(args) == 1:
        result = _UNARY[op](args[0])
    else:
        result = _BINARY[op](*args)
    return _wrap(result) if expr.type == "i32" else result


def _wrap(value: Any) -> Any:
    return np.asarray(value, np.int64).astype(np.int32).astype(np.int64)


def _divide(op: str, type_: Type, a: Any, b: Any) -> Any:
    if type_ == "f32":
        return np.divide(a, b) if op == "div" else np.fmod(a, b)
    divisor = np.where(np.asarray(b) == 0, 1, b)
    quotient = np.abs(a) // np.abs(divisor) * np.sign(a) * np.sign(divisor)
    if type_ == "u32":
        quotient = np.asarray(a) // divisor
    quotient = np.where(np.asarray(b) == 0, a, quotient)
    return quotient if op == "div" else np.where(np.asarray(b) == 0, 0, a - quotient * divisor)


def _cast(value: Any, source: Type, target: Type) -> Any:
    if source == "f32" and target in ("i32", "u32"):
        info = np.iinfo(_DTYPE[target])
        whole = np.nan_to_num(np.trunc(np.asarray(value, np.float64)), nan=0.0)
        clipped = np.clip(whole, info.min, info.max).astype(np.int64)
        return clipped if target == "i32" else clipped.astype(np.uint32)
    if target == "i32":
        return _wrap(np.asarray(value).astype(np.int64))
    if target == "u32":
        return (np.asarray(value, np.int64) & 0xFFFFFFFF).astype(np.uint32)
    return np.asarray(value).astype(_DTYPE[target])
