"""What a link says of a view: the text after the # of an address, and back.

``v=1&camera=0,-1,4,0,0,0,50&mark=The+neck:...``: names and values, made to be read. A link is never
trusted: what is malformed is passed over and told; a hash that is no link is left alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyengine.camera_rig import MAX_BOOKMARKS, MAX_PATH_S, MAX_TURN_DEG_S, MODES, Bookmark
from pyengine.camera_shot import Shot
from pyengine.errors import InputError, ViewError
from pyengine.object_spec import MAX_OBJECTS, UNMOVED
from pyengine.share_text import (
    colour,
    colour_text,
    digits,
    numbers_of,
    one_of,
    quoted,
    row,
    shown,
    unquoted,
    within,
    word,
)
from pyengine.view import View

__all__ = ["MAX_HASH", "VERSION", "Link", "Note", "colour", "from_hash", "to_hash", "written"]

VERSION = "1"
MAX_HASH = 1 << 15
"""Characters of a link that is looked at."""
MAX_INPUTS = 100
MAX_NOTES = 100
MAX_TEXT = 200
"""Characters of an annotation, as the page's own box for one allows."""
MAX_LINES = 10
"""Of an annotation: more would cover the scene."""
MAX_PROBLEMS = 10
"""Sentences for the visitor; of the rest only the number is told."""

_PLACED = {
    "p": "position",
    "r": "rotation",
    "s": "scale",
    "v": "visible",
    "o": "opacity",
    "t": "tint",
}
"""What begins the parts of an object's placement: the letter of each of its keys."""


@dataclass(frozen=True, slots=True)
class Note:
    """An annotation: a text at a point of the world."""

    position: tuple[float, float, float]
    text: str


@dataclass(slots=True)
class Link:
    """What a link says; None and empty: nothing, so that it stays as it is.

    Attributes
    ----------
    camera : Shot, optional
    view : View, optional
        A view that was set exactly, which goes before ``camera``.
    mode : str
        One of `MODES`.
    turn_deg_s : float, optional
        Of the turntable.
    time_s : float, optional
    playing : bool, optional
    filter : str, optional
        Empty: none.
    strength, split : float, optional
        Of the filter, 0 to 1.
    inputs : mapping
        Numbers of inputs by name.
    background : (3,) float, optional
        Display-referred RGB, 0 to 1.
    sh_degree : int, optional
    splat_scale : float, optional
    antialiased : bool, optional
    show : str
        The render mode; empty for colours.
    bookmarks : list of Bookmark
    path_s : float, optional
    path_loop : bool
    objects : mapping
        What of an object's placement is not as the scene has it, by the object's name: keys and
        values as `pyengine.object_spec.Placement.changed` takes them.
    notes : list of Note
    """

    camera: Shot | None = None
    view: View | None = None
    mode: str = ""
    turn_deg_s: float | None = None
    time_s: float | None = None
    playing: bool | None = None
    filter: str | None = None
    strength: float | None = None
    split: float | None = None
    inputs: dict[str, tuple[float, ...]] = field(default_factory=dict)
    background: tuple[float, float, float] | None = None
    sh_degree: int | None = None
    splat_scale: float | None = None
    antialiased: bool | None = None
    show: str = ""
    bookmarks: list[Bookmark] = field(default_factory=list)
    path_s: float | None = None
    path_loop: bool = False
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def to_hash(link: Link) -> str:
    """The text of a link, without the #: `written`, whatever it left out."""
    return written(link)[0]


def written(link: Link) -> tuple[str, int]:
    """Write a link.

    Returns
    -------
    (text, left_out)
        Without the #; objects and annotations that had no room in it, or that nobody would read.
    """
    parts = _of_the_view(link)
    left_out = 0
    more = [(f"obj.{quoted(name)}", _placed(changes)) for name, changes in link.objects.items()]
    for index, note in enumerate(link.notes):
        if index < MAX_NOTES and not _wrong(note.text):
            more.append(("note", f"{quoted(note.text)}:{row(note.position)}"))
        else:
            left_out += 1
    text = "&".join(f"{name}={value}".replace(" ", "+") for name, value in parts)
    for name, value in more:
        part = f"&{name}={value}".replace(" ", "+")
        if len(text) + len(part) <= MAX_HASH:
            text += part
        else:
            left_out += 1
    return text, left_out


def _of_the_view(link: Link) -> list[tuple[str, str]]:
    """Names and values of all but what may be many."""
    parts = [("v", VERSION)]

    def say(name: str, value: str | None) -> None:
        if value:
            parts.append((name, value))

    def number(name: str, value: float | None) -> None:
        say(name, None if value is None else digits(value))

    say("view" if link.view else "camera", _place(link.camera, link.view))
    turn = "" if link.turn_deg_s is None else f":{digits(link.turn_deg_s)}"
    say("mode", link.mode and link.mode + turn)
    number("time", link.time_s)
    say("play", None if link.playing is None else str(int(link.playing)))
    say("filter", None if link.filter is None else quoted(link.filter) or "none")
    number("strength", link.strength)
    number("split", link.split)
    for name, values in link.inputs.items():
        say(f"in.{quoted(name)}", row(values))
    say("background", None if link.background is None else colour_text(link.background))
    number("sh", link.sh_degree)
    number("scale", link.splat_scale)
    if link.antialiased is not None:
        say("aa", "mip" if link.antialiased else "classic")
    say("show", link.show)
    for mark in link.bookmarks:
        place = _place(mark.shot, mark.view)
        say("mark", f"{quoted(mark.name)}{'@' if mark.view else ':'}{place}")
    if link.path_s is not None or link.path_loop:
        seconds = "" if link.path_s is None else digits(link.path_s)
        say("path", seconds + ("loop" if link.path_loop else ""))
    return parts


def _placed(changes: Mapping[str, Any]) -> str:
    """What of a placement is not as the scene has it."""
    parts = []
    for letter, key in _PLACED.items():
        if key not in changes:
            continue
        value = changes[key]
        numbers = [float(v) for v in (value if isinstance(value, list) else [value])]
        if key == "scale" and len(set(numbers)) == 1:
            numbers = numbers[:1]
        parts.append(letter + row(numbers))
    return ";".join(parts)


def from_hash(text: str) -> tuple[Link | None, list[str]]:
    """Read what may be a link.

    Parameters
    ----------
    text : str
        With or without the #.

    Returns
    -------
    (link, problems)
        None where the text is none of ours. A problem is a sentence for the visitor; what it
        speaks of is left out.
    """
    text = text.removeprefix("#")
    if not text.startswith("v="):
        return None, []
    pairs = [part.partition("=")[::2] for part in text[:MAX_HASH].split("&")]
    version = pairs[0][1]
    if version != VERSION:
        return None, [f"link: wanted version {VERSION}, got {shown(version)}; it is passed over"]
    problems = [] if len(text) <= MAX_HASH else [f"link: longer than {MAX_HASH} characters"]
    link = Link()
    for name, value in pairs[1:]:
        try:
            _read(link, name, unquoted(value), value)
        except (ViewError, InputError, ValueError) as error:
            problems.append(f"link: {shown(name)} is passed over: {error}")
    more = len(problems) - MAX_PROBLEMS
    if more > 0:
        problems[MAX_PROBLEMS:] = [f"link: and {more} more"]
    return link, problems


def _read(link: Link, name: str, value: str, raw: str) -> None:
    """Take one pair into a link."""
    if name in _READERS:
        _READERS[name](link, value)
    elif name.startswith("in."):
        if len(link.inputs) >= MAX_INPUTS:
            raise ViewError(f"wanted {MAX_INPUTS} inputs at most")
        key = unquoted(name[3:])
        link.inputs[key] = numbers_of(value)
    elif name == "mark":
        if len(link.bookmarks) >= MAX_BOOKMARKS:
            raise ViewError(f"wanted {MAX_BOOKMARKS} bookmarks at most")
        link.bookmarks.append(_bookmark(raw))
    elif name == "note":
        if len(link.notes) >= MAX_NOTES:
            raise ViewError(f"wanted {MAX_NOTES} annotations at most")
        link.notes.append(_note(raw))
    elif name.startswith("obj."):
        if len(link.objects) >= MAX_OBJECTS:
            raise ViewError(f"wanted {MAX_OBJECTS} objects at most")
        link.objects[unquoted(name[4:])] = _placement(value)
    else:
        raise ViewError("there is no such name in a link of this version")


def _read_mode(link: Link, value: str) -> None:
    mode, _, speed = value.partition(":")
    if mode not in MODES:
        raise ViewError(f"wanted one of {', '.join(MODES)}, got {shown(mode)}")
    if speed:
        link.turn_deg_s = within(speed, -MAX_TURN_DEG_S, MAX_TURN_DEG_S)
    link.mode = mode


def _read_path(link: Link, value: str) -> None:
    seconds = value.removesuffix("loop")
    if seconds:
        link.path_s = within(seconds, 1e-3, MAX_PATH_S)
    link.path_loop = seconds != value


def _setter(name: str, read: Callable[[str], object]) -> Callable[[Link, str], None]:
    def put(link: Link, value: str) -> None:
        setattr(link, name, read(value))

    return put


def _share(value: str) -> float:
    return within(value, 0.0, 1.0)


_READERS: Mapping[str, Callable[[Link, str], None]] = {
    "camera": _setter("camera", lambda value: _shot(value)),
    "view": _setter("view", lambda value: _view(value)),
    "mode": _read_mode,
    "time": _setter("time_s", lambda value: within(value, 0.0, 1e6)),
    "play": _setter("playing", lambda value: one_of(value, ("0", "1")) == "1"),
    "filter": _setter("filter", lambda value: "" if value == "none" else value[:1000]),
    "strength": _setter("strength", _share),
    "split": _setter("split", _share),
    "background": _setter("background", lambda value: colour(value)),
    "sh": _setter("sh_degree", lambda value: int(one_of(value, ("0", "1", "2", "3")))),
    "scale": _setter("splat_scale", lambda value: within(value, 0.0, 10.0)),
    "aa": _setter("antialiased", lambda value: one_of(value, ("classic", "mip")) == "mip"),
    "show": _setter("show", lambda value: word(value)),
    "path": _read_path,
}


def _place(shot: Shot | None, view: View | None) -> str:
    """A camera as numbers."""
    if view is not None:
        pinhole = (view.width, view.height, view.fx, view.fy, view.cx, view.cy)
        return row((*pinhole, *(v for c in range(4) for v in view.view[4 * c : 4 * c + 3])))
    if shot is None:
        return ""
    return row((*shot.eye, *shot.target, shot.fov_deg))


def _shot(value: str) -> Shot:
    numbers = numbers_of(value, 7)
    eye, target, fov_deg = numbers[:3], numbers[3:6], numbers[6]
    if not 1 <= fov_deg <= 170:
        raise ViewError(f"wanted a field of view of 1 to 170 degrees, got {fov_deg:g}")
    if math.dist(eye, target) <= 1e-9 * max(1.0, math.hypot(*eye)):
        raise ViewError("the eye and the target are one point")
    return Shot.of(eye, target, math.radians(fov_deg))


def _view(value: str) -> View:
    numbers = numbers_of(value, 18)
    width, height, fx, fy, cx, cy = numbers[:6]
    rows = [numbers[6 + 3 * c : 9 + 3 * c] for c in range(4)]
    matrix = [v for c, row in enumerate(rows) for v in (*row, float(c == 3))]
    told = {"width": int(width), "height": int(height), "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    return View.from_json(told | {"view": matrix}, "view")


def _bookmark(raw: str) -> Bookmark:
    name, sign, place = re.match(r"([^:@]*)([:@]?)(.*)", raw.replace("+", " "), re.DOTALL).groups()  # type: ignore[union-attr]
    if not sign:
        raise ViewError("wanted a name, a colon and a camera")
    called = " ".join(unquoted(name).split())[:60] or "View"
    if sign == ":":
        return Bookmark(called, _shot(unquoted(place)))
    view = _view(unquoted(place))
    m = view.view
    eye = view.position
    ahead = (eye[0] + m[2], eye[1] + m[6], eye[2] + m[10])
    shot = Shot.of(eye, ahead, 2 * math.atan(view.height / (2 * view.fy)))
    return Bookmark(called, shot, view)


def _note(raw: str) -> Note:
    text, colon, place = raw.rpartition(":")
    if not colon:
        raise ViewError("wanted a text, a colon and a position")
    told = unquoted(text)
    if wrong := _wrong(told):
        raise ViewError(wrong)
    x, y, z = numbers_of(unquoted(place), 3)
    return Note((x, y, z), told)


def _wrong(text: str) -> str:
    """Why a link has no room for an annotation; empty where it has."""
    if not 0 < len(text) <= MAX_TEXT:
        return f"wanted a text of 1 to {MAX_TEXT} characters, got {len(text)}"
    lines = len(text.splitlines())
    return f"wanted {MAX_LINES} lines at most, got {lines}" if lines > MAX_LINES else ""


def _placement(value: str) -> dict[str, Any]:
    """The changes to a placement; whether the scene has such an object is not known here."""
    changes: dict[str, Any] = {}
    for part in value.split(";"):
        key = _PLACED.get(part[:1])
        if key is None or key in changes:
            letters = ", ".join(_PLACED)
            raise ViewError(f"wanted parts that begin with {letters}, each once, got {shown(part)}")
        if key == "visible":
            changes[key] = one_of(part[1:], ("0", "1")) == "1"
        else:
            numbers = list(numbers_of(part[1:]))
            single = len(numbers) == 1 and key in ("scale", "opacity")
            changes[key] = numbers[0] if single else numbers
    UNMOVED.changed(changes, "placement")
    return changes
