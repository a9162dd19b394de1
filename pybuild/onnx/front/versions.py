"""Brings each node up to one opset, step by step, without changing what it computes.

A step leads from one version of an operator's schema to the next. Most only widen: more types,
another optional input, an attribute whose default is what was always done; those are told by
comparing the schemas. The others have an adapter here. Where neither holds the node stays at its
own opset, and `Node.opset` says so.

``OPSET`` is the newest that the bounded onnx package defines: nothing has to be brought down,
for which there is no way, and every model since opset 1 ends at one place.

onnx.version_converter is not used: it takes whole models, keeps no names, and some of its
adapters change results silently (Resize 10 to 11 loses asymmetric coordinates, PRelu 6 to 7
misplaces the channel axis, broadcasting 6 to 7 aligns some axes wrongly). onnxscript's starts at
18 and knows three of the steps below. The tests compare each adapter with a runtime.

What stays, and at which opset (see `STAYS`):

- BatchNormalization 1-6 in training (is_test=0), 7-8 with spatial=0, 9-13 with statistics as
  outputs; ConvTranspose 1-10 with auto_pad SAME_* or output_shape (the odd pixel changed sides);
- OneHot 9-10 (negative indices changed their meaning); GRU 1-2; RNN, GRU, LSTM 1-6 with
  output_sequence=0 and its output read; Split 1 and Tile 1 with their old inputs;
- Resize 10 that mixes axes up and down (no rounding mode means both); Resize 11-12 with
  tf_half_pixel_for_nn; LpPool and GlobalLpPool 1 with a fractional p.

Source: the ONNX operator changelog (Changelog.md), version by version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from onnx import TensorProto, defs, helper

from pybuild.onnx.front.intake import element_type
from pybuild.onnx.front.schema import schema_of
from pybuild.onnx.front.values import Array, Step, Value

__all__ = ["OPSET", "STAYS", "Workbench", "upgraded", "versions"]

OPSET = 28

STAYS = frozenset(
    {
        ("BatchNormalization", 7),
        ("BatchNormalization", 9),
        ("BatchNormalization", 14),
        ("ConvTranspose", 11),
        ("GRU", 3),
        ("GRU", 7),
        ("GlobalLpPool", 2),
        ("LSTM", 7),
        ("LpPool", 2),
        ("OneHot", 11),
        ("RNN", 7),
        ("Resize", 11),
        ("Resize", 13),
        ("Split", 2),
        ("Tile", 6),
    }
)
"""Operators and the versions that some of their nodes cannot reach."""


class Workbench(Protocol):
    """What an adapter may ask of the scope that its node stands in."""

    def value(self, name: str) -> Value:
        """The value of a name in scope."""

    def constant(self, step: Step, name: str, array: Array) -> str:
        """A new constant for a node; its name in scope."""

    def emitted(
        self, step: Step, op: str, inputs: Sequence[str], opset: int, **attributes: object
    ) -> str:
        """A new node before a given one; the name of its one result in scope."""

    def finished(
        self, step: Step, op: str, inputs: Sequence[str], opset: int, **attributes: object
    ) -> tuple[str, ...]:
        """Put a new node behind a given one, in the place of its result.

        Its input '' means the given one's result, whose new names are returned.
        """


Adapter = Callable[[Step, Workbench], Step | None]
"""Takes a node one version on; None when it has to stay."""

_ADAPTERS: dict[tuple[str, int], Adapter] = {}


def _adapter(*keys: tuple[str, int]) -> Callable[[Adapter], Adapter]:
    def register(adapter: Adapter) -> Adapter:
        _ADAPTERS.update(dict.fromkeys(keys, adapter))
        return adapter

    return register


@cache
def versions(op: str) -> tuple[int, ...]:
    """Opsets that changed an operator of ONNX's own domain, ascending."""
    found = []
    opset = OPSET
    while opset > 0 and (schema := schema_of(op, opset, "")) is not None:
        found.append(schema.since_version)
        opset = schema.since_version - 1
    return tuple(reversed(found))


def upgraded(step: Step, bench: Workbench) -> Step:
    """A node of ONNX's own domain, as far on the way to `OPSET` as it gets."""
    while step.opset < OPSET:
        new = next((version for version in versions(step.op) if version > step.opset), None)
        if new is None:
            return step.changed(opset=OPSET)
        adapter = _ADAPTERS.get((step.op, new))
        if adapter is not None:
            if "consumed_inputs" in step.attributes:
                step = step.changed(attributes=step.without("consumed_inputs"))
            adapted = adapter(step, bench)
            if adapted is None:
                return step
            step = adapted if adapted.op != step.op else adapted.changed(opset=new)
        elif _widens(step.op, new):
            step = step.changed(opset=new, attributes=step.without("consumed_inputs"))
        else:
            return step
    return step


@cache
def _widens(op: str, new: int) -> bool:
    """Whether all that one version of an operator accepts means the same in the next one."""
    before, after = schema_of(op, new - 1, ""), schema_of(op, new, "")
    assert before is not None
    assert after is not None
    if after.deprecated:
        return False
    optional = defs.OpSchema.FormalParameterOption.Optional
    for olds, news in ((before.inputs, after.inputs), (before.outputs, after.outputs)):
        options = [formal.option for formal in news]
        kept = [
            old.option == option or option == optional
            for old, option in zip(olds, options, strict=False)
        ]
        more = options[len(kept) :]
        if len(olds) > len(news) or not all(kept) or any(option != optional for option in more):
            return False
    for name, old in before.attributes.items():
        twin = after.attributes.get(name)
        if name == "consumed_inputs":
            continue
        if twin is None or (twin.type, twin.required, twin.default_value) != (
            old.type,
            old.required,
            old.default_value,
        ):
            return False
    return not any(
        attribute.required
        for name, attribute in after.attributes.items()
        if name not in before.attributes
    )


# Broadcasting became numpy's.


@_adapter(*((op, 7) for op in ("Add", "Sub", "Mul", "Div", "Pow")))
@_adapter(*((op, 7) for op in ("And", "Or", "Xor", "Equal", "Greater", "Less")))
def _broadcast_7(step: Step, bench: Workbench) -> Step:
    attributes = step.without("axis", "broadcast")
    if not step.attribute("broadcast", 0) or "axis" not in step.attributes:
        return step.changed(attributes=attributes)
    left, right = (bench.value(name).known().shape for name in step.inputs)
    axis = step.attribute("axis")
    tail = len(left) - len(right) - (axis + len(left) if axis < 0 else axis)
    if not 0 < tail < len(left):
        return step.changed(attributes=attributes)
    shape = np.array((*right, *[1] * tail), np.int64)
    inputs = [step.inputs[1], bench.constant(step, "shape", shape)]
    aligned = bench.emitted(step, "Reshape", inputs, OPSET)
    return step.changed(attributes=attributes, inputs=[step.inputs[0], aligned])


@_adapter(("PRelu", 7))
def _prelu_7(step: Step, bench: Workbench) -> Step:
    data, slope = (bench.value(name).known().shape for name in step.inputs)
    if len(slope) != 1 or slope[0] == 1 or len(data) < 3:
        return step
    shape = np.array((slope[0], *[1] * (len(data) - 2)), np.int64)
    inputs = [step.inputs[1], bench.constant(step, "shape", shape)]
    return step.changed(inputs=[step.inputs[0], bench.emitted(step, "Reshape", inputs, OPSET)])


@_adapter(("Gemm", 7))
def _gemm_7(step: Step, _: Workbench) -> Step:
    return step.changed(attributes=step.without("broadcast"))


# Attributes became inputs.


def _as_input(attribute: str, place: int) -> Adapter:
    """An adapter that turns a list of ints into a constant input."""

    def adapt(step: Step, bench: Workbench) -> Step:
        if attribute not in step.attributes:
            return step
        array = np.array(step.attribute(attribute), np.int64)
        inputs = [*step.inputs, *[""] * (place - len(step.inputs))]
        inputs.append(bench.constant(step, attribute, np.atleast_1d(array)))
        return step.changed(inputs=inputs, attributes=step.without(attribute))

    return adapt


for _op in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"):
    _adapter((f"Reduce{_op}", 18))(_as_input("axes", 1))
_adapter(("ReduceSum", 13), ("Squeeze", 13), ("Unsqueeze", 13))(_as_input("axes", 1))
_adapter(("Reshape", 5))(_as_input("shape", 1))
_adapter(("Split", 13))(_as_input("split", 1))
_adapter(("TopK", 10))(_as_input("k", 1))


@_adapter(("Clip", 11))
def _clip_11(step: Step, bench: Workbench) -> Step:
    kind = _numpy(bench.value(step.inputs[0]).known().dtype)
    inputs = [step.inputs[0]]
    for name in ("min", "max"):
        if name in step.attributes:
            with np.errstate(over="ignore"):
                bound = np.array(step.attribute(name), np.float32).astype(kind)
            inputs.append(bench.constant(step, name, bound))
        else:
            inputs.append("")
    return step.changed(inputs=inputs, attributes=step.without("min", "max"))


@_adapter(("DFT", 20))
def _dft_20(step: Step, bench: Workbench) -> Step:
    axis = bench.constant(step, "axis", np.array(step.attribute("axis", 1), np.int64))
    length = step.inputs[1] if len(step.inputs) > 1 else ""
    return step.changed(inputs=[step.inputs[0], length, axis], attributes=step.without("axis"))


@_adapter(("Pad", 2))
def _pad_2(step: Step, _: Workbench) -> Step:
    attributes = step.given(pads=step.attribute("paddings", []))
    attributes.pop("paddings", None)
    return step.changed(attributes=attributes)


@_adapter(("Pad", 11))
def _pad_11(step: Step, bench: Workbench) -> Step:
    kind = _numpy(bench.value(step.inputs[0]).known().dtype)
    pads = np.array(step.attribute("pads", []), np.int64)
    inputs = [step.inputs[0], bench.constant(step, "pads", pads)]
    if step.text("mode", "constant") == "constant":
        value = np.array(step.attribute("value", 0.0), np.float32).astype(kind)
        inputs.append(bench.constant(step, "value", value))
    return step.changed(inputs=inputs, attributes=step.without("pads", "value"))


@_adapter(("Slice", 10))
def _slice_10(step: Step, bench: Workbench) -> Step:
    inputs = [step.inputs[0]]
    for name in ("starts", "ends", "axes"):
        if name in step.attributes:
            array = np.array(step.attribute(name), np.int64)
            inputs.append(bench.constant(step, name, array))
    return step.changed(inputs=inputs, attributes=step.without("starts", "ends", "axes"))


@_adapter(("Split", 2))
def _split_2(step: Step, _: Workbench) -> Step | None:
    return step if len(step.inputs) == 1 else None


@_adapter(("Split", 18))
def _split_18(step: Step, _: Workbench) -> Step:
    if len(step.inputs) > 1 and step.inputs[1]:
        return step
    return step.changed(attributes=step.given(num_outputs=len(step.outputs)))


# Softmax over one axis, no more over all axes from one on.


@_adapter(("Softmax", 13), ("LogSoftmax", 13), ("Hardmax", 13))
def _softmax_13(step: Step, bench: Workbench) -> Step:
    shape = bench.value(step.inputs[0]).known().shape
    axis = step.attribute("axis", 1)
    axis += len(shape) if axis < 0 else 0
    if axis < len(shape) and all(size == 1 for size in shape[axis + 1 :]):
        return step.changed(attributes=step.given(axis=axis))
    flat = bench.emitted(step, "Flatten", step.inputs[:1], OPSET, axis=axis)
    back = bench.constant(step, "shape", np.array(shape, np.int64))
    outputs = bench.finished(step, "Reshape", ["", back], OPSET)
    return step.changed(inputs=[flat], outputs=outputs, attributes=step.given(axis=-1))


# Normalisation.


@_adapter(("BatchNormalization", 7))
def _batch_normalization_7(step: Step, _: Workbench) -> Step | None:
    if not step.attribute("is_test", 0):
        return None
    return step.changed(attributes=step.without("is_test"))


@_adapter(("BatchNormalization", 9))
def _batch_normalization_9(step: Step, _: Workbench) -> Step | None:
    if not step.attribute("spatial", 1):
        return None
    return step.changed(attributes=step.without("spatial"))


@_adapter(("BatchNormalization", 14))
def _batch_normalization_14(step: Step, _: Workbench) -> Step | None:
    return None if any(step.outputs[1:]) else step.changed(outputs=step.outputs[:1])


@_adapter(("GroupNormalization", 21))
def _group_normalization_21(step: Step, bench: Workbench) -> Step | None:
    data, groups = bench.value(step.inputs[0]).known(), step.attribute("num_groups", 0)
    if groups < 1 or len(data.shape) < 2:
        return None
    inputs = [step.inputs[0]]
    for name in step.inputs[1:]:
        column = bench.constant(step, "column", np.array([groups, 1], np.int64))
        wide = bench.constant(step, "wide", np.array([1, data.shape[1] // groups], np.int64))
        flat = bench.constant(step, "flat", np.array([-1], np.int64))
        for op, shape in (("Reshape", column), ("Expand", wide), ("Reshape", flat)):
            name = bench.emitted(step, op, [name, shape], OPSET)
        inputs.append(name)
    attributes = step.attributes
    if data.dtype != "float32":
        attributes = step.given(stash_type=element_type(data.dtype))
    return step.changed(inputs=inputs, attributes=attributes)


# Sampling.


@_adapter(("Upsample", 7))
def _upsample_7(step: Step, bench: Workbench) -> Step:
    scales = [1.0, 1.0, step.attribute("height_scale", 1.0), step.attribute("width_scale", 1.0)]
    attributes = step.given(scales=scales)
    for name in ("height_scale", "width_scale"):
        attributes.pop(name, None)
    return step.changed(attributes=attributes)


@_adapter(("Upsample", 9))
def _upsample_9(step: Step, bench: Workbench) -> Step:
    scales = np.array(step.attribute("scales", []), np.float32)
    inputs = [step.inputs[0], bench.constant(step, "scales", scales)]
    return step.changed(inputs=inputs, attributes=step.without("scales"))


@_adapter(("Upsample", 10))
def _upsample_10(step: Step, _: Workbench) -> Step:
    return step.changed(op="Resize", opset=10)


@_adapter(("Resize", 11))
def _resize_11(step: Step, bench: Workbench) -> Step | None:
    """Coordinates were asymmetric; nearest took the floor going up, the ceiling going down."""
    rounding = "floor"
    scales = bench.value(step.inputs[1]).constant
    if scales is not None and step.text("mode", "nearest") == "nearest":
        uneven = [float(scale) for scale in scales.ravel() if (1 / scale if scale else 0.5) % 1]
        down = [scale < 1 for scale in uneven]
        if any(down):
            if not all(down):
                return None
            rounding = "ceil"
    return step.changed(
        inputs=[step.inputs[0], "", step.inputs[1]],
        attributes=step.given(coordinate_transformation_mode="asymmetric", nearest_mode=rounding),
    )


@_adapter(("Resize", 13))
def _resize_13(step: Step, _: Workbench) -> Step | None:
    mode = step.text("coordinate_transformation_mode", "half_pixel")
    return None if mode == "tf_half_pixel_for_nn" else step


@_adapter(("GridSample", 20))
def _grid_sample_20(step: Step, _: Workbench) -> Step:
    mode = step.text("mode", "bilinear")
    renamed = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    return step.changed(attributes=step.given(mode=renamed))


@_adapter(("RoiAlign", 16))
def _roi_align_16(step: Step, _: Workbench) -> Step:
    return step.changed(attributes=step.given(coordinate_transformation_mode="output_half_pixel"))


@_adapter(("ConvTranspose", 11))
def _conv_transpose_11(step: Step, _: Workbench) -> Step | None:
    same = step.text("auto_pad", "NOTSET").startswith("SAME")
    return None if same or "output_shape" in step.attributes else step


@_adapter(("LpPool", 2), ("GlobalLpPool", 2))
def _lp_pool_2(step: Step, _: Workbench) -> Step | None:
    power = step.attribute("p", 2.0)
    if not float(power).is_integer():
        return None
    return step.changed(attributes=step.given(p=int(power)))


# Defaults and names.


@_adapter(("Cast", 6))
def _cast_6(step: Step, _: Workbench) -> Step | None:
    name = step.text("to", "").upper()
    if name not in TensorProto.DataType.keys():  # noqa: SIM118  # no mapping
        return None
    return step.changed(attributes=step.given(to=TensorProto.DataType.Value(name)))


@_adapter(("Concat", 4))
def _concat_4(step: Step, _: Workbench) -> Step:
    return step.changed(attributes=step.given(axis=step.attribute("axis", 1)))


@_adapter(("Selu", 6))
def _selu_6(step: Step, _: Workbench) -> Step:
    alpha, gamma = step.attribute("alpha", 1.6732), step.attribute("gamma", 1.0507)
    return step.changed(attributes=step.given(alpha=alpha, gamma=gamma))


@_adapter(("Clip", 6))
def _as_it_is(step: Step, _: Workbench) -> Step:
    return step


@_adapter(("Scatter", 11))
def _scatter_11(step: Step, _: Workbench) -> Step:
    return step.changed(op="ScatterElements", opset=11)


@_adapter(("OneHot", 11), ("GRU", 3), ("Tile", 6))
def _stays(_: Step, __: Workbench) -> None:
    return None


@_adapter(("RNN", 7), ("GRU", 7), ("LSTM", 7))
def _recurrent_7(step: Step, _: Workbench) -> Step | None:
    if not step.attribute("output_sequence", 0) and step.outputs[:1] != [""]:
        return None
    return step.changed(attributes=step.without("output_sequence"))


def _numpy(dtype: str) -> np.dtype[np.generic]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(element_type(dtype)))
