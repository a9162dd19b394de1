"""What a filter's inputs hold, how its image is shown, and whether it has to run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyengine.camera_inputs import IDENTITY, Space
from pyengine.errors import InputError
from pyengine.feeds import FeedSpec
from pyengine.filter_spec import FilterSpec, Rung
from pyengine.inputs import Inputs
from pyengine.structs import FilterFrame
from pyengine.timeline import Timeline
from pyengine.view import View

__all__ = ["MIN_RUNG_SHARE", "TOLERANCE", "Filter", "ladder"]

TOLERANCE = 0.5 / 255
"""Mean difference of an image, 0 to 1, below which the networks rest: half a step of 8 bits."""

MIN_RUNG_SHARE = 1.1
"""A rung that shows more pixels than so many times the canvas's is not worth its price."""

_WORLD = Space(IDENTITY, IDENTITY)


class Filter(Inputs):
    """A filter that is on.

    Attributes
    ----------
    spec : FilterSpec
    rung : Rung
        Its size.
    strength : float
        0 shows the splats as they are, 1 the filter's image.
    split : float
        Share of the canvas, from the left, that is shown unfiltered.
    tolerance : float
        See `TOLERANCE`; 0 lets the networks never rest.
    every : int
        The picture is renewed each so many frames in which it changed.
    frame_bytes : bytearray
        What the buffer ``filter`` holds.
    """

    def __init__(self, spec: FilterSpec, rung: Rung, rests: bool = True) -> None:
        self.spec, self.rung = spec, rung
        self.strength = spec.strength
        self.split = 0.0
        self.tolerance = TOLERANCE if rests and not spec.stateful else 0.0
        self.every = 1
        self._next = 0
        self.is_new = True
        self.frame_bytes = bytearray(FilterFrame.size_bytes)
        self._shown = bytearray(FilterFrame.size_bytes)
        self._waited = 0
        inputs = spec.inputs()
        feeds = [feed for feed, _ in inputs]
        ranges = {feed.name: part for feed, part in inputs}
        super().__init__(feeds, ranges, spec.input_bytes, [_WORLD])

    @property
    def feeds(self) -> list[FeedSpec]:
        """The inputs that may be set."""
        return [slot.feed for slot in self._slots.values()]

    def drawn(self, view: View) -> View:
        """The camera of the splats' image: the canvas's view, stretched to the filter's size."""
        return view.stretched(*self.rung.render)

    def hold(self) -> bool:
        """Told that the image changes: whether this frame leaves it as it was, by `every`."""
        self._waited += 1
        if self._waited < self.every and not self.is_new:
            return True
        self._waited = 0
        return False

    def fill(self, view: View, timeline: Timeline, background: Sequence[float]) -> bool:
        """Fill inputs and uniforms; whether the networks have to run for it."""
        for slot in self._of(("background",)):
            self._put(slot, [*background, 0.0])
        self._fill_time(timeline)
        self._fill_camera(view)
        put, frame = FilterFrame.pack_into, self.frame_bytes
        due = self._changed or self.is_new
        put(frame, "background", *background, 0.0)
        put(frame, "canvas_px", view.width, view.height)
        put(frame, "render_px", *self.rung.render)
        put(frame, "output_px", *self.rung.output)
        put(frame, "strength", self.strength)
        put(frame, "split", self.split)
        put(frame, "tolerance", self.tolerance)
        put(frame, "force", int(due))
        return due

    @property
    def must_show(self) -> bool:
        """Whether the canvas shows the image otherwise than it should, but for ``force``."""
        at = FilterFrame.offsets["force"]
        return self.frame_bytes[:at] != self._shown[:at]

    def turn(self, runs: bool) -> int:
        """Of a filter with state, the run that comes next, or the one whose image is there."""
        return self._next if runs or not self.spec.stateful else 1 - self._next

    def showed(self) -> None:
        """The canvas was drawn."""
        self._shown[:] = self.frame_bytes

    def ran(self) -> None:
        """The networks ran."""
        self._changed = False
        self.is_new = False
        if self.spec.stateful:
            self._next = 1 - self._next

    def redraw(self) -> None:
        """Run and show the next frame whatever it is, and at once; a state goes on from there."""
        self.touch()
        self._waited = self.every
        self._shown[:] = bytes(len(self._shown))

    def set_shown(self, strength: float | None = None, split: float | None = None) -> None:
        """How much of the filter is shown, and from where; 0 to 1 both.

        Raises
        ------
        InputError
            No number from 0 to 1.
        """
        for name, value in (("strength", strength), ("split", split)):
            if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
                raise InputError(f"filter {name}: wanted a number from 0 to 1, got {value}")
        self.strength = self.strength if strength is None else strength
        self.split = self.split if split is None else split

    def take_over(self, other: Filter) -> None:
        """Show as another one of the same filter did, with its inputs."""
        self.strength, self.split, self.every = other.strength, other.split, other.every
        if other.spec.inputs() == self.spec.inputs():
            self.input_bytes[:] = other.input_bytes
            self._held = other._held


def ladder(spec: FilterSpec, width: int, height: int) -> list[int]:
    """Rungs that suit a canvas, the largest first: indices of ``spec.rungs``.

    Of the shapes that there are, the one nearest to the canvas's; of its sizes those that show no
    more pixels than the canvas has, or the smallest.
    """
    wanted = math.log(width / height)

    def shape(rung: Rung) -> float:
        return abs(math.log(rung.output[0] / rung.output[1]) - wanted)

    rungs = list(enumerate(spec.rungs))
    nearest = min(shape(rung) for _, rung in rungs)
    alike = [item for item in rungs if shape(item[1]) <= nearest + 0.1]
    alike.sort(key=lambda item: -item[1].pixels)
    fitting = [i for i, rung in alike if rung.pixels <= MIN_RUNG_SHARE * width * height]
    return fitting or [alike[-1][0]]
