"""What a link says of a view: the text after the # of an address, and back.

``v=1&camera=0,-1,4,0,0,0,50&mark=The+neck:...``: names and values, made to be read. A link is never
trusted: what is malformed is passed over and told; a hash that is no link is left alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from pyengine.camera_rig import MAX_BOOKMARKS, MAX_PATH_S, MAX_TURN_DEG_S, MODES, Bookmark
from pyengine.camera_shot import Shot
from pyengine.errors import ViewError
from pyengine.view import View

__all__ = ["MAX_HASH", "VERSION", "Link", "colour", "from_hash", "to_hash"]

VERSION = "1"
MAX_HASH = 1 << 15
"""Characters of a link that is looked at."""
MAX_NUMBERS = 64
MAX_INPUTS = 100
MAX_COORDINATE = 1e9
DIGITS = 9
"""Enough that the GPU's 32 bits are the same after a round trip, but for a last bit."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_COLOUR = re.compile(r"[0-9a-fA-F]{6}")
_WORD = re.compile(r"[a-z][a-z-]*")
_SAFE = " !$'()*-._~"


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
        The render mode.
    bookmarks : list of Bookmark
    path_s : float, optional
    path_loop : bool
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


def to_hash(link: Link) -> str:
    """The text of a link, without the #."""
    parts = [("v", VERSION)]

    def say(name: str, value: str | None) -> None:
        if value:
            parts.append((name, value))

    def number(name: str, value: float | None) -> None:
        say(name, None if value is None else _digits(value))

    say("view" if link.view else "camera", _place(link.camera, link.view))
    turn = "" if link.turn_deg_s is None else f":{_digits(link.turn_deg_s)}"
    say("mode", link.mode and link.mode + turn)
    number("time", link.time_s)
    say("play", None if link.playing is None else str(int(link.playing)))
    say("filter", None if link.filter is None else quote(link.filter, _SAFE) or "none")
    number("strength", link.strength)
    number("split", link.split)
    for name, values in link.inputs.items():
        say(f"in.{quote(name, _SAFE)}", _row(values))
    say("background", None if link.background is None else _colour_text(link.background))
    number("sh", link.sh_degree)
    number("scale", link.splat_scale)
    if link.antialiased is not None:
        say("aa", "mip" if link.antialiased else "classic")
    say("show", link.show)
    for mark in link.bookmarks:
        place = _place(mark.shot, mark.view)
        say("mark", f"{quote(mark.name, _SAFE)}{'@' if mark.view else ':'}{place}")
    if link.path_s is not None or link.path_loop:
        seconds = "" if link.path_s is None else _digits(link.path_s)
        say("path", seconds + ("loop" if link.path_loop else ""))
    return "&".join(f"{name}={value.replace(' ', '+')}" for name, value in parts)


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
        return None, [f"link: wanted version {VERSION}, got {_shown(version)}; it is passed over"]
    problems = [] if len(text) <= MAX_HASH else [f"link: longer than {MAX_HASH} characters"]
    link = Link()
    for name, value in pairs[1:]:
        try:
            _read(link, name, unquote(value.replace("+", " "), errors="strict"), value)
        except (ViewError, ValueError, UnicodeError) as error:
            problems.append(f"link: {_shown(name)} is passed over: {error}")
    return link, problems


def _read(link: Link, name: str, value: str, raw: str) -> None:
    """Take one pair into a link."""
    if name in _READERS:
        _READERS[name](link, value)
    elif name.startswith("in."):
        if len(link.inputs) >= MAX_INPUTS:
            raise ViewError(f"wanted {MAX_INPUTS} inputs at most")
        key = unquote(name[3:].replace("+", " "), errors="strict")
        link.inputs[key] = _numbers(value)
    elif name == "mark":
        if len(link.bookmarks) >= MAX_BOOKMARKS:
            raise ViewError(f"wanted {MAX_BOOKMARKS} bookmarks at most")
        link.bookmarks.append(_bookmark(raw))
    else:
        raise ViewError("there is no such name in a link of this version")


def _read_mode(link: Link, value: str) -> None:
    mode, _, speed = value.partition(":")
    if mode not in MODES:
        raise ViewError(f"wanted one of {', '.join(MODES)}, got {_shown(mode)}")
    if speed:
        link.turn_deg_s = _within(speed, -MAX_TURN_DEG_S, MAX_TURN_DEG_S)
    link.mode = mode


def _read_path(link: Link, value: str) -> None:
    seconds = value.removesuffix("loop")
    if seconds:
        link.path_s = _within(seconds, 1e-3, MAX_PATH_S)
    link.path_loop = seconds != value


def _setter(name: str, read: Callable[[str], object]) -> Callable[[Link, str], None]:
    def put(link: Link, value: str) -> None:
        setattr(link, name, read(value))

    return put


def _share(value: str) -> float:
    return _within(value, 0.0, 1.0)


_READERS: Mapping[str, Callable[[Link, str], None]] = {
    "camera": _setter("camera", lambda value: _shot(value)),
    "view": _setter("view", lambda value: _view(value)),
    "mode": _read_mode,
    "time": _setter("time_s", lambda value: _within(value, 0.0, 1e6)),
    "play": _setter("playing", lambda value: _choice(value, ("0", "1")) == "1"),
    "filter": _setter("filter", lambda value: "" if value == "none" else value[:1000]),
    "strength": _setter("strength", _share),
    "split": _setter("split", _share),
    "background": _setter("background", lambda value: colour(value)),
    "sh": _setter("sh_degree", lambda value: int(_choice(value, ("0", "1", "2", "3")))),
    "scale": _setter("splat_scale", lambda value: _within(value, 0.0, 10.0)),
    "aa": _setter("antialiased", lambda value: _choice(value, ("classic", "mip")) == "mip"),
    "show": _setter("show", lambda value: _word(value)),
    "path": _read_path,
}


def _place(shot: Shot | None, view: View | None) -> str:
    """A camera as numbers."""
    if view is not None:
        pinhole = (view.width, view.height, view.fx, view.fy, view.cx, view.cy)
        return _row((*pinhole, *(v for c in range(4) for v in view.view[4 * c : 4 * c + 3])))
    if shot is None:
        return ""
    return _row((*shot.eye, *shot.target, shot.fov_deg))


def _shot(value: str) -> Shot:
    numbers = _numbers(value, 7)
    eye, target, fov_deg = numbers[:3], numbers[3:6], numbers[6]
    if not 1 <= fov_deg <= 170:
        raise ViewError(f"wanted a field of view of 1 to 170 degrees, got {fov_deg:g}")
    if math.dist(eye, target) <= 1e-9 * max(1.0, math.hypot(*eye)):
        raise ViewError("the eye and the target are one point")
    return Shot.of(eye, target, math.radians(fov_deg))


def _view(value: str) -> View:
    numbers = _numbers(value, 18)
    width, height, fx, fy, cx, cy = numbers[:6]
    rows = [numbers[6 + 3 * c : 9 + 3 * c] for c in range(4)]
    matrix = [v for c, row in enumerate(rows) for v in (*row, float(c == 3))]
    told = {"width": int(width), "height": int(height), "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    return View.from_json(told | {"view": matrix}, "view")


def _bookmark(raw: str) -> Bookmark:
    name, sign, place = re.match(r"([^:@]*)([:@]?)(.*)", raw.replace("+", " "), re.DOTALL).groups()  # type: ignore[union-attr]
    if not sign:
        raise ViewError("wanted a name, a colon and a camera")
    called = " ".join(unquote(name, errors="strict").split())[:60] or "View"
    if sign == ":":
        return Bookmark(called, _shot(unquote(place)))
    view = _view(unquote(place))
    m = view.view
    eye = view.position
    ahead = (eye[0] + m[2], eye[1] + m[6], eye[2] + m[10])
    shot = Shot.of(eye, ahead, 2 * math.atan(view.height / (2 * view.fy)))
    return Bookmark(called, shot, view)


def _digits(value: float) -> str:
    text = f"{value:.{DIGITS}g}"
    return "0" if text == "-0" else text.replace("e+0", "e").replace("e-0", "e-")


def _row(values: tuple[float, ...]) -> str:
    return ",".join(map(_digits, values))


def _number(text: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text) and len(text) < 40 else math.nan
    if not abs(value) <= MAX_COORDINATE:
        raise ViewError(f"wanted a number, got {_shown(text)}")
    return value


def _within(text: str, low: float, high: float) -> float:
    value = _number(text)
    if not low <= value <= high:
        raise ViewError(f"wanted a number from {low:g} to {high:g}, got {_shown(text)}")
    return value


def _numbers(text: str, count: int | None = None) -> tuple[float, ...]:
    parts = text.split(",")
    if len(parts) != (count or len(parts)) or len(parts) > MAX_NUMBERS:
        wanted = f"{count}" if count else f"{MAX_NUMBERS} at most"
        raise ViewError(f"wanted {wanted} numbers, got {len(parts)}")
    return tuple(map(_number, parts))


def _choice(text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ViewError(f"wanted one of {', '.join(allowed)}, got {_shown(text)}")
    return text


def _word(text: str) -> str:
    if not _WORD.fullmatch(text) or len(text) > 30:
        raise ViewError(f"wanted a word, got {_shown(text)}")
    return text


def _colour_text(rgb: tuple[float, float, float]) -> str:
    levels = [round(255 * part) for part in rgb]
    if all(abs(255 * part - level) < 1e-4 for part, level in zip(rgb, levels, strict=True)):
        return "".join(f"{level:02x}" for level in levels)
    return _row(rgb)


def colour(text: str) -> tuple[float, float, float]:
    """Display-referred RGB, 0 to 1, of ``rrggbb`` or three numbers.

    Raises
    ------
    ViewError
        It is neither.
    """
    if _COLOUR.fullmatch(text):
        r, g, b = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    else:
        r, g, b = (_within(part, 0.0, 1.0) for part in _parts(text, 3))
    return (r, g, b)


def _parts(text: str, count: int) -> list[str]:
    parts = text.split(",")
    if len(parts) != count:
        raise ViewError(f"wanted rrggbb or {count} numbers, got {_shown(text)}")
    return parts


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
