"""Sequences, which the build takes apart: lists of values whose operators leave no node.

A sequence is a `Value` with ``parts``. Its length and every position in it must be known; what is
taken out of it is a tensor like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from pybuild.onnx.front.bench import Bench
from pybuild.onnx.front.checks import not_constant
from pybuild.onnx.front.values import Array, Step, Unfit, Value
from pybuild.onnx.front.versions import OPSET

__all__ = ["SEQUENCE_OPERATORS", "sequenced"]

Result = Value | Array
Parts = tuple[Value, ...]


def sequenced(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    """The result of an operator on sequences.

    Parameters
    ----------
    step : Step
        A node of `SEQUENCE_OPERATORS`, or any that reads a sequence.
    inputs : sequence of (Value or None)
        What it reads.
    bench : Bench
        For the nodes that cut tensors into sequences and join them.

    Raises
    ------
    Unfit
        It does not take sequences, or a position is outside one.
    Refusal
        A position or a size is computed at run time.
    """
    if step.op not in SEQUENCE_OPERATORS:
        raise Unfit("one of its inputs is a sequence; wanted tensors")
    return SEQUENCE_OPERATORS[step.op](step, inputs, bench)


def _sequence(step: Step, parts: Parts) -> Value:
    kinds = sorted({part.known().dtype for part in parts})
    if len(kinds) > 1:
        raise Unfit(f"its sequence holds {' and '.join(kinds)}; wanted one type")
    return Value(step.outputs[0], None, parts=parts)


def _parts(inputs: Sequence[Value | None]) -> Parts:
    first = inputs[0] if inputs else None
    if first is None or first.parts is None:
        raise Unfit("its first input is a tensor; wanted a sequence")
    return first.parts


def _tensor(inputs: Sequence[Value | None], index: int) -> Value:
    value = inputs[index] if index < len(inputs) else None
    if value is None or value.info is None:
        raise Unfit(f"its input {index} is no tensor")
    return value


def _position(inputs: Sequence[Value | None], index: int, count: int, default: int) -> int:
    """A position among ``count``, from the end where it is negative."""
    if index >= len(inputs) or inputs[index] is None:
        return default
    value = _tensor(inputs, index)
    if value.constant is None:
        raise not_constant("its position", [value])
    if value.constant.size != 1:
        raise Unfit(f"its position has {value.constant.size} elements; wanted one")
    given = int(value.constant.item())
    place = given + count if given < 0 else given
    if not 0 <= place < count:
        raise Unfit(f"its position {given} is outside a sequence; wanted {-count} to {count - 1}")
    return place


def _empty(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del inputs, bench
    return _sequence(step, ())


def _construct(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del bench
    return _sequence(step, tuple(_tensor(inputs, index) for index in range(len(inputs))))


def _insert(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del bench
    parts = _parts(inputs)
    # before any of the parts, or behind the last; -1 is before the last
    if len(inputs) > 2 and inputs[2] is not None:
        given = _tensor(inputs, 2).constant
        behind = given is not None and given.size == 1 and int(given.item()) == len(parts)
        place = len(parts) if behind else _position(inputs, 2, len(parts), 0)
    else:
        place = len(parts)
    return _sequence(step, (*parts[:place], _tensor(inputs, 1), *parts[place:]))


def _erase(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del bench
    parts = _parts(inputs)
    if not parts:
        raise Unfit("its sequence is empty")
    place = _position(inputs, 1, len(parts), len(parts) - 1)
    return _sequence(step, (*parts[:place], *parts[place + 1 :]))


def _at(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del step, bench
    parts = _parts(inputs)
    _tensor(inputs, 1)
    return parts[_position(inputs, 1, len(parts), 0)]


def _length(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del step, bench
    return np.array(len(_parts(inputs)), np.int64)


def _identity(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    del bench
    return _sequence(step, _parts(inputs))


def _concat(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    parts = _parts(inputs)
    if not parts:
        raise Unfit("its sequence is empty")
    names = [bench.named(step, part) for part in parts]
    axis = step.attribute("axis", 0)
    if step.attribute("new_axis", 0):
        place = bench.constant(step, "axis", np.array([axis], np.int64))
        names = [bench.emitted(step, "Unsqueeze", [name, place], OPSET) for name in names]
    return bench.value(bench.emitted(step, "Concat", names, OPSET, axis=axis))


def _split(step: Step, inputs: Sequence[Value | None], bench: Bench) -> Result:
    source = _tensor(inputs, 0)
    shape, axis = source.known().shape, step.attribute("axis", 0)
    if not -len(shape) <= axis < len(shape):
        raise Unfit(f"axis {axis} of {len(shape)} axes")
    extent, squeezed = shape[axis], False
    if len(inputs) < 2 or inputs[1] is None:
        sizes, squeezed = [1] * extent, not step.attribute("keepdims", 1)
    else:
        given = _tensor(inputs, 1)
        if given.constant is None:
            raise not_constant("its sizes", [given])
        sizes = _sizes(given.constant, extent)
    axes = bench.constant(step, "axes", np.array([axis], np.int64))
    parts = []
    start = 0
    for size in sizes:
        ends = [bench.constant(step, "end", np.array([e], np.int64)) for e in (start, start + size)]
        name = bench.emitted(step, "Slice", [step.inputs[0], *ends, axes], OPSET)
        if squeezed:
            name = bench.emitted(step, "Squeeze", [name, axes], OPSET)
        parts.append(bench.value(name))
        start += size
    return _sequence(step, tuple(parts))


def _sizes(given: Array, extent: int) -> list[int]:
    """Of the parts of an axis: each, or one for all of which the last may be shorter."""
    if given.ndim:
        sizes = [int(size) for size in given.ravel()]
        if min(sizes, default=0) < 0 or sum(sizes) != extent:
            raise Unfit(f"sizes {sizes} of an axis of {extent}")
        return sizes
    size = int(given.item())
    if size <= 0:
        raise Unfit(f"parts of {size}")
    return [min(size, extent - start) for start in range(0, extent, size)]


SEQUENCE_OPERATORS: dict[str, Callable[[Step, Sequence[Value | None], Bench], Result]] = {
    "ConcatFromSequence": _concat,
    "Identity": _identity,
    "SequenceAt": _at,
    "SequenceConstruct": _construct,
    "SequenceEmpty": _empty,
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": _length,
    "SplitToSequence": _split,
}
