"""The objects of a scene in the page: what was asked of them since the last frame.

JavaScript gathers what is asked of objects and hands it to the frame's own call as one text, so
that a frame in which an object moves is one call still. What could not be done it asks for
afterwards when the frame's status says that there is something.
"""

from __future__ import annotations

import json

from pyengine.engine import Engine
from pyengine.errors import InputError, VitrineError
from pyengine.fields import document

__all__ = ["faults", "move"]

_faults: list[tuple[int, str]] = []
_MAX_ASKED = 1 << 16


def move(engine: Engine, text: str) -> int:
    """Do what was asked.

    Parameters
    ----------
    text : str
        JSON: a list of ``[id, name, changes]``; see `pyengine.objects.Objects.set`.

    Returns
    -------
    int
        How many could not be done; `faults` says why.
    """
    _faults.clear()
    for row in _rows(text):
        number, name, changes = row
        try:
            if engine.objects is None:
                raise InputError(f"object {name!r}: the scene has no objects; build one of several")
            engine.objects.set(name, changes)
        except VitrineError as error:
            _faults.append((number, str(error)))
    return len(_faults)


def _rows(text: str) -> list[tuple[int, str, object]]:
    asked = document(text, "objects", "a list of changes")
    if not isinstance(asked, list) or len(asked) > _MAX_ASKED:
        raise InputError("objects: wanted a list of changes")
    return [(int(number), str(name), changes) for number, name, changes in asked]


def faults() -> str:
    """JSON: ``[id, message]`` of each change of the last frame that could not be made."""
    return json.dumps(_faults)
