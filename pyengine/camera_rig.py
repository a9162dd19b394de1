"""The camera with what moves it: modes, bookmarks, flights, a path through them, a turntable.

Whatever moves by itself stops as soon as the visitor touches it. Standard library only; the page
calls it through `pyengine.hosts.page` and `pyengine.hosts.page_view`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pyengine.bundle import Pose
from pyengine.camera import Camera
from pyengine.camera_path import CameraPath
from pyengine.camera_shot import Shot
from pyengine.errors import ViewError
from pyengine.view import View

__all__ = [
    "FLIGHT_S",
    "MAX_BOOKMARKS",
    "MODES",
    "MOVES",
    "SECONDS_A_SHOT",
    "TURN_DEG_S",
    "Bookmark",
    "Rig",
]

MODES = ("orbit", "fly", "turntable")
MOVES = ("", "turntable", "flight", "path")
"""What may move the camera by itself, by its number."""
TURN_DEG_S = 18.0
"""A whole turn in 20 seconds."""
MAX_TURN_DEG_S = 360.0
FLIGHT_S = 1.2
SECONDS_A_SHOT = 3.0
"""What a path takes from one bookmark to the next unless told otherwise."""
MAX_PATH_S = 3600.0
MAX_BOOKMARKS = 99
MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A shot by its name; ``view`` where one was set that is not upright or not centred."""

    name: str
    shot: Shot
    view: View | None = None


class Rig(Camera):
    """A camera that a visitor moves, or that moves by itself.

    Attributes
    ----------
    mode : str
        What a drag does: ``orbit`` turns about the target, ``fly`` about the eye.
    moving : str
        One of `MOVES`.
    turn_deg_s : float
        Of the turntable; negative turns the other way.
    duration_s : float, optional
        Of the whole path; None: `SECONDS_A_SHOT` each.
    loop : bool
        Whether the path begins again at its end, to which it then flies back.
    bookmarks : list of Bookmark
    """

    def __init__(self, pose: Pose) -> None:
        super().__init__(pose)
        self.base = "orbit"
        self.moving = ""
        self.turn_deg_s = TURN_DEG_S
        self.duration_s: float | None = None
        self.loop = False
        self.bookmarks: list[Bookmark] = []
        self._path: CameraPath | None = None
        self._end: Bookmark | None = None
        self._seconds = 0.0
        self._length_s = 0.0

    @property
    def mode(self) -> str:
        """One of `MODES`."""
        return "turntable" if self.moving == "turntable" else self.base

    def set_mode(self, mode: str, turn_deg_s: float | None = None) -> None:
        """Choose what a drag does, or let the camera turn about its target.

        Raises
        ------
        ViewError
            No such mode, or a speed that is none.
        """
        if mode not in MODES:
            raise ViewError(f"camera mode: wanted one of {', '.join(MODES)}, got {mode!r}")
        if turn_deg_s is not None:
            if not (math.isfinite(turn_deg_s) and 0 < abs(turn_deg_s) <= MAX_TURN_DEG_S):
                raise ViewError(
                    f"turntable speed: wanted degrees a second up to {MAX_TURN_DEG_S:g}, "
                    f"not 0, got {turn_deg_s!r}"
                )
            self.turn_deg_s = turn_deg_s
        self.stop()
        if mode == "turntable":
            self.place(self.shot)
            self.moving = mode
        else:
            self.base = mode

    def begin_at(self, shot: Shot) -> None:
        """Begin there, and come back there by `reset`."""
        self._start = shot
        self.reset()

    def stop(self) -> None:
        """Stay where it is."""
        self.moving, self._path, self._end = "", None, None

    def go(self, shot: Shot, seconds: float = FLIGHT_S, view: View | None = None) -> None:
        """Fly to a shot, slowly at both ends; and there show ``view``, where one is given."""
        self.stop()
        self._end = Bookmark("", shot, view)
        path = CameraPath([self.shot, shot])
        if seconds <= 0 or not path.length:
            self._arrive()
            return
        self._path, self._seconds, self._length_s = path, 0.0, seconds
        self.moving = "flight"

    def go_to(self, index: int, seconds: float = FLIGHT_S) -> None:
        """Fly to a bookmark.

        Raises
        ------
        ViewError
            There is none of that number.
        """
        mark = self._mark(index)
        self.go(mark.shot, seconds, mark.view)

    def add(self, name: str = "") -> Bookmark:
        """Keep where it is now; without a name under its number.

        Raises
        ------
        ViewError
            There are `MAX_BOOKMARKS` already.
        """
        if len(self.bookmarks) >= MAX_BOOKMARKS:
            raise ViewError(f"bookmarks: there are {MAX_BOOKMARKS} already; delete one first")
        mark = Bookmark(_named(name) or self._free_name(), self.shot, self.fixed)
        self.bookmarks.append(mark)
        return mark

    def rename(self, index: int, name: str) -> None:
        """Call a bookmark otherwise; an empty name changes nothing."""
        mark = self._mark(index)
        self.bookmarks[index] = replace(mark, name=_named(name) or mark.name)

    def delete(self, index: int) -> None:
        """Forget a bookmark; one that the path goes through leaves it going."""
        self._mark(index)
        del self.bookmarks[index]

    def play(self, duration_s: float | None = None, loop: bool | None = None) -> None:
        """Go along the path through the bookmarks, from the first one.

        Raises
        ------
        ViewError
            Fewer than two bookmarks, or a duration that is none.
        """
        self.set_path(duration_s, loop)
        self.stop()
        self._path, self._length_s = self.path(), self.path_s
        self._seconds = 0.0
        self.moving = "path"
        self.place(self._path.at(0.0))

    def set_path(self, duration_s: float | None = None, loop: bool | None = None) -> None:
        """Say how long the path takes, and whether it begins again; None leaves it.

        Raises
        ------
        ViewError
            A duration that is none.
        """
        if duration_s is not None:
            if not 0 < duration_s <= MAX_PATH_S:
                raise ViewError(
                    f"path: wanted a duration up to {MAX_PATH_S:g} seconds, got {duration_s!r}"
                )
            self.duration_s = duration_s
        self.loop = self.loop if loop is None else loop

    def path(self) -> CameraPath:
        """The path through the bookmarks.

        Raises
        ------
        ViewError
            Fewer than two.
        """
        if len(self.bookmarks) < 2:
            raise ViewError(
                f"path: wanted two bookmarks or more, got {len(self.bookmarks)}; add some first"
            )
        return CameraPath([mark.shot for mark in self.bookmarks], self.loop)

    @property
    def path_s(self) -> float:
        """Seconds that the path takes."""
        count = len(self.bookmarks) - (not self.loop)
        return self.duration_s or max(1, count) * SECONDS_A_SHOT

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if not self.moving:
            return
        if self.moving == "turntable":
            self.place(_turned(self.shot, math.radians(self.turn_deg_s) * seconds))
            return
        assert self._path is not None
        self._seconds += seconds
        share = self._seconds / self._length_s
        if self.moving == "flight":
            if share >= 1:
                self._arrive()
            else:
                self.place(self._path.at(share * share * (3 - 2 * share)))
        elif share >= 1 and not self.loop:
            self.place(self._path.at(1.0))
            self.stop()
        else:
            self.place(self._path.at(share % 1.0 if share > 1 else share))

    def _arrive(self) -> None:
        end = self._end
        self.stop()
        if end is not None and end.view is not None:
            super().set_view(end.view)
        elif end is not None:
            self.place(end.shot)

    def _mark(self, index: int) -> Bookmark:
        if not 0 <= index < len(self.bookmarks):
            raise ViewError(f"bookmark {index + 1}: there are {len(self.bookmarks)}")
        return self.bookmarks[index]

    def _free_name(self) -> str:
        names = {mark.name for mark in self.bookmarks}
        return next(name for i in range(1, 200) if (name := f"View {i}") not in names)

    # What the visitor does ends what moves by itself.

    def orbit(self, dx: float, dy: float) -> None:
        """A drag in canvas heights: turns about the target, or about the eye while flying."""
        self.stop()
        if self.base == "fly":
            super().look(dx, dy)
        else:
            super().orbit(dx, dy)

    def look(self, dx: float, dy: float) -> None:
        """See `Camera.look`."""
        self.stop()
        super().look(dx, dy)

    def pan(self, dx: float, dy: float) -> None:
        """See `Camera.pan`."""
        self.stop()
        super().pan(dx, dy)

    def zoom(self, steps: float) -> None:
        """Come closer; while flying the target goes along."""
        self.stop()
        if self.base == "fly":
            super().fly(0.0, 0.0, steps, 1.0)
        else:
            super().zoom(steps)

    def fly(self, x: float, y: float, z: float, seconds: float) -> None:
        """See `Camera.fly`."""
        self.stop()
        super().fly(x, y, z, seconds)

    def set_view(self, view: View) -> None:
        """See `Camera.set_view`."""
        self.stop()
        super().set_view(view)

    def reset(self) -> None:
        """Back to the first view."""
        self.stop()
        super().reset()


def _turned(shot: Shot, angle: float) -> Shot:
    return replace(shot, yaw=math.remainder(shot.yaw + angle, 2 * math.pi))


def _named(name: str) -> str:
    """A name in one line."""
    return " ".join(name.split())[:MAX_NAME]
