"""Keep a page at its rate: which size of a filter runs, and how often.

Pure: a host tells the time between frames, and uses what is decided. Time between frames is all
that a page can see, and on a screen it says little: a frame that takes 2 ms and one that takes 16
both come after 16.7, one of 17 after 33.3. So what is too slow is known, and how much room is left
is not; going up is a trial, which costs a stutter where it fails, and is made the more seldom the
more it does.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

__all__ = ["Governor"]

WINDOW = 12
"""Intervals whose median is judged: five long ones among them change nothing."""
SETTLE = 4
"""Frames after a change that are not counted: pipelines are compiled in them."""
SLOW = 1.25
"""Times the interval wanted: more is too slow. The next that a screen has is 2, or 1.33 for a rate
of three quarters of its own; noise of a tenth stays below."""
FINE = 1.1
"""Times the interval wanted: less is in time. Between this and `SLOW` nothing changes."""
ROOM = 0.9
"""Times the interval wanted: with room for noise, what a step up may be foreseen to take."""
FUTILE = 0.25
"""Share of what the way down to the last rung was to gain: where it gained less, something else
holds the page back, a screen that saves power or the splats, and its interval becomes the goal."""

HOPELESS = 2 * SLOW
EARLY, EARLY_S = 4, 1.0
"""So many intervals, and seconds, are enough where each of them is slower than `HOPELESS`: twelve
would take a slow machine's user half a minute."""

CLEAR_S = 1.0
"""In time for so long, a step up follows that is foreseen to fit."""
FIRST_WAIT_S = 5.0
"""In time for so long, a step up is tried of which nothing is known; also after one that failed,
twice as long each time."""
LONGEST_WAIT_S = 320.0
FAILED_S = 60.0
"""A step down so soon after a step up means that this one has failed."""


class Governor:
    """Walks a ladder of rungs: the levels, largest first, then the last one ever more seldom.

    Parameters
    ----------
    target_fps : float
        Frames a second to keep.
    levels : int
        Sizes of the filter.
    most_every : int
        The image is renewed each so many frames at least.
    costs : sequence of float, optional
        Pixels of each level, in any unit, not rising; halves of the one before unless told.

    Attributes
    ----------
    level : int
        The size to run, 0 is the largest.
    every : int
        The filter's image is renewed each so many frames.

    Raises
    ------
    ValueError
        A number that is none, or not positive; costs that rise, or are not one a level.
    """

    def __init__(
        self,
        target_fps: float,
        levels: int,
        most_every: int = 4,
        costs: Sequence[float] | None = None,
    ) -> None:
        if not 0 < target_fps < math.inf:
            raise ValueError(f"a rate is a positive number of frames a second, got {target_fps}")
        if most_every < 1:
            raise ValueError(f"an image is renewed each 1 or more frames, got {most_every}")
        self._target_s = 1 / target_fps
        self._most_every = most_every
        self.reset(levels, costs)

    def reset(self, levels: int, costs: Sequence[float] | None = None) -> None:
        """Begin anew with another filter, at its largest size; as the constructor says."""
        if costs is None:
            costs = [0.5**level for level in range(levels)]
        if levels < 1 or len(costs) != levels:
            raise ValueError(f"{levels} levels have as many costs, one at least; got {costs!r}")
        if not all(0 < cost < math.inf for cost in costs) or any(
            after > before for before, after in pairwise(costs)
        ):
            raise ValueError(f"costs are positive numbers, the largest first, got {costs!r}")
        last = levels - 1
        self._rungs = [(level, 1) for level in range(levels)]
        self._rungs += [(last, every) for every in range(2, self._most_every + 1)]
        self._weights = [costs[level] / every for level, every in self._rungs]
        self._goal_s = self._target_s
        self._wait_s = FIRST_WAIT_S
        self._since_up_s = math.inf
        self._from_s: float | None = None
        self._go(0)

    def frame(self, seconds: float) -> bool:
        """Count a frame.

        Parameters
        ----------
        seconds : float
            Since the frame before, of frames drawn in a row; 0 for the first after a pause, which
            says nothing.

        Returns
        -------
        bool
            ``level`` or ``every`` is another now.
        """
        if not 0 < seconds < math.inf:
            return False
        self._since_up_s += seconds
        if self._skipped < SETTLE:
            self._skipped += 1
            return False
        self._intervals.append(seconds)
        found_s = self._found_s()
        if found_s is None:
            return False
        if self._goal_s > self._target_s and found_s < ROOM * self._goal_s:
            self._goal_s = self._target_s  # what held it back is gone
            self._intervals.clear()
            return False
        if found_s > FINE * self._goal_s:
            self._calm_s = 0.0
            return found_s > SLOW * self._goal_s and self._down(found_s)
        self._from_s = None
        self._calm_s += min(seconds, SLOW * self._goal_s)
        return self._up(found_s)

    def _go(self, rung: int) -> None:
        self._rung = rung
        self.level, self.every = self._rungs[rung]
        groups = max(3, WINDOW // self.every)
        self._intervals: deque[float] = deque(maxlen=groups * self.every)
        self._skipped = 0
        self._calm_s = 0.0

    def _found_s(self) -> float | None:
        """The interval as it usually is; None while too little is known.

        Of ``every`` frames in a row one runs the filter, whichever is the first: so their mean is
        what counts, and the median of such means.
        """
        known = list(self._intervals)
        groups = [
            sum(known[first : first + self.every]) / self.every
            for first in range(0, len(known) - self.every + 1, self.every)
        ]
        if len(known) == self._intervals.maxlen:
            return median(groups)
        early = len(groups) >= EARLY and sum(known) >= EARLY_S
        if early and min(groups) > HOPELESS * self._goal_s:
            return min(groups)
        return None

    def _down(self, found_s: float) -> bool:
        """To the first rung that may do; at the last one, be content where that does not help."""
        last = len(self._rungs) - 1
        if self._rung == last:
            self._be_content(found_s)
            return False
        failed = self._since_up_s < FAILED_S
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S) if failed else FIRST_WAIT_S
        if self._from_s is None:
            self._from_s = found_s
        least_s = found_s - self._goal_s  # the screen may have added up to one of its intervals
        rung = self._rung + 1
        while rung < last and self._foreseen_s(least_s, rung) > SLOW * self._goal_s:
            rung += 1
        self._go(rung)
        return True

    def _be_content(self, found_s: float) -> None:
        """Take the last rung's interval as the goal if the way there gained little; asked once."""
        if self._from_s is None:
            return
        if self._from_s - found_s < FUTILE * (self._from_s - self._goal_s):
            self._goal_s = found_s
        self._from_s = None

    def _up(self, found_s: float) -> bool:
        """One rung, after a time that depends on what is known of it."""
        if self._rung == 0:
            return False
        fits = self._foreseen_s(found_s, self._rung - 1) <= ROOM * self._goal_s
        never_failed = self._wait_s == FIRST_WAIT_S
        if self._calm_s < (CLEAR_S if fits and never_failed else self._wait_s):
            return False
        self._since_up_s = 0.0
        self._go(self._rung - 1)
        return True

    def _foreseen_s(self, now_s: float, rung: int) -> float:
        """The interval at another rung, if all of it went into the filter's pixels."""
        return now_s * self._weights[rung] / self._weights[self._rung]
