"""Morton (Z-curve) order: neighbours in space become neighbours in the file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["morton_order"]

_BITS = 10


def morton_order(positions: NDArray[np.float32]) -> NDArray[np.intp]:
    """Order of rows along a Z curve of 1024³ cells over the cloud's box.

    Parameters
    ----------
    positions : (n, 3) float32, finite

    Returns
    -------
    (n,) intp, stable: equal cells keep their order.
    """
    if not len(positions):
        return np.empty(0, np.intp)
    low = positions.min(axis=0).astype(np.float64)
    span = positions.max(axis=0).astype(np.float64) - low
    cells = ((positions - low) / np.where(span > 0, span, 1) * (2**_BITS - 1)).astype(np.uint32)
    code = np.zeros(len(positions), np.uint32)
    for axis in range(3):
        code |= _spread(cells[:, axis]) << np.uint32(axis)
    return np.argsort(code, kind="stable")


def _spread(value: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Move bit i to bit 3i, for ten bits (the usual magic-number dilation)."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        value = (value | (value << np.uint32(shift))) & np.uint32(mask)
    return value
