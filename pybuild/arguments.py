"""Values of the command line: points, colours, sizes; a fault is a line that names its option."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pybuild.options import GeneratorOptions
from pyengine.errors import InputError, ViewError
from pyengine.view import MAX_SIZE_PX, View

__all__ = ["address", "color", "generator", "named", "point", "read_view", "size"]

Vector = tuple[float, float, float]


def point(text: str | None, option: str) -> Vector | None:
    """``x,y,z``: three finite numbers."""
    if text is None:
        return None
    numbers = _numbers(text)
    if len(numbers) != 3:
        raise InputError(f"{option} wants three numbers x,y,z such as -1,0.5,2; got {text!r}")
    return numbers[0], numbers[1], numbers[2]


def color(text: str | None, option: str = "--background") -> Vector | None:
    """``r,g,b``: display-referred, 0 to 1."""
    if text is None:
        return None
    numbers = _numbers(text)
    if len(numbers) != 3 or not all(0 <= number <= 1 for number in numbers):
        raise InputError(f"{option} wants r,g,b from 0 to 1 such as 0.1,0.1,0.1; got {text!r}")
    return numbers[0], numbers[1], numbers[2]


def address(text: str | None, option: str = "--url") -> str | None:
    """Where a page will be; with a slash at its end, unless it is a file."""
    if text is None:
        return None
    try:
        parts = urlsplit(text)
        there = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    except ValueError:
        there = False
    if not there or parts.fragment or re.search(r"\s", text):
        raise InputError(
            f"{option} wants the address of the page, such as https://example.org/garden/, without "
            f"? and #; got {text!r}"
        )
    return text if text.endswith(("/", ".html", ".htm")) else f"{text}/"


def size(text: str) -> tuple[int, int]:
    """``WIDTHxHEIGHT`` in pixels."""
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isascii() and part.isdigit() for part in parts):
        width, height = (int(part[:9]) for part in parts)
        if 1 <= width <= MAX_SIZE_PX and 1 <= height <= MAX_SIZE_PX:
            return width, height
    raise InputError(
        f"--size wants WIDTHxHEIGHT in pixels, 1 to {MAX_SIZE_PX}, such as 1280x720; got {text!r}"
    )


def read_view(path: Path) -> View:
    """A view file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ViewError(f"{path}: {error.strerror}; --view wants a JSON file") from None
    return View.from_json(text, str(path))


def generator(
    time_s: float | None,
    inputs: Sequence[str] | None,
    settings: Sequence[str] | None,
    tracks: Sequence[str] | None,
    instances: str | None,
) -> GeneratorOptions:
    """The options of generators as they were given; `pybuild.generators.given` reads them."""
    if time_s is not None and not math.isfinite(time_s):
        raise InputError(f"--time wants seconds, got {time_s}")
    return GeneratorOptions(
        time_s, tuple(inputs or ()), tuple(settings or ()), tuple(tracks or ()), instances
    )


def named(
    texts: Iterable[str], known: Mapping[str, str], option: str, what: str
) -> list[tuple[str, str]]:
    """``NAME=VALUE``; a name may hold an equals sign itself, so the longest that fits is meant.

    Parameters
    ----------
    texts : iterable of str
        Of one option, each time that it was given.
    known : mapping
        Names to what is said of them beside, which may be nothing.
    option, what : str
        ``--input`` and what it wants behind the equals sign.

    Returns
    -------
    list of (name, value)

    Raises
    ------
    InputError
        A name that is not known or given twice, no equals sign, or nothing behind it.
    """
    found: dict[str, str] = {}
    for text in texts:
        fitting = [n for n in known if text.startswith(f"{n}=") and len(text) > len(n) + 1]
        if not fitting:
            names = ", ".join(f"{n} ({more})" if more else n for n, more in known.items())
            raise InputError(
                f"{option} wants NAME={what} with a NAME of: {names or 'none'}; got {text!r}"
            )
        name = max(fitting, key=len)
        if name in found:
            raise InputError(f"{option} {name!r} is given twice")
        found[name] = text[len(name) + 1 :]
    return list(found.items())


def _numbers(text: str) -> list[float]:
    """Finite numbers between commas; an empty list if any is something else."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []
