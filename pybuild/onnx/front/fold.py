"""Computes what depends on constants only, with ONNX's reference operators, within bounds.

Nothing is folded that would make the model grow: a result may take ``SMALL_BYTES``, or as much as
the constants that it is computed from. So shapes and axes fold, and a transposed or reshaped
weight does, but neither the Expand of a scalar to an image nor the int8 weights of a
DequantizeLinear.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from onnx import NodeProto, defs
from onnx.reference import ReferenceEvaluator
from onnx.reference.ops import load_op

from pybuild.onnx.front.values import Array, Inferred, Step

__all__ = ["SMALL_BYTES", "Folder"]

SMALL_BYTES = 1 << 16
"""A folded result of this size is kept whatever it came from."""

TOTAL_BYTES = 1 << 28
"""All results that were folded, at least; a model may fold as much as its own constants take."""

_SLOW_ELEMENTS = 4096
"""Read and written by an operator whose reference loops in Python."""

_FAST_NAMES = """
Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BitCast BitShift BitwiseAnd
BitwiseNot BitwiseOr BitwiseXor BlackmanWindow Cast Ceil Clip Compress Concat ConstantOfShape
Cos Cosh CumProd CumSum DequantizeLinear Div Equal Erf Exp Expand EyeLike Flatten Floor Gather
Greater GreaterOrEqual HammingWindow HannWindow HardSigmoid IsInf IsNaN LeakyRelu Less
LessOrEqual Log MatMul Max Mean Min Mod Mul Neg NonZero Not OneHot Or Pad Pow QuantizeLinear
Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round Sigmoid Sign Sin Sinh Slice Softmax
Softplus Split Sqrt Squeeze Sub Sum Tan Tanh Tile TopK Transpose Trilu Unique Unsqueeze Where
Xor DepthToSpace SpaceToDepth Gemm
"""

_FAST = frozenset(_FAST_NAMES.split())
"""Whose reference is a few calls of numpy."""

_SLOW_NAMES = """
AffineGrid CenterCropPad Einsum GatherElements GatherND MelWeightMatrix ReverseSequence
ScatterElements ScatterND
"""

_SLOW = frozenset(_SLOW_NAMES.split())
"""Whose reference loops in Python: for small tensors only."""

_INDEXED = frozenset(("Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND"))
"""Whose second input holds places in the first; the reference may loop up to a wrong one."""


class Folder:
    """Folds nodes until its budget is spent.

    Parameters
    ----------
    model_bytes : int
        Of all constants of the model.
    """

    def __init__(self, model_bytes: int) -> None:
        self._left = TOTAL_BYTES + model_bytes

    def folded(
        self, step: Step, inputs: Sequence[Array | None], inferred: Sequence[Inferred]
    ) -> list[Array | None] | None:
        """Results of a node whose inputs are all known; None when it is to stay a node.

        Parameters
        ----------
        step : Step
            The node.
        inputs : sequence of (ndarray or None)
            None for an omitted one.
        inferred : sequence of Inferred
            What its results must look like.
        """
        slow = step.op in _SLOW
        if step.domain or not (slow or step.op in _FAST) or not _in_range(step, inputs):
            return None
        given = sum(array.nbytes for array in inputs if array is not None)
        shapes = [result.static() for result in inferred]
        opaque = any(shape is None for shape in shapes)
        if opaque and step.op not in ("NonZero", "Unique"):
            return None
        made = 0 if opaque else _result_bytes(inferred)
        if made > max(SMALL_BYTES, given) or made > self._left:
            return None
        if slow:
            all_shapes = [array.shape for array in inputs if array is not None]
            all_shapes += [shape for shape in shapes if shape is not None]
            if sum(map(_extent, all_shapes)) > _SLOW_ELEMENTS:
                return None
        results = _evaluated(step, inputs)
        if results is None or len(results) < len(step.outputs):
            return None
        kept: list[Array | None] = []
        for name, result, wanted in zip(step.outputs, results, inferred, strict=False):
            if not name:
                kept.append(None)
                continue
            if result is None:
                return None
            array = np.asarray(result)
            if np.dtype(array.dtype).name != wanted.dtype:
                return None
            if not opaque and array.shape != wanted.static():
                return None
            kept.append(array)
        self._left -= sum(array.nbytes for array in kept if array is not None)
        return kept


def _in_range(step: Step, inputs: Sequence[Array | None]) -> bool:
    """Whether the places that a node reads or writes can be places of its first input."""
    if step.op not in _INDEXED or len(inputs) < 2 or inputs[0] is None or inputs[1] is None:
        return True
    bound = max(inputs[0].shape, default=0)
    return bool(np.all((inputs[1] >= -bound) & (inputs[1] < bound)))


def _extent(shape: Sequence[int]) -> int:
    """Elements, where an empty axis counts as one: some references loop over the others."""
    return math.prod(max(size, 1) for size in shape)


def _result_bytes(inferred: Sequence[Inferred]) -> int:
    """An upper bound: no element is wider than eight bytes but complex ones."""
    total = 0
    for result in inferred:
        elements = math.prod(result.static() or ())
        wide = 16 if (result.dtype or "").startswith("complex") else 8
        width = {"float32": 4, "int32": 4, "uint32": 4, "bool": 1, "uint8": 1, "int8": 1}
        width |= {"float16": 2, "bfloat16": 2, "int16": 2, "uint16": 2}
        total += elements * width.get(result.dtype or "", wide)
    return total


@lru_cache(maxsize=256)
def _reference(op: str, opset: int) -> Any:
    try:
        return load_op("", op, opset, evaluator_cls=ReferenceEvaluator)
    except (NotImplementedError, RuntimeError, ValueError):
        return None


_RUN_PARAMS: dict[str, Any] = {
    "log": lambda *_: None,
    "opsets": {"": defs.onnx_opset_version()},
    "verbose": 0,
    "new_ops": None,
    "existing_functions": {},
    "evaluator_cls": ReferenceEvaluator,
}


def _evaluated(step: Step, inputs: Sequence[Array | None]) -> Sequence[Any] | None:
    """What the reference computes; None when it cannot."""
    implementation = _reference(step.op, step.opset)
    if implementation is None:
        return None
    node: NodeProto = step.proto
    try:
        with np.errstate(all="ignore"):
            results: Sequence[Any] = implementation(node, _RUN_PARAMS).run(*inputs)
    except Exception:  # the reference raises anything; the node then stays as it is
        return None
    return results
