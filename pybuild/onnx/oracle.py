"""What another runtime makes of a network, and how far results lie apart.

The other runtime is onnxruntime on the processor; it is asked for by name when it is needed, and
nothing else of Vitrine depends on it.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pyengine.errors import EngineError, InputError

__all__ = ["Difference", "difference", "onnxruntime", "reference"]

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two arrays lie apart.

    Attributes
    ----------
    max_abs : float
        The largest difference of two elements; infinite where one is not a number, or infinite,
        and the other is something else.
    max_rel : float
        That as a share of the largest finite magnitude of what was wanted, or itself where that
        is zero.
    """

    max_abs: float
    max_rel: float


def difference(found: Array, wanted: Array) -> Difference:
    """How far an array lies from the one that was wanted; shapes that differ are infinitely far."""
    if found.shape != wanted.shape:
        return Difference(np.inf, np.inf)
    if not wanted.size:
        return Difference(0.0, 0.0)
    a, b = _wide(found), _wide(wanted)
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, apart)
    apart = np.where(np.isnan(apart), np.inf, apart)
    magnitude = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
    largest = float(apart.max())
    return Difference(largest, largest / magnitude if magnitude else largest)


def reference(
    model: Path | onnx.ModelProto, feeds: Mapping[str, Array], outputs: Sequence[str]
) -> dict[str, Array]:
    """Outputs by onnxruntime on the processor.

    Raises
    ------
    EngineError
        It is not installed.
    InputError
        It cannot load or run the model.
    """
    runtime = onnxruntime()
    name = str(model) if isinstance(model, Path) else model.graph.name or "model"
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        known = {value.name for value in session.get_inputs()}
        given = {key: array for key, array in feeds.items() if key in known}
        arrays = session.run(list(outputs), given)
    except Exception as error:  # its exceptions have no base of their own
        reason = " ".join(str(error).split())[:400]
        raise InputError(f"{name}: onnxruntime cannot run it: {reason}") from error
    return {key: np.asarray(array) for key, array in zip(outputs, arrays, strict=True)}


def onnxruntime() -> Any:
    """The module.

    Raises
    ------
    EngineError
        It is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise EngineError(
            "vitrine verify compares with onnxruntime, which is not installed; "
            "install it with: pip install onnxruntime"
        ) from None


def _wide(array: Array) -> NDArray[np.float64]:
    return array.astype(np.float64)
