"""What the command line says of a filter in place of its metadata: range, channels, names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyengine.contract.images import CHANNELS, LAYOUTS
from pyengine.contract.model import Port
from pyengine.contract.values import flat, nearest, shown

__all__ = ["OVERRIDES", "Override", "read_override"]

OVERRIDES = ("range", "mean", "std", "channels", "layout", "output", "input")
_OF_BOTH = ("range", "channels", "layout")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_BETWEEN = re.compile(r"\s*(?:\.\.|[,/;]|\s)\s*")


@dataclass(frozen=True, slots=True)
class Override:
    """What was said on the command line, as values of JSON.

    Attributes
    ----------
    source, product : str or None
        Names of the input and of the output that are the image.
    taken, given : mapping
        Of the formats of the image that is taken (range, mean, std, channels, layout) and of the
        one that is given back (range, channels, layout: what a network is normalised by is not
        what its output is).
    """

    source: str | None = None
    product: str | None = None
    taken: Mapping[str, object] = field(default_factory=dict)
    given: Mapping[str, object] = field(default_factory=dict)

    def fitting(self, values: Mapping[str, object], count: int) -> dict[str, object]:
        """Without channels that are for another number of them: y is nothing for three."""
        names = {name for names in CHANNELS.values() for name in names}
        other = values.get("channels") in names - {*CHANNELS[count]}
        return {key: value for key, value in values.items() if not (key == "channels" and other)}


def read_override(
    given: Mapping[str, str],
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    problems: list[str],
) -> Override:
    """Understand what the command line says; what is wrong is added to the problems."""
    image: dict[str, object] = {}
    names: dict[str, str] = {}
    for key, raw in given.items():
        text = raw.strip()
        if key in ("input", "output"):
            known = [port.name for port in (inputs if key == "input" else outputs)]
            if text in known:
                names[key] = text
                continue
            wanted = f"one of {', '.join(map(repr, known[:8])) or 'none'}{nearest(text, known)}"
        elif key in ("channels", "layout"):
            named = LAYOUTS if key == "layout" else tuple(w for ws in CHANNELS.values() for w in ws)
            if text in named:
                image[key] = text
                continue
            wanted = f"one of {', '.join(named)}{nearest(text, named)}"
        elif key in ("range", "mean", "std"):
            found = _numbers(text)
            if found is not None and (key != "range" or len(found) == 2):
                image[key] = found
                continue
            wanted = "two numbers, as 0..255" if key == "range" else "numbers, as 0.5/0.5/0.5"
        else:
            words = ", ".join(OVERRIDES)
            problems.append(
                f"@{shown(key)} is nothing to be said{nearest(key, OVERRIDES)}; there are {words}"
            )
            continue
        problems.append(f"@{key}={shown(text)}: wanted {wanted}")
    both = {key: value for key, value in image.items() if key in _OF_BOTH}
    return Override(names.get("input"), names.get("output"), image, both)


def _numbers(text: str) -> list[float] | None:
    """``0..255``, ``0.5/0.5/0.5``, ``0.5 0.5 0.5`` or a list of JSON."""
    if text.startswith("["):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        found = flat(value, len(value)) if isinstance(value, list) else None
        return None if not found else [*found]
    parts = _BETWEEN.split(text)
    if not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    found = flat([float(part) for part in parts], len(parts))
    return None if found is None else [*found]
