"""What must hold before ONNX's inference sees a node, which crashes or hangs on some of the rest.

Found by flipping bytes (onnx 1.23): LayerNormalization reads past its shape with a large axis,
Split writes past its outputs when num_outputs says otherwise, Einsum never ends on an equation
with stray characters, or with a space behind the arrow, and sizes near 64 bits wrap around.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pybuild.onnx.front.intake import MAX_ELEMENTS
from pybuild.onnx.front.values import Step, Unfit, Value

__all__ = ["MAX_RANK", "SHAPE_INPUTS", "check_numbers", "without_spaces"]

SHAPE_INPUTS: Mapping[str, tuple[int, ...]] = {
    "AffineGrid": (1,),
    "BlackmanWindow": (0,),
    "CenterCropPad": (1,),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "Expand": (1,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MaxUnpool": (2,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "ReduceL1": (1,),
    "ReduceL2": (1,),
    "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "ReduceSumSquare": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}
"""Inputs that carry a shape, an axis or a size: the build must know them."""

_UNBOUNDED = ("Slice",)
"""Their shape-carrying inputs are clamped, and often as large as an int64 can be."""

_FREE = frozenset(("end", "ends", "start", "starts", "value_int", "value_ints"))
"""Attributes that may be as large as an int64; the others enter the arithmetic of shapes."""

MAX_RANK = 64
"""Of numpy."""

_FREE_AXIS = frozenset(("DequantizeLinear", "QuantizeLinear"))
"""Whose axis says nothing, and so may be anything, where the scale is a scalar."""

_DATA_ELEMENTS = 4096
"""A shape-carrying constant beyond this is a mistake, or CumSum's data."""

_TERM = r"[A-Za-z]*(?:\.\.\.[A-Za-z]*)?"

_EQUATION = re.compile(rf"{_TERM}(?:,{_TERM})*(?:->{_TERM})?")


def without_spaces(step: Step) -> Step:
    """An Einsum whose equation has no spaces, which mean nothing."""
    equation = step.text("equation", "")
    plain = "".join(equation.split())
    return step if plain == equation else step.changed(attributes=step.given(equation=plain))


def check_numbers(step: Step, inputs: Sequence[Value | None]) -> None:
    """Refuse numbers that no shape can have: ONNX's inference computes in 64 bits unchecked.

    Raises
    ------
    Unfit
        An attribute or a shape-carrying constant is beyond 31 bits, or an axis beyond the rank.
    """
    for name, proto in step.attributes.items():
        if name not in _FREE:
            for number in (*proto.ints, proto.i):
                if not -MAX_ELEMENTS <= number <= MAX_ELEMENTS:
                    raise Unfit(f"{name} holds {number}; wanted at most {MAX_ELEMENTS}")
    if step.op == "Einsum":
        equation = step.text("equation", "")
        terms = equation.split("->")[0].count(",") + 1
        if _EQUATION.fullmatch(equation) is None or terms != len(inputs):
            raise Unfit(f"the equation {equation!r} does not fit {len(inputs)} inputs")
    if step.op == "Split":
        parts = step.attribute("num_outputs", len(step.outputs))
        if parts != len(step.outputs):
            raise Unfit(f"num_outputs is {parts}; it has {len(step.outputs)} outputs")
    first = inputs[0] if inputs else None
    if first is not None:
        rank = MAX_RANK if step.op in _FREE_AXIS else len(first.known().shape)
        axis = step.attributes.get("axis")
        if axis is not None and not -rank - 1 <= axis.i <= rank:
            raise Unfit(f"axis is {axis.i}; its input has {rank} axes")
        axes = step.attributes.get("axes")
        if axes is not None and any(abs(number) > MAX_RANK for number in axes.ints):
            raise Unfit(f"axes are {list(axes.ints)}; its input has {rank} axes")
    if step.op in _UNBOUNDED:
        return
    for index in SHAPE_INPUTS.get(step.op, ()):
        value = inputs[index] if index < len(inputs) else None
        if value is None or value.constant is None or value.constant.size > _DATA_ELEMENTS:
            continue
        if value.constant.dtype.kind in "iu" and value.constant.size:
            low, high = int(value.constant.min()), int(value.constant.max())
            if max(-low, high) > MAX_ELEMENTS:
                raise Unfit(
                    f"input {index} {value.name!r} holds {high if high > -low else low};"
                    f" wanted at most {MAX_ELEMENTS}"
                )
