"""Where a clip stands: plays, pauses, seeks, loops, at any speed; frames tell it the time."""

from __future__ import annotations

import math

__all__ = ["MAX_SPEED", "Timeline"]

MAX_SPEED = 100.0
"""Times real time, forwards or backwards."""


class Timeline:
    """A position in time.

    Parameters
    ----------
    duration_s : float, optional
        Length of the clip; time goes on for ever without one.
    loop : bool
        Begin again at the end, and end again at the beginning.

    Attributes
    ----------
    time_s : float
        0 to ``duration_s``; the end itself only where it does not loop.
    playing : bool
        False at first.
    speed : float
        Times real time; negative goes backwards.
    """

    def __init__(self, duration_s: float | None = None, loop: bool = True) -> None:
        self.duration_s = duration_s
        self.loop = loop
        self.time_s = 0.0
        self.playing = False
        self.speed = 1.0

    @property
    def phase(self) -> float:
        """Place in the clip, 0 to 1; without a clip the fraction of the second."""
        if self.duration_s is None:
            return self.time_s - math.floor(self.time_s)
        return self.time_s / self.duration_s

    def play(self) -> None:
        """Go on; from the other end where the clip has stopped at one."""
        if not self.playing and self.duration_s is not None and not self.loop:
            if self.speed > 0 and self.time_s >= self.duration_s:
                self.time_s = 0.0
            elif self.speed < 0 and self.time_s <= 0:
                self.time_s = self.duration_s
        self.playing = True

    def pause(self) -> None:
        """Stay where it is."""
        self.playing = False

    def seek(self, time_s: float) -> None:
        """Go to a time; a clip that loops takes any, one that does not its nearest end.

        Raises
        ------
        ValueError
            Not a finite number.
        """
        self.time_s = self.wrapped(time_s)

    def set_speed(self, speed: float) -> None:
        """Times real time, -100 to 100; what is beyond is cut.

        Raises
        ------
        ValueError
            Not a finite number.
        """
        if not math.isfinite(speed):
            raise ValueError(f"a speed is a finite number, got {speed}")
        self.speed = max(-MAX_SPEED, min(MAX_SPEED, speed))

    def advance(self, seconds: float) -> None:
        """Let time pass; a clip that does not loop pauses at its end."""
        if not self.playing:
            return
        wanted = self.time_s + seconds * self.speed
        self.time_s = self.wrapped(wanted)
        if not self.loop and self.duration_s is not None and not 0 <= wanted < self.duration_s:
            self.playing = False

    def wrapped(self, time_s: float) -> float:
        """A time within the clip."""
        if not math.isfinite(time_s):
            raise ValueError(f"a time is a finite number of seconds, got {time_s}")
        if self.duration_s is None:
            return max(0.0, time_s)
        if self.loop:
            time_s %= self.duration_s
            return time_s if time_s < self.duration_s else 0.0
        return max(0.0, min(self.duration_s, time_s))
