"""Operators that static shapes or constants make superfluous, or turn into simpler ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import helper

from pybuild.onnx.front.intake import element_type
from pybuild.onnx.front.values import Array, Step, Unfit, Value
from pybuild.onnx.front.versions import OPSET, Workbench

__all__ = ["simplified", "understood"]


def understood(
    step: Step, inputs: Sequence[Value | None], bench: Workbench
) -> Sequence[Value | Array | None] | None:
    """Results of a node that needs none: another value, or elements; None when it is needed.

    Identity hands its input on, and so does Dropout, which does nothing in inference; Shape and
    Size are known, as all shapes are. An optional is a tensor or nothing here, which is known too.

    Parameters
    ----------
    step : Step
        The node.
    inputs : sequence of (Value or None)
        What it reads.
    bench : Workbench
        For the mask of a Dropout.

    Raises
    ------
    Unfit
        A Dropout that is told to train.
    """
    first = inputs[0] if inputs else None
    if step.op == "OptionalHasElement":
        return [np.array(first is not None)]
    if first is None:
        return None
    shape = first.known().shape
    if step.op in ("Identity", "OptionalGetElement"):
        return [first]
    if step.op == "Shape":
        start, end = step.attribute("start", 0), step.attribute("end", len(shape))
        return [np.array(_clamped(shape, start, end), np.int64)]
    if step.op == "Size":
        return [np.array(math.prod(shape), np.int64)]
    if step.op == "Dropout" and _idle(step, inputs):
        if not any(step.outputs[1:]):
            return [first]
        kind = np.dtype(bool) if step.opset >= 10 else _numpy(first.known().dtype)
        sizes = bench.constant(step, "sizes", np.array(shape, np.int64))
        ones = helper.make_tensor("value", helper.np_dtype_to_tensor_dtype(kind), [1], [1])
        mask = bench.emitted(step, "ConstantOfShape", [sizes], OPSET, value=ones)
        return [first, bench.value(mask)]
    return None


def _clamped(shape: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    rank = len(shape)
    start = min(max(start + rank if start < 0 else start, 0), rank)
    end = min(max(end + rank if end < 0 else end, 0), rank)
    return shape[start:end]


def _idle(step: Step, inputs: Sequence[Value | None]) -> bool:
    """Whether a Dropout drops nothing."""
    training = inputs[2] if len(inputs) > 2 else None
    if training is None:
        return True
    ratio = inputs[1]
    if training.constant is not None and not training.constant.any():
        return True
    if ratio is not None and ratio.constant is not None and not ratio.constant.any():
        return True
    raise Unfit("training_mode is on; a page only infers")


def _numpy(dtype: str) -> np.dtype[np.generic]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(element_type(dtype)))


def simplified(step: Step, inputs: Sequence[Value | None], bench: Workbench) -> Step:
    """A node in simpler words.

    CastLike becomes Cast; Compress with a known condition becomes Gather; empty inputs of Resize,
    which stand for omitted ones, are left out.

    Parameters
    ----------
    step : Step
        The node, brought to its opset.
    inputs : sequence of (Value or None)
        What it read before that.
    bench : Workbench
        For constants.
    """
    if step.op == "CastLike" and len(inputs) == 2 and inputs[1] is not None:
        to = element_type(inputs[1].known().dtype)
        return step.changed(op="Cast", inputs=step.inputs[:1], attributes=step.given(to=to))
    if step.op == "Compress":
        return _gather(step, bench)
    if step.op == "Range":
        return _of_scalars(step, bench)
    if step.op == "Resize" and step.opset >= 13:
        kept = [step.inputs[0], *(_unless_empty(name, bench) for name in step.inputs[1:])]
        if step.text("coordinate_transformation_mode", "") != "tf_crop_and_resize":
            kept[1:2] = [""] * bool(kept[1:])
        if kept != list(step.inputs):
            return step.changed(inputs=kept)
    return step


def _of_scalars(step: Step, bench: Workbench) -> Step:
    """Range of scalars: ONNX's own definitions pass vectors of one element to it."""
    names = []
    for name in step.inputs:
        constant = bench.value(name).constant
        if constant is not None and constant.ndim and constant.size == 1:
            name = bench.constant(step, "scalar", constant.reshape(()))
        names.append(name)
    return step if names == list(step.inputs) else step.changed(inputs=names)


def _unless_empty(name: str, bench: Workbench) -> str:
    return name if name and bench.value(name).known().shape != (0,) else ""


def _gather(step: Step, bench: Workbench) -> Step:
    """Compress as Gather of the places where the condition holds."""
    data, condition = (bench.value(name) for name in step.inputs)
    if condition.constant is None:
        return step
    shape = data.known().shape
    axis = step.attribute("axis")
    places = np.flatnonzero(condition.constant).astype(np.int64)
    source = step.inputs[0]
    extent = math.prod(shape) if axis is None else shape[axis]
    if len(places) and places[-1] >= extent:
        raise Unfit(f"the condition picks element {places[-1]} of {extent}")
    if axis is None:
        flat = bench.constant(step, "flat", np.array([-1], np.int64))
        source = bench.emitted(step, "Reshape", [source, flat], OPSET)
        step = step.changed(attributes=step.given(axis=0))
    picked = bench.constant(step, "places", places)
    return step.changed(op="Gather", inputs=[source, picked])
