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
    """Normal floats; bytes of their whole range; other integers and booleans 0 or 1.

    0 and 1 are in range wherever an integer is an index. Each input has numbers of its own, by
    its place among them.

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
        else:
            array = rng.normal(size=info.shape)
        made[info.name] = np.asarray(array).astype(kind)
    return made
