"""Values of a generator's inputs as a dictionary that tells of every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Inputs", "Value", "sent"]

Value = float | bytes | list[float]
"""What is sent: a number, the bytes of float32s, or what the visitor set."""


def sent(name: str, value: ArrayLike) -> Value:
    """A value as it is sent.

    Raises
    ------
    ValueError
        It is neither a number nor an array of numbers, or one of them is not finite.
    """
    try:
        array = np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: a number or an array of numbers is wanted") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: a number is not finite")
    return float(np.asarray(value, float)) if array.ndim == 0 else array.tobytes()


class Inputs(MutableMapping[str, float | np.ndarray]):
    """What the inputs are set to, by name; those that are not set follow their own source.

    ``inputs["lift"] = 0.7`` sets one, ``del inputs["lift"]`` gives it back. Arrays are read as
    copies: change one by setting it anew.
    """

    def __init__(
        self, get: Callable[[], Mapping[str, Value]], set_: Callable[[dict[str, Value]], None]
    ) -> None:
        self._get, self._set = get, set_

    def __getitem__(self, name: str) -> float | np.ndarray:
        """A number, or a flat float32 array."""
        value = self._get()[name]
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, list):
            return np.array(value, np.float32)
        return np.frombuffer(value, np.float32).copy()

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        """Set one input."""
        self._set({**self._get(), name: sent(name, value)})

    def __delitem__(self, name: str) -> None:
        """Give one back to what fills it by itself."""
        rest = dict(self._get())
        del rest[name]
        self._set(rest)

    def __iter__(self) -> Iterator[str]:
        """Names of those that are set."""
        return iter(self._get())

    def __len__(self) -> int:
        """How many are set."""
        return len(self._get())

    def __repr__(self) -> str:
        """As a dictionary."""
        return repr(dict(self))
