"""What scripts give, as the engine takes it: numpy's numbers and arrays as Python's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np

from pyengine.errors import ViewError
from pyengine.view import MAX_SIZE_PX

__all__ = ["plain", "point", "size_px"]


def plain(value: object) -> Any:
    """Arrays, tuples and numpy's numbers as lists and Python's numbers; the rest as it is."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value


def point(value: object, name: str) -> tuple[float, float, float]:
    """Three finite numbers, of a list, a tuple or an array.

    Raises
    ------
    ViewError
        They are not.
    """
    numbers = plain(value)
    fine = isinstance(numbers, list) and all(isinstance(v, int | float) for v in numbers)
    if not fine or len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ViewError(f"{name}: wanted three finite numbers, got {value!r}")
    x, y, z = map(float, numbers)
    return x, y, z


def size_px(value: object, name: str) -> int:
    """A side of an image.

    Raises
    ------
    ViewError
        It is no integer from 1 to 16384.
    """
    try:
        side = index(value)  # type: ignore[arg-type]
    except TypeError:
        side = 0
    if not 1 <= side <= MAX_SIZE_PX or isinstance(value, bool):
        raise ViewError(f"{name}: wanted pixels, an integer from 1 to {MAX_SIZE_PX}, got {value!r}")
    return side
