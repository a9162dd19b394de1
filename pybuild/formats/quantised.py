"""Fixed-point codes that several formats share: opacity bytes, base colours, packed rotations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pybuild.sh import SH_C0

__all__ = [
    "bytes_of_logits",
    "dc_of_rgb",
    "logit_table",
    "quaternions_of_three",
    "rgb_of_dc",
    "sigmoid",
    "smallest_three",
]

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]], dtype=np.intp)
"""For each component that is left out, the three that are stored, in order."""


def sigmoid(logits: Floats) -> NDArray[np.float64]:
    """Opacity of a logit; exact 0 and 1 at -inf and +inf."""
    return 0.5 + 0.5 * np.tanh(0.5 * logits.astype(np.float64))


def logit_table() -> Floats:
    """Opacity logit of each byte, (256,) float32: -inf at 0 and +inf at 255."""
    inner = [math.log(b / (255 - b)) for b in range(1, 255)]
    return np.array([-math.inf, *inner, math.inf], dtype=np.float32)


def bytes_of_logits(logits: Floats) -> Bytes:
    """The byte whose opacity is nearest."""
    return np.rint(255 * sigmoid(logits)).astype(np.uint8)


def dc_of_rgb(rgb: Floats) -> Floats:
    """DC coefficient of a colour in 0..1."""
    return ((rgb - 0.5) / SH_C0).astype(np.float32)


def rgb_of_dc(dc: Floats) -> NDArray[np.float64]:
    """Colour of a DC coefficient, not clamped."""
    return dc.astype(np.float64) * SH_C0 + 0.5


def smallest_three(quaternions: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Leave out each quaternion's largest component, made positive.

    Returns
    -------
    (n,) intp, the component left out; (n, 3) float32, the others in order, within ±1/√2.
    """
    largest = np.abs(quaternions).argmax(axis=1) if len(quaternions) else np.empty(0, np.intp)
    signs = np.take_along_axis(quaternions, largest[:, None], axis=1) < 0
    three = np.take_along_axis(quaternions, _OTHERS[largest], axis=1)
    return largest, np.where(signs, -three, three)


def quaternions_of_three(largest: NDArray[np.integer], three: Floats) -> Floats:
    """Undo `smallest_three`; components too long for a unit quaternion leave 0 for the fourth.

    Parameters
    ----------
    largest : (n,) int
        0 to 3.
    three : (n, 3) float32

    Returns
    -------
    (n, 4) float32
    """
    result = np.empty((len(three), 4), np.float32)
    np.put_along_axis(result, _OTHERS[largest], three, axis=1)
    last = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", three, three)))
    np.put_along_axis(result, largest[:, None].astype(np.intp), last[:, None], axis=1)
    return result
