"""Typed access to JSON that nobody vouches for: an error names the place, wanted and got."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pyengine.errors import BundleError

__all__ = ["Fields", "document"]

_SHOWN = 80
_T = TypeVar("_T")


def document(text: str | bytes, where: str, what: str) -> object:
    """The value of a JSON text; ``what`` completes the question whether it is one at all.

    Raises
    ------
    BundleError
        Not JSON, or nested deeper than Python goes.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: not JSON ({error}); is this {what}?") from None


class Fields:
    """A JSON object whose keys are all known.

    Parameters
    ----------
    value : object
        What stands where the object should.
    where : str
        Begins every message: the file, and the place in it.
    names, optional : sequences
        Keys that must and may be there; any other is refused.
    """

    def __init__(
        self, value: object, where: str, names: Sequence[str], optional: Sequence[str] = ()
    ) -> None:
        if not isinstance(value, dict):
            raise BundleError(f"{where}: wanted an object, got {_shown(value)}")
        for name in value:
            if name not in names and name not in optional:
                raise BundleError(f"{where}: unknown key {_shown(name)}; built by another version?")
        for name in names:
            if name not in value:
                raise BundleError(f"{where}: {name!r} is missing")
        self.data: dict[str, Any] = value
        self.where = where

    def fault(self, name: str, wanted: str) -> BundleError:
        """The error of a key."""
        return BundleError(f"{self.where}: {name!r} must be {wanted}, got {_shown(self[name])}")

    def __getitem__(self, name: str) -> Any:
        return self.data.get(name)

    def text(self, name: str, most: int, pattern: re.Pattern[str] | None = None) -> str:
        """A string of 1 to ``most`` characters, all of it ``pattern``."""
        value = self[name]
        if not isinstance(value, str) or not 1 <= len(value) <= most:
            raise self.fault(name, f"a string of 1 to {most} characters")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.fault(name, f"like {pattern.pattern}")
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """One of some strings."""
        value = self[name]
        if not isinstance(value, str) or value not in allowed:
            raise self.fault(name, f"one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """A whole number in a range."""
        value = self[name]
        if not _whole(value, low, high):
            raise self.fault(name, f"an integer {low}..{high}")
        return int(value)

    def integers(self, name: str, most: int, low: int, high: int) -> tuple[int, ...]:
        """At most so many whole numbers in a range."""
        value = self.list(name, most)
        if not all(_whole(item, low, high) for item in value):
            raise self.fault(name, f"integers {low}..{high}")
        return tuple(value)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self[name]
        if not isinstance(value, bool):
            raise self.fault(name, "true or false")
        return value

    def number(self, name: str, low: float = -1e30, high: float = 1e30) -> float:
        """A number in a range."""
        value = self[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise self.fault(name, f"a number {low:g}..{high:g}")
        return float(value)

    def floats(self, name: str, most: int) -> tuple[float, ...] | None:
        """At most so many numbers that f32 can hold, or None."""
        if self[name] is None:
            return None
        values = self.list(name, most)
        for value in values:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not abs(value) <= 3.4e38:
                raise self.fault(name, "finite numbers")
        return tuple(float(value) for value in values)

    def optional(self, name: str, read: Callable[[object, str], _T]) -> _T | None:
        """What ``read`` makes of a value and its place, or None where there is none."""
        return None if self[name] is None else read(self[name], f"{self.where}: {name}")

    def list(self, name: str, most: int) -> list[Any]:
        """A list of at most so many things."""
        value = self[name]
        if not isinstance(value, list) or len(value) > most:
            found = f"{len(value)} of them" if isinstance(value, list) else _shown(value)
            raise BundleError(
                f"{self.where}: {name!r} must be a list of at most {most}, got {found}"
            )
        return value

    def each(self, name: str, most: int, read: Callable[[object, str], _T]) -> tuple[_T, ...]:
        """What ``read`` makes of each item and its place."""
        items = self.list(name, most)
        return tuple(read(item, f"{self.where}: {name}[{i}]") for i, item in enumerate(items))

    def strings(self, name: str, most: int, longest: int) -> tuple[str, ...]:
        """At most so many strings."""
        value = self.list(name, most)
        if not all(isinstance(item, str) and 1 <= len(item) <= longest for item in value):
            raise self.fault(name, f"strings of 1 to {longest} characters")
        return tuple(value)

    def mapping(self, name: str, most: int, longest: int) -> dict[str, Any]:
        """An object of at most so many keys, of any name."""
        value = self[name]
        if not isinstance(value, dict) or len(value) > most:
            raise self.fault(name, f"an object of at most {most} keys")
        if not all(1 <= len(key) <= longest for key in value):
            raise self.fault(name, f"an object with keys of 1 to {longest} characters")
        return value

    def numbers(self, name: str, most: int, pattern: re.Pattern[str]) -> dict[str, float]:
        """An object of finite numbers."""
        value = self.mapping(name, most, _SHOWN)
        for key, number in value.items():
            if not pattern.fullmatch(key) or not _finite(number):
                raise self.fault(name, "an object of finite numbers")
        return value


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -(2**53) <= value <= 2**53 if isinstance(value, int) else math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
