"""Numbers, words and colours as a link has them: written short, read with distrust."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

from pyengine.errors import ViewError

__all__ = [
    "colour",
    "colour_text",
    "digits",
    "number_of",
    "numbers_of",
    "one_of",
    "quoted",
    "row",
    "shown",
    "unquoted",
    "within",
    "word",
]

MAX_NUMBERS = 64
MAX_COORDINATE = 1e9
DIGITS = 9
"""Enough that the GPU's 32 bits are the same after a round trip, but for a last bit."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
_COLOUR = re.compile(r"[0-9a-fA-F]{6}")
_WORD = re.compile(r"[a-z][a-z-]*")
_SAFE = " !$'()*-._~"


def quoted(text: str) -> str:
    """With all escaped that means something in a link; half a character becomes a question mark."""
    return quote(text, _SAFE, errors="replace")


def unquoted(text: str) -> str:
    """As it was before `quoted`; a plus is a blank.

    Raises
    ------
    UnicodeError
        The escapes are no UTF-8.
    """
    return unquote(text.replace("+", " "), errors="strict")


def digits(value: float) -> str:
    """A number with as many digits as the GPU has use for."""
    text = f"{value:.{DIGITS}g}"
    return "0" if text == "-0" else text.replace("e+0", "e").replace("e-0", "e-")


def row(values: Iterable[float]) -> str:
    """Numbers with commas between them."""
    return ",".join(map(digits, values))


def number_of(text: str) -> float:
    """A finite number of at most `MAX_COORDINATE`; ViewError where it is none."""
    value = float(text) if _NUMBER.fullmatch(text) and len(text) < 40 else math.nan
    if not abs(value) <= MAX_COORDINATE:
        raise ViewError(f"wanted a number, got {shown(text)}")
    return value


def within(text: str, low: float, high: float) -> float:
    """A number of a range; ViewError where it is none."""
    value = number_of(text)
    if not low <= value <= high:
        raise ViewError(f"wanted a number from {low:g} to {high:g}, got {shown(text)}")
    return value


def numbers_of(text: str, count: int | None = None) -> tuple[float, ...]:
    """As many numbers as told, or up to `MAX_NUMBERS`; ViewError where they are not."""
    parts = text.split(",")
    if len(parts) != (count or len(parts)) or len(parts) > MAX_NUMBERS:
        wanted = f"{count}" if count else f"{MAX_NUMBERS} at most"
        raise ViewError(f"wanted {wanted} numbers, got {len(parts)}")
    return tuple(map(number_of, parts))


def one_of(text: str, allowed: tuple[str, ...]) -> str:
    """The text, where it is allowed; ViewError where it is not."""
    if text not in allowed:
        raise ViewError(f"wanted one of {', '.join(allowed)}, got {shown(text)}")
    return text


def word(text: str) -> str:
    """A short lower-case word; ViewError where it is none."""
    if not _WORD.fullmatch(text) or len(text) > 30:
        raise ViewError(f"wanted a word, got {shown(text)}")
    return text


def colour_text(rgb: tuple[float, float, float]) -> str:
    """``rrggbb`` where that says it all, three numbers where it does not."""
    levels = [round(255 * part) for part in rgb]
    if all(abs(255 * part - level) < 1e-4 for part, level in zip(rgb, levels, strict=True)):
        return "".join(f"{level:02x}" for level in levels)
    return row(rgb)


def colour(text: str) -> tuple[float, float, float]:
    """Display-referred RGB, 0 to 1, of ``rrggbb`` or three numbers.

    Raises
    ------
    ViewError
        It is neither.
    """
    if _COLOUR.fullmatch(text):
        r, g, b = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
        return (r, g, b)
    parts = text.split(",")
    if len(parts) != 3:
        raise ViewError(f"wanted rrggbb or 3 numbers, got {shown(text)}")
    r, g, b = (within(part, 0.0, 1.0) for part in parts)
    return (r, g, b)


def shown(text: str) -> str:
    """What was there, for a message."""
    return repr(text if len(text) <= 40 else text[:37] + "...")
