"""A scene's objects as the text of a scene.toml: what ``vitrine build`` takes, and a page saves.

`pybuild.scene_file` reads it back, to the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyengine.object_spec import UNMOVED, Placement

__all__ = ["SceneObjectText", "scene_toml"]

SceneObjectText = tuple[str, str, str | None, Placement]
"""Name, file, the axis that points up in the file where that was said, and where it stands."""

_HEADER = """\
# A scene of several objects: vitrine build scene.toml -o site
# Files are relative to this one. An object is scaled, then turned, then moved.
# quaternion is x, y, z, w. In its place rotation_deg = [x, y, z] turns about x, then y, then z.
"""


def scene_toml(objects: Iterable[SceneObjectText]) -> str:
    """The text; what is as it was made is left out."""
    return "\n".join([_HEADER, *map(_table, objects)])


def _table(item: SceneObjectText) -> str:
    name, file, up, placement = item
    lines = ["[[object]]", f"name = {_text(name)}", f"file = {_text(file)}"]
    if up:
        lines.append(f"up = {_text(up)}")
    if placement.position != UNMOVED.position:
        lines.append(f"position = {_list(placement.position)}")
    if placement.rotation != UNMOVED.rotation:
        lines.append(f"quaternion = {_list(placement.rotation)}")
    if placement.scale != UNMOVED.scale:
        x, y, z = placement.scale
        lines.append(f"scale = {_number(x) if x == y == z else _list(placement.scale)}")
    if not placement.visible:
        lines.append("visible = false")
    if placement.opacity != UNMOVED.opacity:
        lines.append(f"opacity = {_number(placement.opacity)}")
    if placement.tint != UNMOVED.tint:
        lines.append(f"tint = {_list(placement.tint)}")
    return "\n".join([*lines, ""])


def _list(values: Iterable[float]) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _number(value: float) -> str:
    """The shortest text that is read as the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def _text(value: str) -> str:
    """A basic string of TOML 1.0."""
    return '"' + "".join(_ESCAPES.get(c) or _escape(c) for c in value) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"\\u{code:04x}"
    return character
