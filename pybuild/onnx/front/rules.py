"""Shapes of results where the onnx package's inference does not know them, or is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pybuild.onnx.front.values import Inferred, Step, Unfit, Value

__all__ = ["OWN_RULES"]


def _like_first(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    first = inputs[0] if inputs else None
    return None if first is None else Inferred(first.known().dtype, first.known().shape)


def _range(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    """How many elements: max(ceil((limit - start) / delta), 0)."""
    values = [value.constant for value in inputs if value is not None]
    if len(values) != 3 or any(value is None or value.size != 1 for value in values):
        return None
    start, limit, delta = (value.reshape(())[()] for value in values if value is not None)
    dtype = np.dtype(start.dtype)
    if dtype.kind in "iu":
        if delta == 0:
            raise Unfit("delta is 0")
        count = -((int(start) - int(limit)) // int(delta))
    else:
        with np.errstate(all="ignore"):
            exact = math.nan if delta == 0 else (float(limit) - float(start)) / float(delta)
        if not math.isfinite(exact):
            raise Unfit(f"a range from {start} to {limit} by {delta} has no end")
        count = math.ceil(exact)
    return Inferred(dtype.name, (max(count, 0),))


def _max_unpool(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    sizes = inputs[2] if len(inputs) > 2 else None
    if sizes is None or sizes.constant is None or inputs[0] is None:
        return None
    return Inferred(inputs[0].known().dtype, tuple(int(n) for n in sizes.constant.ravel()))


def _stft(step: Step, inputs: Sequence[Value | None]) -> Inferred | None:
    """Batch, frames, bins, 2: half of the bins unless onesided is 0, which ONNX's rule forgets."""
    signal, hop, window, length = (*inputs, None, None)[:4]
    if signal is None or hop is None or hop.constant is None or len(signal.known().shape) < 2:
        return None
    if length is not None and length.constant is not None and length.constant.size == 1:
        size = int(length.constant.ravel()[0])
    elif window is not None and len(window.known().shape) == 1:
        size = window.known().shape[0]
    else:
        return None
    batch, samples = signal.known().shape[:2]
    step_size = int(hop.constant.ravel()[0]) if hop.constant.size == 1 else 0
    if step_size < 1 or not 1 <= size <= samples:
        raise Unfit(f"frames of {size} every {step_size} do not fit {samples} samples")
    bins = size // 2 + 1 if step.attribute("onesided", 1) else size
    return Inferred(signal.known().dtype, (batch, (samples - size) // step_size + 1, bins, 2))


OWN_RULES: Mapping[str, Callable[[Step, Sequence[Value | None]], Inferred | None]] = {
    "GroupNormalization": _like_first,
    "MaxUnpool": _max_unpool,
    "MeanVarianceNormalization": _like_first,
    "Range": _range,
    "STFT": _stft,
}
"""By operator of ONNX's own domain; None leaves it to the package."""
