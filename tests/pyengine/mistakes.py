"""Mistakes put into the JSON of a program: a value at a place, or nothing at it any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Change", "at", "without"]

Change = Callable[[dict[str, Any]], object]


def at(*path: Any) -> Callable[[Any], Change]:
    """Put a value at a place."""

    def put(value: Any) -> Change:
        def change(data: dict[str, Any]) -> None:
            place: Any = data
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value

        return change

    return put


def without(*path: Any) -> Change:
    """Remove what stands at a place."""

    def change(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change
