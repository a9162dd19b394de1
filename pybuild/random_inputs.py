"""Seeded numbers for a network's inputs, so that it can be run without data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

__all__ = ["HasShape", "random_inputs"]

BYTES = ("uint8", "int8")
"""Quantised data and images: the whole range. Wider integers are indices more often."""
CHANNELS = (1, 3, 4)
LEAST_PX = 16
"""Sizes of images: smaller ones are taken for features."""
PATCH_PX = 32
BRIGHTEST = 255.0
BRIGHTEST_HALF = 1.0
"""16-bit floats end at 65,504: what is 255 at the start may be more on the way."""


class HasShape(Protocol):
    """What an input is known by."""

    @property
    def name(self) -> str:
        """Of the input."""

    @property
    def dtype(self) -> str:
        """As numpy and ml_dtypes name it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes."""


def random_inputs(inputs: Iterable[HasShape], seed: int) -> dict[str, NDArray[Any]]:
    """Normal floats; images; bytes of their whole range; other integers and booleans 0 or 1.

    Images go from 0 to 255, those of float16 to 1. They are floats of one batch axis, one
    of 1, 3 or 4 channels first or last, and two long ones; they are patches of even colours, since
    a network that looks for something finds nothing in noise, and what it then decides hangs on
    the last bit. 0 and 1 are in range wherever an integer is an index. Each input has numbers of
    its own, by its place among them.

    Parameters
    ----------
    inputs : iterable of tensors
        All of a network's, in its order.
    seed : int
        From 0.
    """
    made = {}
    for index, info in enumerate(inputs):
        rng = np.random.default_rng([seed, index])
        kind = np.dtype(getattr(ml_dtypes, info.dtype, info.dtype))
        array: NDArray[Any]
        if info.dtype in BYTES:
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            array = rng.integers(low, high, info.shape, endpoint=True)
        elif kind.kind in "iub" or "int" in info.dtype:
            array = rng.integers(0, 2, info.shape)
        elif (axes := _image_axes(info.shape)) is not None:
            brightest = BRIGHTEST_HALF if info.dtype == "float16" else BRIGHTEST
            array = brightest * _patches(rng, info.shape, axes)
        else:
            array = rng.normal(size=info.shape)
        made[info.name] = np.asarray(array).astype(kind)
    return made


def _image_axes(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Which axes are a picture's height and width."""
    if len(shape) == 4:
        for channels, axes in ((1, (2, 3)), (3, (1, 2))):
            if shape[channels] in CHANNELS and min(shape[a] for a in axes) >= LEAST_PX:
                return axes
    return None


def _patches(
    rng: np.random.Generator, shape: tuple[int, ...], axes: tuple[int, int]
) -> NDArray[np.float64]:
    """Evenly coloured squares, 0 to 1."""
    size = min(PATCH_PX, min(shape[a] for a in axes) // 8)
    coarse = [-(-n // size) if a in axes else n for a, n in enumerate(shape)]
    array = rng.random(coarse)
    for a in axes:
        array = array.repeat(size, a)
    return array[tuple(slice(n) for n in shape)]
