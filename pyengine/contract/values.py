"""The metadata of a model, key by key: JSON that nobody vouches for, and keys that nobody knows."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import TypeGuard

__all__ = ["PREFIX", "Metadata", "flat", "is_number", "nearest", "shown"]

PREFIX = "vitrine."
_SHOWN = 60
_OF_MODEL = (*("contract", "kind", "clip", "rate", "bounds", "pose", "background", "antialiased"),)
_OF_INPUT = ("input", "control", "default", "image")
_OF_OUTPUT = ("output", "activation", "quantization")


class Metadata:
    """Entries that begin with ``vitrine.``, and every problem that was found.

    Parameters
    ----------
    entries : mapping
        All of the model's.
    inputs, outputs : sequences of str
        Names of its tensors, which keys may end in.
    image_outputs : bool
        Outputs may be images too, as a filter's are.
    """

    def __init__(
        self,
        entries: Mapping[str, str],
        inputs: Sequence[str],
        outputs: Sequence[str],
        image_outputs: bool = False,
    ) -> None:
        self.entries = {key: value for key, value in entries.items() if key.startswith(PREFIX)}
        self.problems: list[str] = []
        for key in self.entries:
            if image_outputs and key.removeprefix(f"{PREFIX}image.") in outputs:
                continue
            problem = _unknown(key.removeprefix(PREFIX), inputs, outputs)
            if problem:
                self.problems.append(f"{key}: {problem}")

    def text(self, key: str) -> str | None:
        """An entry without the white space around it; ``key`` leaves out ``vitrine.``."""
        value = self.entries.get(PREFIX + key)
        return None if value is None else value.strip()

    def wrong(self, key: str, wanted: str) -> None:
        """Note that an entry is not what it must be."""
        text = shown(self.entries.get(PREFIX + key, ""))
        self.problems.append(f"{PREFIX}{key} = {text}: wanted {wanted}")

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of some words."""
        text = self.text(key)
        if text is None:
            return default
        if text not in allowed:
            self.wrong(key, f"{', '.join(allowed)}{nearest(text, allowed)}")
            return default
        return text

    def flag(self, key: str) -> bool:
        """0 or 1; false where it is missing."""
        return self.choice(key, ("0", "1", "true", "false"), "0") in ("1", "true")

    def json(self, key: str, wanted: str) -> object:
        """The value of an entry; None where it is missing or no JSON."""
        text = self.text(key)
        if text is None:
            return None
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.wrong(key, f"{wanted}; it is no JSON ({error})")
            return None
        if value is None:
            self.wrong(key, wanted)
        return value

    def number(self, key: str, low: float, high: float) -> float | None:
        """A number in a range."""
        wanted = f"a number from {low:g} to {high:g}"
        value = self.json(key, wanted)
        if value is None:
            return None
        if not (is_number(value) and low <= value <= high):
            self.wrong(key, wanted)
            return None
        return float(value)

    def numbers(self, key: str, count: int, wanted: str) -> tuple[float, ...] | None:
        """A list of so many numbers, nested or not."""
        value = self.json(key, wanted)
        if value is None:
            return None
        found = flat(value, count)
        if found is None:
            self.wrong(key, wanted)
        return found

    def object(
        self, key: str, wanted: str, names: Sequence[str], optional: Sequence[str] = ()
    ) -> dict[str, object] | None:
        """A JSON object with these names and no others."""
        value = self.json(key, wanted)
        if value is None:
            return None
        fits = isinstance(value, dict) and all(name in value for name in names)
        if not isinstance(value, dict) or not fits or not {*value} <= {*names, *optional}:
            self.wrong(key, wanted)
            return None
        return value


def is_number(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a finite number of usual size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -1e38 <= value <= 1e38


def flat(value: object, count: int) -> tuple[float, ...] | None:
    """The numbers of nested lists in their order, if there are ``count`` of them."""
    found: list[float] = []
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item))
        elif is_number(item) and len(found) < count:
            found.append(float(item))
        else:
            return None
    return tuple(found) if len(found) == count else None


def nearest(word: str, known: Sequence[str]) -> str:
    """``; did you mean 'x'?`` for a word that is nearly a known one."""
    close = [name for name in known if name.endswith(f".{word}")]
    close = close or difflib.get_close_matches(word[:100], known, 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _unknown(key: str, inputs: Sequence[str], outputs: Sequence[str]) -> str | None:
    """What is wrong with a key, ``vitrine.`` left out."""
    if key in _OF_MODEL:
        return None
    kind, dot, name = key.partition(".")
    for kinds, names, what in ((_OF_INPUT, inputs, "input"), (_OF_OUTPUT, outputs, "output")):
        if kind in kinds and dot:
            if name in names:
                return None
            has = ", ".join(map(repr, names[:8])) or "none"
            return f"the model has no {what} {shown(name)}{nearest(name, names)}; it has {has}"
    words = (*_OF_MODEL, *(f"{word}.{name}" if dot else word for word in _OF_INPUT + _OF_OUTPUT))
    close = difflib.get_close_matches(key[:100], words, 1, 0.6)
    hint = f"; did you mean '{PREFIX}{close[0]}'?" if close else ""
    return f"is no key of the contract{hint}"
